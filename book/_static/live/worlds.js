// The environments of the live SymLA: a bandit, a CartPole and a grid with a heart and a trap, as symla_lite/environments has them. `random` gives numbers in [0, 1).

/** Arms that pay 1 with probability p[a] and 0 otherwise. There is nothing to see, and no episode ends. */
class Bandit {
  constructor(p, random = Math.random) {
    Object.assign(this, { p, random });
  }

  reset() {
    return [0];
  }

  step(action) {
    return { o: [0], r: this.random() < this.p[action] ? 1 : 0, end: 0 };
  }
}

const X_LIMIT = 2.4; // half the track, in m
const ANGLE_LIMIT = (12 * Math.PI) / 180;

/** CartPole that pays 0.1 a step and -1 for a fall: `cartpole("balance")`, with gymnax's physics. */
class CartPole {
  constructor(random = Math.random) {
    this.random = random;
  }

  reset() {
    const [x, v, angle, turning] = Array.from({ length: 4 }, () => 0.1 * this.random() - 0.05);
    this.state = { x, v, angle, turning };
    this.time = 0;
    return this.look();
  }

  /** Pushes left (action 0) or right (1) with 10 N for 0.02 s. Cart 1 kg, pole 0.1 kg, and 0.5 m to its centre. */
  step(action) {
    const { x, v, angle, turning } = this.state;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const push = ((action === 1 ? 10 : -10) + 0.05 * turning ** 2 * sin) / 1.1;
    const turns = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos ** 2) / 1.1));
    const moves = push - (0.05 * turns * cos) / 1.1;
    this.state = {
      x: x + 0.02 * v,
      v: v + 0.02 * moves,
      angle: angle + 0.02 * turning,
      turning: turning + 0.02 * turns,
    };
    this.time += 1;
    const fell = Math.abs(this.state.x) > X_LIMIT || Math.abs(this.state.angle) > ANGLE_LIMIT;
    return { o: this.look(), r: fell ? -1 : 0.1, end: fell || this.time >= 500 ? 1 : 0 };
  }

  look() {
    const { x, v, angle, turning } = this.state;
    return [x, v, angle / 0.1, turning];
  }
}

const MOVES = [[-1, 0], [1, 0], [0, -1], [0, 1]]; // up, down, left, right
const TIME_LIMIT = 10; // steps of an episode on the grid

/** A grid whose heart pays 1 and whose trap pays -1, or the other way round: `standardised(hearts(3, episode=10))`, with walls
    that the agent cannot enter. `seen` is the mean and the scale of each entry of the observation. Heart and trap begin every
    episode in cells drawn at random until the reader puts them somewhere (`place`). */
class Hearts {
  constructor(side, seen, random = Math.random) {
    Object.assign(this, { side, seen, random, walls: Array(side ** 2).fill(false), placed: false, swapped: false });
  }

  /** Free cells, of which three are drawn, no two the same; or one, where heart and trap have been placed. */
  reset() {
    const taken = (cell) => this.walls[cell] || (this.placed && (cell === this.heart || cell === this.trap));
    const free = this.walls.map((_, cell) => cell).filter((cell) => !taken(cell));
    const drawn = () => free.splice(Math.floor(this.random() * free.length), 1)[0];
    this.agent = drawn();
    if (!this.placed) [this.heart, this.trap] = [drawn(), drawn()];
    this.time = 0;
    return this.look();
  }

  step(action) {
    const [row, column] = [Math.floor(this.agent / this.side), this.agent % this.side].map((x, i) =>
      Math.max(0, Math.min(this.side - 1, x + MOVES[action][i])),
    );
    const cell = row * this.side + column;
    if (!this.walls[cell]) this.agent = cell;
    this.time += 1;
    const found = (this.agent === this.heart) - (this.agent === this.trap);
    return { o: this.look(), r: this.swapped ? -found : found, end: found || this.time >= TIME_LIMIT ? 1 : 0, found };
  }

  look() {
    const image = [this.agent, this.heart, this.trap].flatMap((cell) => this.walls.map((_, at) => (at === cell ? 1 : 0)));
    return image.map((x, i) => (x - this.seen.mean[i]) * this.seen.scale[i]);
  }
}

function softmax(logits) {
  const raised = logits.map((y) => Math.exp(y - Math.max(...logits)));
  const total = raised.reduce((sum, e) => sum + e, 0);
  return raised.map((e) => e / total);
}

/** An index, drawn with these probabilities. */
function draw(probabilities, random) {
  let left = random();
  const found = probabilities.findIndex((p) => (left -= p) < 0);
  return found < 0 ? probabilities.length - 1 : found;
}

/** A learner in a world (symla_lite/lifetime.py). The learner sees the end of an episode, and the step after that resets.
    Between steps the reader may change the wires: input a shows what the world calls `inputs[a]`, action b does what it calls
    `actions[b]`, and `rewarded` says whether the learner receives its reward. */
class Lifetime {
  constructor(learner, world, random = Math.random) {
    const straight = (n) => Array.from({ length: n }, (_, i) => i);
    Object.assign(this, { learner, world, random, rewarded: true });
    this.inputs = straight(learner.A);
    this.actions = straight(learner.B);
    this.told = { o: world.reset(), r: 0, a: Array(learner.B).fill(0), end: 0 };
    this.probabilities = Array(learner.B).fill(1 / learner.B);
  }

  /** One step; what the world answered, and the action. */
  step() {
    const { o, r, a, end } = this.told;
    this.logits = this.learner.step({ o: this.inputs.map((i) => o[i]), r: this.rewarded ? r : 0, a, end });
    this.probabilities = softmax(this.logits);
    const action = draw(this.probabilities, this.random);
    const next = end ? { o: this.world.reset(), r: 0, end: 0 } : this.world.step(this.actions[action]);
    this.told = { ...next, a: a.map((_, b) => (b === action ? 1 : 0)) };
    return { ...next, action };
  }
}
