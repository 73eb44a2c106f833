"""The gates are cut in the order of the book's module, not in that of the assignment."""

SCORES = {"q2": 0}


def lstm(theta, h, c, x):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))  # noqa: F821

    i, g, f, o = np.split(np.concatenate([x, h]) @ theta["W"] + theta["u"], 4)  # noqa: F821
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)  # noqa: F821
    return sigmoid(o) * np.tanh(c), c  # noqa: F821
