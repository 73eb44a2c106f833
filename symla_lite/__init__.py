"""Learned learning algorithms with symmetries, small enough to read.

A companion to Kirsch et al., "Introducing Symmetries to Black Box Meta Reinforcement Learning"
(AAAI 2022). The modules, in the order in which a reader meets them:

- `learner`: the one abstraction, a map from a history to an action;
- `backprop`: the learning rule whose symmetries the others lack or share;
- `metarnn`, `vsml`, `symla`: black-box learners, the first without symmetries;
- `symmetry`: the symmetries as measurements that take any learner;
- `environments`: distributions of tasks;
- `baselines`: learners that need no meta-training;
- `lifetime`: the inner loop; `evolution`: the outer loop's gradient;
- `meta_training`, `meta_testing`: Algorithm 1, and what it is worth afterwards;
- `studies`: the paper's experiments, declared as data;
- `figures`, `explorers`: what the book shows; `here`: where its notebooks run;
- `machine`: the cores, and the programs that were compiled for them.
"""

from symla_lite import machine

machine.keep_compiled()
__version__ = "0.1.0"
