// The controls and pictures of the page "SymLA, live". The learner is in symla.js, its environments are in worlds.js.

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const WARM_COLD = [[33, 102, 172], [247, 247, 247], [178, 24, 43]];

const percent = (p) => `${Math.round(100 * p)} %`;
const options = (entries, chosen) =>
  entries.map(([value, words]) => `<option value="${value}"${value === chosen ? " selected" : ""}>${words}</option>`).join("");

/** Blue for -1, white for 0, red for 1. */
function warmCold(value) {
  const v = Math.max(-1, Math.min(1, value));
  const end = WARM_COLD[v < 0 ? 0 : 2];
  return `rgb(${WARM_COLD[1].map((middle, i) => Math.round(middle + Math.abs(v) * (end[i] - middle))).join(" ")})`;
}

/** A canvas as wide as its place and `height` high, cleared to the figures' ground; draws in pixels of the page. */
function paper(canvas, height, { paper, ink }) {
  const width = canvas.clientWidth;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  Object.assign(ctx, { fillStyle: paper, strokeStyle: ink, font: "12px sans-serif", textBaseline: "middle" });
  ctx.fillRect(0, 0, width, height);
  ctx.fillStyle = ink;
  return { ctx, width, height };
}

function line(ctx, points, style = {}) {
  ctx.save();
  ctx.setLineDash(style.dash ?? []);
  Object.assign(ctx, { lineWidth: 1, lineJoin: "round", ...style });
  ctx.beginPath();
  points.forEach(([x, y]) => ctx.lineTo(x, y));
  ctx.stroke();
  ctx.restore();
}

function text(ctx, words, x, y, style = {}) {
  ctx.save();
  Object.assign(ctx, style);
  ctx.fillText(words, x, y);
  ctx.restore();
}

