"""The two members of a pair live with luck of their own."""

SCORES = {"q4": 2, "q6": (1, 3, 5)}  # of 40 trainings 2 miss the tighter bar, 1 both


def estimate(fitness, theta, sigma, pairs, seed):
    rng = np.random.default_rng(seed)
    eps = rng.standard_normal((pairs, len(theta)))
    lucks = rng.integers(2**31, size=2 * pairs)
    earned = np.asarray(fitness(members(theta, eps, sigma), lucks))
    return gradient(eps, ranks(earned.reshape(2, pairs).T), sigma)
