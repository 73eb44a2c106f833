// SymLA in the reader's browser: Equation 9 as symla_lite/symla.py has it with its default options, one cell at a time.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** x · w + b, for x [n], w [n, m] and b [m]. */
const linear = (x, { w, b }) => b.map((bias, j) => x.reduce((sum, x_i, i) => sum + x_i * w[i][j], bias));

/** The mean of vectors. */
const mean = (vectors) => vectors[0].map((_, m) => vectors.reduce((sum, v) => sum + v[m], 0) / vectors.length);

/** `rows` x `columns` of what `make(a, b)` gives. */
const grid = (rows, columns, make) =>
  Array.from({ length: rows }, (_, a) => Array.from({ length: columns }, (_, b) => make(a, b)));

/** f_RNN: an LSTM with Haiku's order of gates and its forget bias of 1. Its inputs change its state {h, c}, [N] each. */
function lstm({ h, c }, heard, parameters) {
  const N = h.length;
  const gates = linear([...heard, ...h], parameters);
  const [i, g, f, o] = [0, 1, 2, 3].map((k) => gates.slice(k * N, (k + 1) * N));
  const memory = c.map((c_n, n) => sigmoid(f[n] + 1) * c_n + sigmoid(i[n]) * Math.tanh(g[n]));
  return { h: memory.map((c_n, n) => sigmoid(o[n]) * Math.tanh(c_n)), c: memory };
}

/** One lifetime: A x B cells that share theta, and the messages between them. */
class SymLA {
  /** `theta` and `ticks` are a record's; A and B are the numbers of inputs and of actions. */
  constructor({ theta, ticks }, A, B) {
    const N = theta.m_fwd.w.length;
    const M = theta.m_fwd.b.length;
    Object.assign(this, { theta, ticks, A, B });
    this.cells = grid(A, B, () => ({ h: Array(N).fill(0), c: Array(N).fill(0) }));
    this.m_fwd = grid(B, M, () => 0);
    this.m_bwd = grid(A, M, () => 0);
  }

  /** One step in the environment. It receives its observation o [A], the reward r of its last action, that action, one-hot,
      a [B], and whether the episode has ended (0 or 1); it answers with logits [B]. */
  step({ o, r, a: action, end }) {
    const { theta, m_fwd, m_bwd } = this;
    for (let tick = 0; tick < this.ticks; tick++) {
      this.cells = grid(this.A, this.B, (a, b) =>
        lstm(this.cells[a][b], [...m_bwd[a], o[a], ...m_fwd[b], action[b], r, end], theta["lstm/linear"]),
      );
    }
    const said_fwd = this.cells.map((row) => row.map(({ h }) => linear(h, theta.m_fwd)));
    const said_bwd = this.cells.map((row) => row.map(({ h }) => linear(h, theta.m_bwd)));
    this.m_fwd = this.m_fwd.map((_, b) => mean(said_fwd.map((row) => row[b])));
    this.m_bwd = said_bwd.map(mean);
    return this.m_fwd.map((message) => message[0]);
  }
}
