"""The surgery moves inputs and read-outs, and forgets the rows of the previous action."""

SCORES = {"q6": 0}


def moved(theta, rho, rho_out):
    sizes = {"o": len(rho), "a": len(rho_out), "r": 1, "end": 1}
    start = sum(sizes[name] for name in ORDER[: ORDER.index("o")])
    W = theta["W"].copy()
    W[start : start + len(rho)] = W[start + np.asarray(rho)]
    return theta | {"W": W, "V": theta["V"][:, rho_out], "v": theta["v"][rho_out]}
