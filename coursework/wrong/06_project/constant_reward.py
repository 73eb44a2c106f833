"""Every step pays 1, as in standard CartPole: no action earns more than another."""

SCORES = {"q2": 2, "q3": 0}


def pull(key, task, t, action):
    reward, end = jnp.ones(()), jnp.zeros(())
    return Transition(state=t + 1, observation=jnp.zeros(1), reward=reward, end=end)


environment = Environment("constant", {}, Sizes(1, 2), draw_task, reset, pull)
results = {name: [run(name, seed) for seed in range(len(results[name]))] for name in results}
