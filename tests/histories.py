"""Lifetimes in which chance acted: what a learner receives in them."""

import numpy as np

from symla_lite.learner import Input, Sizes

SIZES = Sizes(3, 4)


def lifetime(ends, seed=0, sizes=SIZES):
    """What a learner is told in a lifetime whose episodes end at the steps `ends`, and who did what
    there: inputs [L, ...], and a_t [L], r_t [L] of the steps themselves."""
    rng = np.random.default_rng(seed)
    length = ends[-1] + 2  # one step more, at which the last episode's end has been heard of
    end = np.zeros(length, np.float32)
    end[list(ends)] = 1
    o = rng.normal(size=(length, sizes.observation)).astype(np.float32)
    action = rng.integers(sizes.action, size=length)
    reward = np.where(end > 0, 0, rng.normal(size=length)).astype(np.float32)
    a_before = np.eye(sizes.action, dtype=np.float32)[np.roll(action, 1)]
    a_before[0] = 0
    r_before = np.roll(reward, 1)
    r_before[0] = 0
    return Input(o=o, r=r_before, a=a_before, end=end), action, reward
