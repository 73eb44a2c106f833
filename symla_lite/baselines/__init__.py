"""What SymLA is compared with.

References on bandits that need no training; a reflex; learners that are made by hand, and those of
the paper's Table 1 that learn by backpropagation.
"""

from symla_lite.baselines.actor_critic import actor_critic
from symla_lite.baselines.bayes_optimal import BayesOptimal, bayes_optimal
from symla_lite.baselines.index_policy import index_policy
from symla_lite.baselines.lpg import lpg
from symla_lite.baselines.maml import maml
from symla_lite.baselines.metagenrl import metagenrl
from symla_lite.baselines.random_policy import random_policy
from symla_lite.baselines.reinforce import reinforce
from symla_lite.baselines.thompson import thompson
from symla_lite.baselines.ucb import ucb
from symla_lite.baselines.win_stay import win_stay

__all__ = [
    "BayesOptimal",
    "actor_critic",
    "bayes_optimal",
    "index_policy",
    "lpg",
    "maml",
    "metagenrl",
    "random_policy",
    "reinforce",
    "thompson",
    "ucb",
    "win_stay",
]
