"""The gradient points down: a loss was descended where a fitness is to be ascended."""

SCORES = {"q2": 0, "q6": 0}


def gradient(eps, F, sigma):
    return (F[:, 1] - F[:, 0]) @ eps / (2 * sigma * len(eps))
