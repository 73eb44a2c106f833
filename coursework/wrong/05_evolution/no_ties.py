"""Ranks by sorting twice: equal members get ranks by their place in the population."""

SCORES = {"q3": 1}


def ranks(F):
    order = np.argsort(np.argsort(F))
    return 2 * order / (F.size - 1) - 1
