"""The state is set back to zero at the end of each episode, as for a policy that does not learn."""

SCORES = {"q4": 0}


def lifetime(theta, told):
    N = len(theta["V"])
    state, logits = (np.zeros(N), np.zeros(N)), []
    for t in range(len(told["r"])):
        y, state = step(theta, state, {name: signal[t] for name, signal in told.items()})
        if told["end"][t]:
            state = np.zeros(N), np.zeros(N)
        logits.append(y)
    return np.array(logits)
