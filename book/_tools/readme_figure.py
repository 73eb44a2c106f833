"""The README's figure, from the records of Study 1.

python book/_tools/readme_figure.py    writes book/_static/study_1.png
"""

import argparse
from pathlib import Path

import numpy as np

from symla_lite import figures, studies
from symla_lite.baselines import bayes_optimal
from symla_lite.environments import BANDITS
from symla_lite.studies import results

PICTURE = Path(__file__).parents[1] / "_static" / "study_1.png"


def draw():
    """Figure 3 with two references beneath."""
    runs, names = results.load(studies.named("bandits")), list(BANDITS)

    def regret(who: str, train: str, test: str) -> float:
        return runs.stack(f"{who}-{train}", f"{test}/blocks").sum(-1).mean()

    tables = {
        who: np.array([[regret(who, train, test) for test in names] for train in names])
        for who in ("symla", "metarnn")
    }
    references = {
        "bayes_optimal": np.array([bayes_optimal(name).regret[-1] for name in names]),
        "thompson": np.array(
            [runs.reference(f"thompson/{name}/blocks").sum(-1).mean() for name in names]
        ),
    }
    return figures.heat_maps(tables, references, names)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    PICTURE.write_bytes(figures.png(draw()))
    print(f"wrote {PICTURE}")
