"""The two members of a pair have seeds of their own."""

SCORES = {"q4": 2, "q6": (1, 3, 5)}  # a noisier search, and not a useless one


def estimate(fitness, theta, sigma, pairs, seed):
    rng = np.random.default_rng(seed)
    eps = rng.standard_normal((pairs, len(theta)))
    seeds = rng.integers(2**31, size=2 * pairs)
    earned = np.asarray(fitness(members(theta, eps, sigma), seeds))
    return gradient(eps, ranks(earned), sigma)
