"""Nobody was run without reward, and each learner with one seed."""

SCORES = {"q3": 0}

results = {name: results[name][:1] for name in ("Thompson", "random")}