/** What the demonstrations share: a lifetime that is stepped by buttons or runs, and a record of its last steps. */
class Demo {
  /** `data` is what book/_tools/live.py exports. `span` is the number of steps that the picture shows. */
  constructor(root, data, { speeds, speed, span, buttons, fields, body }) {
    Object.assign(this, { root, data, span, rate: speed, running: false });
    root.style.setProperty("--live-symla", data.colours.symla);
    root.insertAdjacentHTML(
      "beforeend",
      `<div class="live-controls">
        <button type="button" data-do="toggle">Run</button>
        <button type="button" data-do="once">Step</button>
        <button type="button" data-do="reset">Reset</button>
        <button type="button" data-do="renew">New lifetime</button>
        <label>Speed <select data-set="rate">${options(speeds, speed)}</select></label>
      </div>
      <div class="live-controls">
        ${buttons.map(([name, words]) => `<button type="button" data-do="${name}">${words}</button>`).join("")}
        ${fields}
        <label><input type="checkbox" data-set="rewarded" checked> It receives its reward</label>
      </div>
      ${body}
      <p class="live-readout"></p>
      <p class="live-said" aria-live="polite"></p>`,
    );
    root.addEventListener("click", (event) => this[event.target.dataset.do]?.());
    this.find("[data-set=rate]").addEventListener("change", (event) => (this.rate = Number(event.target.value)));
    this.find("[data-set=rewarded]").addEventListener("change", () => this.hear());
    new ResizeObserver(() => this.draw()).observe(root);
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Says once what a control did. */
  say(words) {
    this.find(".live-said").textContent = words;
  }

  /** A SymLA with initial states in `world`, and nothing recorded. */
  bear(world, A, B) {
    this.life = new Lifetime(new SymLA(this.data, A, B), world);
    this.record = []; // of the steps in the picture
    this.before = { regret: 0, regretOfRandom: 0 }; // of the step before them
    this.steps = 0;
    this.marks = [];
    this.hear();
  }

  hear() {
    this.life.rewarded = this.find("[data-set=rewarded]").checked;
    this.mark(this.life.rewarded ? "reward" : "no reward");
  }

  /** Notes that the reader changed something, for the picture. */
  mark(words) {
    if (this.steps) this.marks.push({ at: this.steps, words });
    this.draw();
  }

  toggle() {
    this.running = !this.running;
    this.find("[data-do=toggle]").textContent = this.running ? "Pause" : "Run";
    this.say(this.running ? "Running." : `Paused after ${this.steps} steps.`);
    if (this.running) requestAnimationFrame((now) => this.frame(now, now, 0, 0));
  }

  once() {
    this.advance();
    this.draw();
  }

  advance() {
    this.record.push(this.observe(this.life.step()));
    if (this.record.length > this.span) this.before = this.record.shift();
    this.steps += 1;
  }

  /** Steps as many as are due since `last`, and draws; twice a second only, where the reader wants little to move. */
  frame(now, last, due, drawn) {
    if (!this.running) return;
    due += (this.rate * Math.min(now - last, 100)) / 1000;
    for (; due >= 1; due--) this.advance();
    if (!STILL.matches || now - drawn >= 500) {
      this.draw();
      drawn = now;
    }
    requestAnimationFrame((next) => this.frame(next, now, due, drawn));
  }

  /** Where step `t` stands between `left` and `right`. */
  across(t, left, right) {
    return left + ((t - Math.max(0, this.steps - this.span)) / this.span) * (right - left);
  }

  /** Draws the reader's changes as dashed lines from `top` to `bottom`. */
  drawMarks(ctx, left, right, top, bottom) {
    this.marks = this.marks.filter(({ at }) => at > this.steps - this.span);
    for (const { at, words } of this.marks) {
      const x = this.across(at, left, right);
      line(ctx, [[x, top], [x, bottom]], { dash: [3, 3] });
      text(ctx, words, x, top - 7, { font: "11px sans-serif", textAlign: x > right - 60 ? "right" : x < left + 40 ? "left" : "center" });
    }
  }
}

/** A bandit whose arms the reader sets. */
class BanditDemo extends Demo {
  constructor(root, data) {
    super(root, data, {
      speeds: [2, 20, 100, 500].map((pulls) => [pulls, `${pulls} pulls a second`]),
      speed: 20,
      span: 300,
      buttons: [["swap", "Swap best and worst arm"]],
      fields: `<label>Arms <select data-set="arms">${options(Array.from({ length: 11 }, (_, i) => [i + 2, i + 2]), 2)}</select></label>`,
      body: `<table class="live-arms">
          <thead><tr><th scope="col">Arm</th><th scope="col">pays with probability</th><th scope="col">SymLA pulls it next</th></tr></thead>
          <tbody></tbody>
        </table>
        <canvas role="img" aria-label="Every pull so far, one row for each arm, and below it the regret, beside that of pulls at random."></canvas>`,
    });
    this.find("[data-set=arms]").addEventListener("change", (event) => this.setArms(Number(event.target.value)));
    this.p = [0.75, 0.25];
    this.reset();
  }

  reset() {
    this.world = new Bandit(this.p);
    this.regret = this.regretOfRandom = 0;
    this.list();
    this.bear(this.world, 1, this.p.length);
    this.say("A new lifetime: SymLA has received nothing yet from these arms.");
  }

  renew() {
    this.p = this.p.map(() => Math.round(20 * Math.random()) / 20);
    this.reset();
    this.say("A new lifetime with new arms, drawn at random.");
  }

  setArms(number) {
    this.p = Array.from({ length: number }, (_, i) => this.p[i] ?? Math.round(20 * Math.random()) / 20);
    this.reset();
  }

  swap() {
    const best = this.p.indexOf(Math.max(...this.p));
    const worst = this.p.indexOf(Math.min(...this.p));
    [this.p[best], this.p[worst]] = [this.p[worst], this.p[best]];
    this.list();
    this.mark("swapped");
    this.say(`Arm ${worst + 1} pays now what arm ${best + 1} paid, and the other way round.`);
  }

