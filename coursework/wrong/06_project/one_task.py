"""All lifetimes have one task: the first arm is the good one until pull 50."""

SCORES = {"q2": 4}


def draw_task(key):
    return {"first": jnp.int32(0), "when": jnp.int32(50)}


environment = Environment("reversal", {}, Sizes(1, 2), draw_task, reset, pull)
results = {name: [run(name, seed) for seed in range(len(results[name]))] for name in results}
