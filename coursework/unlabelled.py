"""Assignment 4b's learners, in NumPy: five kinds, as functions `(history, seed) -> logits`.

A history is what a lifetime receives: observations "o" [L, A], previous actions "a" [L, B], rewards
"r" [L] and ends of episodes "end" [L]; the logits are [L, B].
"""

from collections.abc import Callable

import numpy as np

History = dict[str, np.ndarray]
Answers = Callable[[History, int], np.ndarray]

KINDS = ("SymLA", "MetaRNN", "REINFORCE", "SymLA without reward", "SymLA with places")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def lstm(W, u, x, h, c):
    """One update of LSTM cells with inputs x [..., X] and states h, c [..., N]."""
    i, g, f, o = np.split(np.concatenate([x, h], axis=-1) @ W + u, 4, axis=-1)
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def symla(rng: np.random.Generator, reward: float = 1.0, places: bool = False) -> Answers:
    """A SymLA with random meta-parameters; its reward input is multiplied by `reward`, and with
    `places` an input is multiplied by a number that depends on where it stands."""
    N, M = 4, 2
    W, u = 0.6 * rng.standard_normal((2 * M + 4 + N, 4 * N)), 0.3 * rng.standard_normal(4 * N)
    F, G = rng.standard_normal((N, M)), rng.standard_normal((N, M))

    def answers(history, seed):
        del seed  # its initial state is zero
        (L, A), B = history["o"].shape, history["a"].shape[1]
        h, c = np.zeros((A, B, N)), np.zeros((A, B, N))
        m_fwd, m_bwd, logits = np.zeros((B, M)), np.zeros((A, M)), []
        scale = 1 + 0.7 * np.arange(A) if places else np.ones(A)
        for t in range(L):
            of_a = np.concatenate([m_bwd, (scale * history["o"][t])[:, None]], axis=1)
            of_b = np.concatenate([m_fwd, history["a"][t][:, None]], axis=1)
            of_all = np.array([reward * history["r"][t], history["end"][t]])
            x = np.concatenate(
                [
                    np.broadcast_to(of_a[:, None], (A, B, M + 1)),
                    np.broadcast_to(of_b[None], (A, B, M + 1)),
                    np.broadcast_to(of_all, (A, B, 2)),
                ],
                axis=-1,
            )
            h, c = lstm(W, u, x, h, c)
            m_fwd, m_bwd = (h @ F).mean(axis=0), (h @ G).mean(axis=1)
            logits.append(m_fwd[:, 0])
        return np.array(logits)

    return answers


def metarnn(rng: np.random.Generator, A: int, B: int) -> Answers:
    """A MetaRNN with random meta-parameters for A inputs and B actions."""
    N = 8
    W, u = 0.5 * rng.standard_normal((A + B + 2 + N, 4 * N)), 0.3 * rng.standard_normal(4 * N)
    V = rng.standard_normal((N, B))

    def answers(history, seed):
        del seed
        there = history["o"].shape[1], history["a"].shape[1]
        if there != (A, B):
            raise ValueError(f"These meta-parameters are for {A} inputs and {B} actions.")
        h, c, logits = np.zeros(N), np.zeros(N), []
        for o, a, r, end in zip(*(history[name] for name in ("o", "a", "r", "end"))):
            h, c = lstm(W, u, np.concatenate([o, a, [r, end]]), h, c)
            logits.append(h @ V)
        return np.array(logits)

    return answers


def reinforce(rng: np.random.Generator) -> Answers:
    """A linear softmax policy that learns by policy gradients, from random weights that the seed of
    a lifetime draws."""
    alpha = 0.3 + 0.4 * rng.random()

    def answers(history, seed):
        o, a, r = history["o"], history["a"], history["r"]
        w = 0.5 * np.random.default_rng(seed).standard_normal((o.shape[1], a.shape[1]))
        logits = [o[0] @ w]
        for t in range(1, len(o)):
            policy = np.exp(logits[-1] - logits[-1].max())
            w = w + alpha * r[t] * np.outer(o[t - 1], a[t] - policy / policy.sum())
            logits.append(o[t] @ w)
        return np.array(logits)

    return answers


def learner(kind: str, seed: int, A: int, B: int) -> Answers:
    """A learner of this kind, its meta-parameters drawn from the seed."""
    rng = np.random.default_rng(seed)
    if kind == "MetaRNN":
        return metarnn(rng, A, B)
    if kind == "REINFORCE":
        return reinforce(rng)
    return symla(rng, float(kind != "SymLA without reward"), kind == "SymLA with places")


def five(seed: int, A: int, B: int) -> list[Answers]:
    """One learner of each kind, in an order that the seed draws."""
    rng = np.random.default_rng(seed)
    seeds = rng.integers(2**31, size=5).tolist()
    return [learner(KINDS[k], s, A, B) for k, s in zip(rng.permutation(5), seeds)]