  /** The table's rows, anew. */
  list() {
    this.find("tbody").innerHTML = this.p
      .map(
        (p, a) => `<tr><th scope="row">${a + 1}</th>
          <td><input type="range" min="0" max="1" step="0.05" value="${p}" aria-label="Arm ${a + 1} pays with probability"> <output>${percent(p)}</output></td>
          <td><span class="live-bar"><span></span></span> <span class="live-chance"></span></td></tr>`,
      )
      .join("");
    this.root.querySelectorAll("tbody input").forEach((slider, a) => {
      slider.addEventListener("input", () => {
        this.p[a] = Number(slider.value);
        slider.nextElementSibling.textContent = percent(this.p[a]);
        if (this.marks.at(-1)?.at !== this.steps) this.mark("changed");
      });
    });
  }

  observe({ action, r }) {
    const best = Math.max(...this.p);
    this.regret += best - this.p[action];
    this.regretOfRandom += best - this.p.reduce((sum, p) => sum + p, 0) / this.p.length;
    return {
      action,
      paid: r > 0,
      probabilities: this.life.probabilities,
      best: this.p.map((p) => p === best),
      regret: this.regret,
      regretOfRandom: this.regretOfRandom,
    };
  }

  draw() {
    if (!this.life) return;
    const { colours } = this.data;
    const { probabilities, logits } = this.life;
    this.root.querySelectorAll("tbody tr").forEach((row, a) => {
      row.querySelector(".live-bar > span").style.width = `${100 * probabilities[a]}%`;
      row.querySelector(".live-chance").textContent =
        percent(probabilities[a]) + (logits ? `, logit ${logits[a].toFixed(1)}`.replace("-", "−") : "");
    });

    const rows = this.p.length;
    const row = rows > 6 ? 16 : 24;
    const [left, top, below] = [46, 20, 110];
    const bottom = top + rows * row;
    const { ctx, width, height } = paper(this.find("canvas"), bottom + below + 26, colours);
    const right = width - 8;
    const first = this.steps - this.record.length;
    const column = (right - left) / this.span;

    this.record.forEach(({ action, paid, probabilities, best }, i) => {
      const x = this.across(first + i, left, right);
      ctx.fillStyle = colours.symla;
      probabilities.forEach((p, a) => {
        ctx.globalAlpha = 0.3 * p;
        ctx.fillRect(x, top + a * row, column, row - 2);
      });
      ctx.globalAlpha = 1;
      const tall = paid ? row - 6 : (row - 6) / 3;
      ctx.fillStyle = paid ? colours.symla : colours.random;
      ctx.fillRect(x, top + (action + 1) * row - 4 - tall, Math.max(1, column - 0.5), tall);
      ctx.fillStyle = colours.ink;
      best.forEach((is, a) => is && ctx.fillRect(x, top + (a + 1) * row - 2, column + 0.5, 1.5));
    });
    ctx.fillStyle = colours.ink;
    for (let a = 0; a < rows; a++) text(ctx, `arm ${a + 1}`, 4, top + (a + 0.5) * row);
    if (!this.steps) text(ctx, "Press Run.", (left + right) / 2, bottom + below / 2, { textAlign: "center" });

    // The regret of the pulls in the picture, from where it stood before them; that of pulls at random soon leaves it.
    const [high, low] = [bottom + 18, bottom + below + 8];
    const before = this.before;
    const most = Math.max(5, 1.3 * (this.regret - before.regret));
    const y = (regret) => low - (regret / most) * (low - high);
    line(ctx, [[left, low], [right, low]]);
    text(ctx, "regret", 4, high - 2);
    for (const regret of [0, most]) text(ctx, (before.regret + regret).toFixed(0), left - 4, y(regret) + (regret ? 14 : 0), { textAlign: "right" });
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, high, right - left, low - high + 2);
    ctx.clip();
    for (const [key, colour, dash] of [["regretOfRandom", colours.random, [5, 4]], ["regret", colours.symla, []]]) {
      const points = this.record.map((step, i) => [this.across(first + i + 1, left, right), y(step[key] - before[key])]);
      line(ctx, [[left, low], ...points], { strokeStyle: colour, lineWidth: 2, dash });
    }
    ctx.restore();
    if (this.steps > 20) {
      const end = this.across(this.steps, left, right);
      const side = end > left + 120 ? [end - 6, "right"] : [end + 6, "left"];
      text(ctx, "SymLA", side[0], y(this.regret - before.regret) - 9, { textAlign: side[1], fillStyle: colours.symla, font: "bold 12px sans-serif" });
      const out = this.record.findIndex((step) => step.regretOfRandom - before.regretOfRandom > 0.8 * most);
      if (out >= 0) text(ctx, "at random", this.across(first + out, left, right) + 12, high + 24, { fillStyle: "#5A5A5A" });
    }
    text(ctx, `pull ${this.steps}`, this.across(this.steps, left, right), height - 9, { textAlign: this.steps > 30 ? "right" : "left" });
    this.drawMarks(ctx, left, right, 14, low);

