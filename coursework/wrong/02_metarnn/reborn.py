"""The state is set back to zero at the end of each episode, as for a policy that does not learn."""

SCORES = {"q4": 0}


def lifetime(theta, told):
    N = len(theta["V"])
    state, logits = (np.zeros(N), np.zeros(N)), []  # noqa: F821
    for t in range(len(told["r"])):
        y, state = step(theta, state, {name: signal[t] for name, signal in told.items()})  # noqa: F821
        if told["end"][t]:
            state = np.zeros(N), np.zeros(N)  # noqa: F821
        logits.append(y)
    return np.array(logits)  # noqa: F821
