"""The errors pass back through the weights, and the slope of g is forgotten."""

SCORES = {"q2": 0}


def backward(weights, xs, delta):
    deltas = [delta]
    for w in weights[:0:-1]:
        deltas.insert(0, w @ deltas[0])
    return deltas