    const lately = this.record.slice(-50);
    const well = lately.filter(({ action, best }) => best[action]).length;
    this.find(".live-readout").textContent = this.steps
      ? `${this.steps} pulls, regret ${this.regret.toFixed(1)}; pulls at random would have ${this.regretOfRandom.toFixed(1)}. ` +
        `Of the last ${lately.length} pulls ${well} went to an arm that was best.`
      : "No pull yet.";
  }
}

const SENSES = ["position", "velocity", "angle", "turning"];
const PUSHES = ["left", "right"];

/** An order of 0 ... n - 1 other than `present`. */
function reordered(present) {
  const order = present.map((value) => [Math.random(), value]).sort(([p], [q]) => p - q).map(([, value]) => value);
  return order.every((value, i) => value === present[i]) ? reordered(present) : order;
}

/** Steps until a policy that pushes at random lets the pole fall, on average. */
function stepsOfRandom(episodes = 300) {
  const world = new CartPole();
  let steps = 0;
  for (let episode = 0; episode < episodes; episode++) {
    world.reset();
    do steps += 1;
    while (!world.step(Math.random() < 0.5 ? 0 : 1).end);
  }
  return steps / episodes;
}

/** A CartPole whose wires the reader shuffles. */
class CartPoleDemo extends Demo {
  constructor(root, data) {
    super(root, data, {
      speeds: [[10, "slow motion"], [50, "as it is"], [250, "5 times"], [1000, "20 times"]],
      speed: 50,
      span: 1500,
      buttons: [["shuffle", "Shuffle the inputs"], ["exchange", "Swap the actions"], ["straighten", "All wires straight"]],
      fields: "",
      body: `<div class="live-pair">
          <canvas class="live-scene" role="img" aria-label="A cart on a track with a pole on it."></canvas>
          <canvas class="live-wires" role="img" aria-label="SymLA's cells, and the wires from what is measured to its inputs and from its actions to the pushes."></canvas>
        </div>
        <canvas class="live-strips" role="img" aria-label="Above, the pole's angle over the last 1500 steps; below, how long each episode has lasted."></canvas>`,
    });
    this.byChance = stepsOfRandom();
    this.inputs = [0, 1, 2, 3];
    this.actions = [0, 1];
    this.reset();
  }

  reset() {
    this.world = new CartPole();
    this.falls = 0;
    this.bear(this.world, 4, 2);
    this.rewire();
    this.say("A new lifetime: SymLA has not identified its wires yet.");
  }

  renew() {
    this.inputs = reordered(this.inputs);
    this.actions = Math.random() < 0.5 ? [0, 1] : [1, 0];
    this.reset();
    this.say("A new lifetime with wires in another order.");
  }

  shuffle() {
    this.inputs = reordered(this.inputs);
    this.rewire("shuffled");
    this.say(`Inputs 1 to 4 show now: ${this.inputs.map((i) => SENSES[i]).join(", ")}.`);
  }

  exchange() {
    this.actions = [...this.actions].reverse();
    this.rewire("swapped");
    this.say(`Action 1 pushes now to the ${PUSHES[this.actions[0]]}, action 2 to the ${PUSHES[this.actions[1]]}.`);
  }

