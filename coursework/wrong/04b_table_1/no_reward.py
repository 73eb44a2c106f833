"""Nothing is paid in the history, so that no reward can make a difference."""

SCORES = {"q2": 0, "q3": 0}


def random_history(rng, A, B, L=12):
    o, a = rng.standard_normal((L, A)), np.eye(B)[rng.integers(B, size=L)]
    return {"o": o, "a": a, "r": np.zeros(L), "end": np.zeros(L)}


def facts(answers):
    rng = np.random.default_rng(0)
    history = random_history(rng, A, B)
    stay, stay_out = np.arange(A), np.arange(B)
    try:
        answers(random_history(rng, A + 2, B + 1), 0)
        sizes = True
    except Exception:
        sizes = False
    y = np.asarray(answers(history, 0))
    other = answers(history | {"r": 2 * history["r"]}, 0)
    return {
        "inputs": bool(unevenness(answers, history, np.roll(stay, 1), stay_out, 0) < 1e-6),
        "actions": bool(unevenness(answers, history, stay, np.roll(stay_out, 1), 0) < 1e-6),
        "sizes": sizes,
        "reward": bool(np.abs(other - y).max() > 1e-6),
        "seed": bool(np.abs(answers(history, 1) - y).max() > 1e-6),
    }
