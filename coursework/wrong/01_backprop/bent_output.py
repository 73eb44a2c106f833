"""The last layer is bent, too."""

SCORES = {"q1": 0}


def forward(weights, x):
    xs = [x]
    for w in weights:
        xs.append(g(xs[-1] @ w))
    return xs
