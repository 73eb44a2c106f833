"""The two lifetimes that are compared have different seeds."""

SCORES = {"q1": 1}


def unevenness(answers, history, rho, rho_out, seed):
    moved = history | {"o": history["o"][:, rho], "a": history["a"][:, rho_out]}
    after, before = answers(moved, seed + 1), answers(history, seed)
    return np.max(np.abs(after - before[:, rho_out]))
