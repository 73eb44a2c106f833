"""The noise is drawn from a box, and not from a normal distribution."""

SCORES = {"q4": 2}


def estimate(fitness, theta, sigma, pairs, seed):
    rng = np.random.default_rng(seed)
    eps = rng.uniform(-(3**0.5), 3**0.5, (pairs, len(theta)))
    seeds = rng.integers(2**31, size=pairs)
    earned = np.asarray(fitness(members(theta, eps, sigma), np.tile(seeds, 2)))
    return gradient(eps, ranks(earned), sigma)
