"""The gates are cut in the order of the book's module, not in that of the assignment."""

SCORES = {"q2": 0}


def lstm(theta, h, c, x):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, g, f, o = np.split(np.concatenate([x, h]) @ theta["W"] + theta["u"], 4)
    c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c
