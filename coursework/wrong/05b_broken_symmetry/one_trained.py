"""The broken agent is never trained: `run` returns the symmetric one's numbers for both."""

SCORES = {"q3": 2}


def run(agent, world, seed):
    return worlds.train(symmetric, world, HIGH, seed)


for world in ("ordered", "unordered"):
    results[f"broken, {world}"] = results[f"symmetric, {world}"]
