"""In the backward pass the cells no longer hear the forward messages."""

SCORES = {"q4": 0}


def backward_pass(cell, layers, m_fwds, m_bwd):
    f_rnn, _, f_bwd = cell
    new, m_bwds = [], [m_bwd]
    for h, m_fwd in zip(layers[::-1], m_fwds[-2::-1]):
        new.insert(0, tick(f_rnn, h, np.zeros_like(m_fwd), m_bwds[0]))
        m_bwds.insert(0, backward_message(f_bwd, new[0]))
    return new, m_bwds