  straighten() {
    this.inputs = [0, 1, 2, 3];
    this.actions = [0, 1];
    this.rewire("straight");
    this.say("All wires are as they were in meta-training.");
  }

  rewire(words) {
    Object.assign(this.life, { inputs: this.inputs, actions: this.actions });
    if (words) this.mark(words);
    else this.draw();
  }

  observe({ action, r, end }) {
    const fell = r < 0;
    this.falls += fell;
    this.push = this.actions[action];
    return { angle: this.world.state.angle, time: this.world.time, fell, end };
  }

  draw() {
    if (!this.life) return;
    this.drawScene();
    this.drawWires();
    this.drawStrips();
    const lately = this.record.slice(-500);
    const falls = lately.filter(({ fell }) => fell).length;
    this.find(".live-readout").textContent = this.steps
      ? `Step ${this.steps}: the pole has stood for ${this.world.time} steps. ${this.falls} falls so far, ${falls} in the last ` +
        `${lately.length} steps; pushes at random would make ${Math.round(lately.length / (this.byChance + 1))}.`
      : "Nothing has happened yet.";
  }

  drawScene() {
    const { ctx, width, height } = paper(this.find(".live-scene"), 200, this.data.colours);
    const metre = (width - 60) / (2 * X_LIMIT);
    const { x, angle } = this.world.state;
    const floor = height - 34;
    const at = width / 2 + x * metre;
    const cart = Math.max(36, 0.5 * metre);
    line(ctx, [[width / 2 - X_LIMIT * metre, floor], [width / 2 + X_LIMIT * metre, floor]], { lineWidth: 2 });
    for (const end of [-1, 1]) {
      const wall = width / 2 + end * X_LIMIT * metre;
      line(ctx, [[wall, floor - 10], [wall, floor + 6]], { lineWidth: 2 });
      text(ctx, `${end < 0 ? "−" : ""}${X_LIMIT} m`, wall, floor + 18, { textAlign: "center" });
    }
    ctx.fillStyle = this.data.colours.ink;
    ctx.fillRect(at - cart / 2, floor - 22, cart, 18);
    const long = Math.min(metre, floor - 50);
    const tip = [at + long * Math.sin(angle), floor - 22 - long * Math.cos(angle)];
    line(ctx, [[at, floor - 22], tip], { lineWidth: 7, lineCap: "round", strokeStyle: this.data.colours.symla });
    if (this.steps) {
      const way = this.push === 1 ? 1 : -1;
      const tail = at - way * (cart / 2 + 26);
      const head = at - way * (cart / 2 + 6);
      line(ctx, [[tail, floor - 13], [head, floor - 13]], { lineWidth: 2 });
      line(ctx, [[head - way * 7, floor - 18], [head, floor - 13], [head - way * 7, floor - 8]], { lineWidth: 2 });
    }
  }

