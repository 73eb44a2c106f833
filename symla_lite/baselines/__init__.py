"""What SymLA is compared with.

References on bandits that need no training, and REINFORCE, which learns by backpropagation.
"""

from symla_lite.baselines.bayes_optimal import BayesOptimal, bayes_optimal
from symla_lite.baselines.random_policy import random_policy
from symla_lite.baselines.reinforce import reinforce
from symla_lite.baselines.thompson import thompson
from symla_lite.baselines.ucb import ucb

__all__ = ["BayesOptimal", "bayes_optimal", "random_policy", "reinforce", "thompson", "ucb"]
