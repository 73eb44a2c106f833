"""The places are counted from the other end."""

SCORES = {"q1": 0}


def broken(logits, q):
    B = logits.shape[-1]
    return logits - 3 * q * (1 - 2 * np.arange(B) / (B - 1))