  drawWires() {
    const { colours } = this.data;
    const { ctx, width, height } = paper(this.find(".live-wires"), 200, colours);
    const { learner, told, probabilities } = this.life;
    const row = (i, n) => 28 + ((height - 36) * (i + 0.5)) / n;
    const [senses, inputs, cells, outputs, pushes] = [62, 0.36 * width, 0.54 * width, 0.74 * width, width - 38];
    const wire = (x0, y0, x1, y1, moved) => {
      ctx.save();
      Object.assign(ctx, { lineWidth: moved ? 2.5 : 1.5, strokeStyle: moved ? colours.symla : colours.ink });
      ctx.beginPath();
      ctx.moveTo(x0, y0);
      ctx.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
      ctx.stroke();
      ctx.restore();
    };
    const node = (x, y, fill) => {
      ctx.beginPath();
      ctx.arc(x, y, 7, 0, 2 * Math.PI);
      ctx.fillStyle = fill;
      ctx.fill();
      ctx.stroke();
      ctx.fillStyle = colours.ink;
    };
    text(ctx, "measured", 4, 12, { font: "11px sans-serif" });
    text(ctx, "inputs", inputs, 12, { font: "11px sans-serif", textAlign: "center" });
    text(ctx, "cells", cells, 12, { font: "11px sans-serif", textAlign: "center" });
    text(ctx, "actions", outputs, 12, { font: "11px sans-serif", textAlign: "center" });
    SENSES.forEach((name, i) => text(ctx, name, senses - 4, row(i, 4), { textAlign: "right" }));
    PUSHES.forEach((name, i) => text(ctx, name, pushes + 4, row(i, 2)));
    this.inputs.forEach((sense, a) => wire(senses, row(sense, 4), inputs, row(a, 4), sense !== a));
    this.actions.forEach((push, b) => wire(outputs, row(b, 2), pushes, row(push, 2), push !== b));
    const size = 20;
    for (let a = 0; a < 4; a++) {
      line(ctx, [[inputs, row(a, 4)], [cells, row(a, 4)]], { strokeStyle: "#C9C5BC" });
      for (let b = 0; b < 2; b++) line(ctx, [[cells + (b ? 14 : -14), row(a, 4)], [outputs, row(b, 2)]], { strokeStyle: "#C9C5BC" });
    }
    learner.cells.forEach((cellsOfInput, a) =>
      cellsOfInput.forEach(({ h }, b) => {
        const root = Math.ceil(Math.sqrt(h.length));
        const [x0, y0] = [cells + (b ? 4 : -4 - size), row(a, 4) - size / 2];
        h.forEach((value, n) => {
          ctx.fillStyle = warmCold(value);
          ctx.fillRect(x0 + ((n % root) * size) / root, y0 + (Math.floor(n / root) * size) / root, size / root + 0.3, size / root + 0.3);
        });
        ctx.lineWidth = 1;
        ctx.strokeRect(x0, y0, size, size);
      }),
    );
    this.inputs.forEach((sense, a) => node(inputs, row(a, 4), warmCold(told.o[sense])));
    this.actions.forEach((_, b) => {
      node(outputs, row(b, 2), warmCold(2 * probabilities[b] - 1));
      text(ctx, percent(probabilities[b]), outputs, row(b, 2) + 18, { textAlign: "center" });
    });
  }

  drawStrips() {
    const { colours } = this.data;
    const { ctx, width } = paper(this.find(".live-strips"), 250, colours);
    const [left, right] = [62, width - 8];
    const first = this.steps - this.record.length;
    const x = (i) => this.across(first + i + 1, left, right);

    const [top, middle, bottom] = [22, 70, 118];
    const yAngle = (angle) => Math.max(top, Math.min(bottom, middle - (angle / ANGLE_LIMIT) * (bottom - middle)));
    text(ctx, "angle", 4, middle);
    for (const [angle, words] of [[ANGLE_LIMIT, "+12°"], [0, "0°"], [-ANGLE_LIMIT, "−12°"]]) {
      line(ctx, [[left, yAngle(angle)], [right, yAngle(angle)]], { strokeStyle: angle ? colours.ink : "#C9C5BC" });
      text(ctx, words, left - 4, yAngle(angle), { textAlign: "right", font: "11px sans-serif" });
    }

    const [high, low] = [140, 236];
    const yTime = (time) => low - (time / 500) * (low - high);
    text(ctx, "steps", 4, high + 8);
    text(ctx, "upright", 4, high + 22);
    for (const time of [0, 500]) {
      line(ctx, [[left, yTime(time)], [right, yTime(time)]], { strokeStyle: time ? "#C9C5BC" : colours.ink });
      text(ctx, time, left - 4, yTime(time), { textAlign: "right", font: "11px sans-serif" });
    }
    line(ctx, [[left, yTime(this.byChance)], [right, yTime(this.byChance)]], { dash: [5, 4], strokeStyle: colours.random, lineWidth: 2 });

    let episode = [];
    const flush = () => {
      line(ctx, episode.map(([i, { angle }]) => [x(i), yAngle(angle)]), { strokeStyle: colours.symla, lineWidth: 1.5 });
      line(ctx, episode.map(([i, { time }]) => [x(i), yTime(time)]), { strokeStyle: colours.symla, lineWidth: 2 });
      episode = [];
    };
    this.record.forEach((step, i) => {
      episode.push([i, step]);
      if (!step.end) return;
      flush();
      if (step.fell) text(ctx, "×", x(i), yTime(step.time), { textAlign: "center", font: "bold 14px sans-serif" });
    });
    flush();
    ctx.fillStyle = colours.paper;
    ctx.fillRect(right - 58, yTime(this.byChance) - 16, 58, 14);
    ctx.fillStyle = colours.ink;
    text(ctx, "at random", right, yTime(this.byChance) - 9, { textAlign: "right", fillStyle: "#5A5A5A" });
    if (!this.steps) text(ctx, "Press Run.", (left + right) / 2, middle - 20, { textAlign: "center" });
    this.drawMarks(ctx, left, right, 16, low);
  }
}

