"""The studies, the paper's and ours: what is run, how it is run, and what was recorded."""

from symla_lite.studies.ablations import (
    BANDIT_ABLATIONS,
    CARTPOLE_ABLATIONS,
    ORDER_ABLATIONS,
)
from symla_lite.studies.action_spaces import ACTION_SPACE_STUDY
from symla_lite.studies.bandits import BANDIT_STUDY
from symla_lite.studies.classification import CLASSIFICATION_STUDY
from symla_lite.studies.environments import ENVIRONMENT_STUDY
from symla_lite.studies.long_lifetimes import LONG_LIFETIME_STUDY
from symla_lite.studies.observation_spaces import OBSERVATION_SPACE_STUDY
from symla_lite.studies.one_rule import ONE_RULE_STUDY
from symla_lite.studies.run import run_study
from symla_lite.studies.study import Scale, Study, Test, Training
from symla_lite.studies.systems import (
    BANDIT_SYSTEMS,
    BIASED_SYSTEMS,
    CARTPOLE_SYSTEMS,
    HEARTS_SYSTEMS,
)
from symla_lite.studies.tasks import TASK_STUDY

__all__ = ["STUDIES", "Scale", "Study", "Test", "Training", "named", "run_study"]

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        BANDIT_STUDY,
        ACTION_SPACE_STUDY,
        OBSERVATION_SPACE_STUDY,
        TASK_STUDY,
        ENVIRONMENT_STUDY,
        LONG_LIFETIME_STUDY,
        ONE_RULE_STUDY,
        CLASSIFICATION_STUDY,
        BANDIT_SYSTEMS,
        BIASED_SYSTEMS,
        CARTPOLE_SYSTEMS,
        HEARTS_SYSTEMS,
        BANDIT_ABLATIONS,
        CARTPOLE_ABLATIONS,
        ORDER_ABLATIONS,
    )
}


def named(name: str) -> Study:
    """The study of that name. Raises `ValueError` if there is none."""
    if name not in STUDIES:
        raise ValueError(f"There is no study {name!r}: take one of {', '.join(STUDIES)}.")
    return STUDIES[name]
