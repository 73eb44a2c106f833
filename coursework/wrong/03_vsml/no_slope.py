"""The cell forgets the slope of g on the way back: one layer learns, two do not."""

SCORES = {"q5": 1}


def backprop_cell(alpha):
    def f_rnn(state, m_fwd, m_bwd):
        w, delta = state[0], m_bwd[0]
        x = g_of(m_fwd[0]) if m_fwd[1] > 0 else m_fwd[0]
        return np.array([w - alpha * x * delta, w * x, w * delta])

    def g_of(z):
        return z / (1 + np.abs(z))

    return (
        f_rnn,
        lambda state: np.array([state[1], 1.0]),
        lambda state: np.array([state[2], 0.0]),
    )