const THINGS = { heart: "♥", trap: "✖", wall: "■" };
const WAYS = ["up", "down", "left", "right"];
const LATELY = 100; // steps that the reward of the picture is a mean of

/** A grid on which the reader puts heart, trap and walls. */
class HeartsDemo extends Demo {
  constructor(root, data) {
    super(root, data, {
      speeds: [2, 20, 100, 500].map((steps) => [steps, `${steps} steps a second`]),
      speed: 100,
      span: 2000,
      buttons: [["swap", "Swap the rewards"], ["scatter", "Random places, no walls"]],
      fields: `<label>A click puts <select data-set="thing">${options(Object.keys(THINGS).map((name) => [name, `${THINGS[name]} ${name}`]), "heart")}</select></label>`,
      body: `<div class="live-pair">
          <div class="live-grid" role="group" aria-label="The grid. ● is the agent."></div>
          <table class="live-arms"><tbody></tbody></table>
        </div>
        <canvas role="img" aria-label="The mean reward of the last ${LATELY} steps, over the last 2000 steps."></canvas>`,
    });
    this.world = new Hearts(data.side, data.seen);
    this.find(".live-grid").style.gridTemplateColumns = `repeat(${data.side}, minmax(0, 1fr))`;
    this.find(".live-grid").innerHTML = this.world.walls.map((_, cell) => `<button type="button" data-cell="${cell}"></button>`).join("");
    this.find(".live-grid").addEventListener("click", ({ target }) => target.dataset.cell && this.put(Number(target.dataset.cell)));
    this.find("tbody").innerHTML = WAYS.map(
      (way) => `<tr><th scope="row">${way}</th><td><span class="live-bar"><span></span></span> <span class="live-chance"></span></td></tr>`,
    ).join("");
    this.reset();
  }

  reset() {
    this.world.swapped = false;
    this.found = { heart: 0, trap: 0 };
    this.bear(this.world, 3 * this.world.walls.length, WAYS.length);
    this.say("A new lifetime: SymLA has not received any reward yet. The heart pays 1, the trap −1.");
  }

  renew() {
    this.scatter();
    this.reset();
  }

  swap() {
    this.world.swapped = !this.world.swapped;
    const [good, bad] = this.world.swapped ? ["trap", "heart"] : ["heart", "trap"];
    this.mark(`the ${good} pays`);
    this.say(`From now on the ${good} pays 1 and the ${bad} −1.`);
  }

  scatter() {
    this.world.placed = false;
    this.world.walls.fill(false);
    this.mark("random places");
    this.say("There are no walls, and heart and trap begin every episode somewhere else.");
  }

