// The environments of the live SymLA: a bandit and a CartPole, as symla_lite/environments has them. `random` gives numbers in [0, 1).

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

  /** One step; the action, the reward and whether the episode has ended. */
  step() {
    const { o, r, a, end } = this.told;
    this.logits = this.learner.step({ o: this.inputs.map((i) => o[i]), r: this.rewarded ? r : 0, a, end });
    this.probabilities = softmax(this.logits);
    const action = draw(this.probabilities, this.random);
    const next = end ? { o: this.world.reset(), r: 0, end: 0 } : this.world.step(this.actions[action]);
    this.told = { ...next, a: a.map((_, b) => (b === action ? 1 : 0)) };
    return { action, r: next.r, end: next.end };
  }
}
