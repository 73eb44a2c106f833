"""Chapter 6's numbers in the loop that the bars were measured with; they had a larger budget."""

SCORES = {"q6": (0, 1)}  # the noisy hill is climbed at times


def train(fitness, theta, seed):
    pairs, sigma, alpha = 32, 0.1, 0.05
    steps, state = BUDGET // (2 * pairs), (0, 0, 0)
    for step in range(steps):
        G = estimate(fitness, theta, sigma, pairs, seed=1000 * seed + step)
        theta, state = adam(theta, G, state, alpha * (1 - step / steps))
    return theta