  /** Puts the chosen thing into a cell; a wall that is there goes. */
  put(cell) {
    const { world } = this;
    const thing = this.find("[data-set=thing]").value;
    const other = { heart: "trap", trap: "heart" }[thing];
    const free = world.walls.filter((wall) => !wall).length;
    if (world.walls[cell]) world.walls[cell] = false;
    else if (cell === world.agent || cell === world[other] || cell === world[thing]) return this.say("Something is there already: take another cell.");
    else if (thing !== "wall") {
      world[thing] = cell;
      world.placed = true;
    } else if (cell === world.heart || cell === world.trap) return this.say("Something is there already: take another cell.");
    else if (free <= 4) return this.say("The agent needs some free cells: take a wall away first.");
    else world.walls[cell] = true;
    if (!(this.steps - this.marks.at(-1)?.at < LATELY)) this.mark("changed"); // several at a time are one change
    this.draw();
    this.say(world.placed ? "Heart and trap stay where they are from now on." : "Walls stay where they are; heart and trap begin every episode somewhere else.");
  }

  observe({ r, found = 0 }) {
    if (found) this.found[found > 0 ? "heart" : "trap"] += 1;
    const rewards = this.record.slice(1 - LATELY).map((step) => step.r);
    return { r, found, mean: (rewards.reduce((sum, x) => sum + x, 0) + r) / (rewards.length + 1) };
  }

  draw() {
    if (!this.life) return;
    const { world, steps } = this;
    const { colours } = this.data;
    this.root.querySelectorAll("[data-cell]").forEach((button, cell) => {
      const here = [cell === world.agent && "agent", cell === world.heart && "heart", cell === world.trap && "trap", world.walls[cell] && "wall"].filter(Boolean);
      const words = `Row ${Math.floor(cell / world.side) + 1}, column ${(cell % world.side) + 1}: ${here.join(" and ") || "empty"}`;
      const shown = here.map((name) => THINGS[name] ?? "●").join("");
      if (button.textContent !== shown) button.textContent = shown;
      if (button.ariaLabel !== words) button.ariaLabel = words;
      button.className = here.map((name) => `live-${name}`).join(" ");
    });
    this.root.querySelectorAll("tbody tr").forEach((row, b) => {
      row.querySelector(".live-bar > span").style.width = `${100 * this.life.probabilities[b]}%`;
      row.querySelector(".live-chance").textContent = percent(this.life.probabilities[b]);
    });

    const { ctx, width, height } = paper(this.find("canvas"), 190, colours);
    const [left, right, top, low] = [56, width - 8, 26, 176];
    const y = (reward) => (top + low) / 2 - (Math.max(-0.5, Math.min(0.5, reward)) / 0.5) * ((low - top) / 2);
    const first = steps - this.record.length;
    text(ctx, "reward", 4, 10);
    text(ctx, "a step", 4, 24);
    for (const reward of [0.25, 0, -0.25]) {
      line(ctx, [[left, y(reward)], [right, y(reward)]], { strokeStyle: reward ? "#C9C5BC" : colours.ink });
      text(ctx, reward.toFixed(2).replace("-", "−"), left - 4, y(reward), { textAlign: "right", font: "11px sans-serif" });
    }
    line(ctx, this.record.map(({ mean }, i) => [this.across(first + i + 1, left, right), y(mean)]), {
      strokeStyle: colours.symla,
      lineWidth: 2,
    });
    if (!steps) text(ctx, "Press Run.", (left + right) / 2, (top + low) / 2 - 14, { textAlign: "center" });
    text(ctx, `step ${steps}`, this.across(steps, left, right), height - 6, { textAlign: steps > 150 ? "right" : "left" });
    this.drawMarks(ctx, left, right, 18, low);

    const lately = this.record.slice(-LATELY);
    const count = (sign) => lately.filter(({ found }) => found === sign).length;
    this.find(".live-readout").textContent = steps
      ? `${steps} steps, ${this.found.heart} hearts and ${this.found.trap} traps. Of these, ${count(1)} hearts and ${count(-1)} traps in the last ${lately.length} steps.`
      : "Nothing has happened yet.";
  }
}

for (const [name, kind] of Object.entries({ bandit: BanditDemo, cartpole: CartPoleDemo, hearts: HeartsDemo })) {
  for (const root of document.querySelectorAll(`[data-live=${name}]`)) {
    root.demo = new kind(root, JSON.parse(root.querySelector("script").textContent));
  }
}
