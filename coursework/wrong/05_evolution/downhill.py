"""The gradient points down: a loss was descended where a fitness is to be ascended."""

SCORES = {"q2": 0, "q6": 0}


def gradient(eps, F, sigma):
    plus, minus = F[: len(F) // 2], F[len(F) // 2 :]
    return (minus - plus) @ eps / (2 * sigma * len(eps))
