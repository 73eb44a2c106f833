"""The logits are not put back in order before they are compared."""

SCORES = {"q1": 0, "q2": 0, "q3": 0}


def unevenness(answers, history, rho, rho_out, seed):
    moved = history | {"o": history["o"][:, rho], "a": history["a"][:, rho_out]}
    return np.max(np.abs(answers(moved, seed) - answers(history, seed)))
