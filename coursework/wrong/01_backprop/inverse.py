"""The weights are moved by the inverse permutations."""

SCORES = {"q4": 0}


def moved(weights, rho, rho_out):
    weights = list(weights)
    weights[0] = weights[0][np.argsort(rho)]
    weights[-1] = weights[-1][:, np.argsort(rho_out)]
    return weights
