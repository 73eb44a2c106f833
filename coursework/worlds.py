"""Assignment 5b's worlds, and a small meta-training in them, in NumPy.

Two arms, 100 pulls. One arm pays with a probability from U[1/2, 1], the other from U[0, high]. In
the world "ordered" the first arm is the good one; in "swapped" it is the second; in "unordered" a
coin decides for each lifetime. The agent is a small SymLA: a cell for each action, one tick a pull.
"""

from collections.abc import Callable

import numpy as np

WORLDS = ("ordered", "swapped", "unordered")
PULLS, PAIRS, STEPS, LIFETIMES, TESTED = 100, 16, 80, 4, 300
SIGMA, ALPHA = 0.2, 0.12
N, M = 6, 2
SHAPES = {"W": (2 * M + 2 + N, 4 * N), "u": (1, 4 * N), "F": (N, M), "f": (1, M)}
SHAPES |= {"G": (N, M), "g": (1, M), "q": (1, 1)}
SIZE = sum(a * b for a, b in SHAPES.values())

Place = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`(logits [..., B], q [..., 1]) -> logits [..., B]`: what becomes of an agent's logits."""


def parts(theta: np.ndarray) -> dict[str, np.ndarray]:
    """The meta-parameters of n agents [n, D], by name, [n, rows, columns]."""
    cuts = np.cumsum([a * b for a, b in SHAPES.values()])[:-1]
    pieces = zip(SHAPES.items(), np.split(theta, cuts, axis=1))
    return {name: piece.reshape(-1, *shape) for (name, shape), piece in pieces}


def tasks(rng: np.random.Generator, world: str, high: float, count: int) -> np.ndarray:
    """Payout probabilities, [count, 2]."""
    pay = np.stack([rng.uniform(0.5, 1, count), rng.uniform(0, high, count)], axis=1)
    second = {"ordered": False, "swapped": True, "unordered": rng.random(count) < 0.5}[world]
    return np.where(np.broadcast_to(second, count)[:, None], pay[:, ::-1], pay)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def play(theta: np.ndarray, place: Place, p: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Lets n agents play l lifetimes each.

    Args:
        theta: meta-parameters, [n, D].
        place: what becomes of their logits.
        p: payout probabilities, [n, l, 2].
        draws: uniform random numbers, for the choice and for the payout, [n, l, PULLS, 2].

    Returns:
        The probability of a payout at each pull, [n, l, PULLS].
    """
    t, (n, lives, B) = parts(theta), p.shape
    W, u, F, f, G, g = (t[name] for name in "WuFfGg")
    u = u + np.repeat([0, 0, 1, 0], N)  # the forget gate's bias
    of_all = np.zeros((n, lives * B, 2 * M + 2 + N))  # m_bwd, m_fwd, a, r and h of every cell
    x = of_all.reshape(n, lives, B, -1)  # the same numbers
    c, found = np.zeros((n, lives * B, N)), np.empty((n, lives, PULLS))
    for pull in range(PULLS):
        z = of_all @ W + u
        gates = sigmoid(z)
        c = gates[..., 2 * N : 3 * N] * c + gates[..., :N] * np.tanh(z[..., N : 2 * N])
        h = gates[..., 3 * N :] * np.tanh(c)
        m_fwd = (h @ F + f).reshape(n, lives, B, M)
        logits = place(m_fwd[..., 0], t["q"])
        second = draws[:, :, pull, 0] >= sigmoid(logits[..., 0] - logits[..., 1])
        found[:, :, pull] = np.where(second, p[..., 1], p[..., 0])
        m_bwd = (h @ G + g).reshape(n, lives, B, M).sum(axis=2) / B
        x[..., :M], x[..., M : 2 * M] = m_bwd[:, :, None], m_fwd
        x[..., 0, 2 * M], x[..., 1, 2 * M] = ~second, second
        x[..., 2 * M + 1] = (draws[:, :, pull, 1] < found[:, :, pull])[..., None]
        of_all[..., 2 * M + 2 :] = h
    return found


def train(place: Place, world: str, high: float, seed: int) -> dict[str, float]:
    """Meta-trains an agent in a world by evolution strategies, and tests it in all.

    Args:
        place: what becomes of the agent's logits; it may use the meta-parameter q, zero at first.
        world: "ordered", "swapped" or "unordered".
        high: the bad arm pays with a probability from U[0, high].
        seed: of everything that is random.

    Returns:
        The mean regret of 100 pulls in each of the three worlds, by name, and "q".

    Raises:
        ValueError: another world.
    """
    if world not in WORLDS:
        raise ValueError(f"There is no world {world!r}: take {', '.join(WORLDS)}.")
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(SIZE) / np.sqrt(2 * M + 2 + N)
    theta[-1] = 0  # q
    m = v = np.zeros(SIZE)
    for step in range(STEPS):
        eps = rng.standard_normal((PAIRS, SIZE))
        p = tasks(rng, world, high, PAIRS * LIFETIMES).reshape(PAIRS, LIFETIMES, 2)
        draws = rng.random((PAIRS, LIFETIMES, PULLS, 2))
        members = np.concatenate([theta + SIGMA * eps, theta - SIGMA * eps])
        earned = play(members, place, np.tile(p, (2, 1, 1)), np.tile(draws, (2, 1, 1, 1)))
        F = earned.mean(axis=(1, 2))
        F = (F - F.mean()) / (F.std() + 1e-8)
        G = (F[:PAIRS] - F[PAIRS:]) @ eps / (2 * SIGMA * PAIRS)
        m, v = 0.9 * m + 0.1 * G, 0.99 * v + 0.01 * G**2
        up = m / (1 - 0.9 ** (step + 1)) / (np.sqrt(v / (1 - 0.99 ** (step + 1))) + 1e-8)
        theta = theta + ALPHA * (1 - step / STEPS) * up
    found = {}
    for name in WORLDS:
        p = tasks(rng, name, high, TESTED)
        lived = play(theta[None], place, p[None], rng.random((1, TESTED, PULLS, 2)))
        found[name] = float((p.max(axis=1) - lived[0].mean(axis=1)).mean() * PULLS)
    return found | {"q": float(theta[-1])}
