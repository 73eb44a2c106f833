"""Learned learning algorithms with symmetries, small enough to read.

A companion to Kirsch et al., "Introducing Symmetries to Black Box Meta Reinforcement Learning"
(AAAI 2022). The modules, in the order in which a reader meets them:

- `learner`: the one abstraction, a map from a history to an action;
- `backprop`: the learning rule whose symmetries the others lack or share;
- `metarnn`, `vsml`, `symla`: black-box learners, the first without symmetries;
- `symmetry`: the symmetries as measurements that take any learner;
- `environments`: distributions of tasks;
- `baselines`: learners that need no meta-training;
- `lifetime`: the inner loop; `evolution`, `policy_gradient`, `imitation`: the outer one's
  gradient;
- `meta_training`, `meta_testing`: Algorithm 1, and what it is worth afterwards;
- `studies`: the paper's experiments, declared as data;
- `agent`, `play`, `card`: what was found, in the reader's own environment;
- `figures`, `explorers`: what the book shows; `notebook`: where its notebooks run;
- `machine`: the cores, and the programs that were compiled for them.
"""

import sys

from symla_lite import machine, stop, supported

if sys.argv[:1] == ["-m"] and {"symla_lite", "symla_lite.verify"} & set(sys.orig_argv):
    stop.listen()  # the command line does, before what is imported below takes seconds
supported.check()
machine.compile_quickly()  # before JAX is imported, as the next
machine.keep_compiled()

from symla_lite import checks  # noqa: E402

checks.hold_to_signatures(__name__)
checks.put_doors(vars(stop), stop.__name__)
__version__ = "0.1.0"
