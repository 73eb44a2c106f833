"""python tests/mutants.py: how many small faults in the code its tests notice.

A mutant is a module with one fault: a sum that is a difference, a comparison the wrong way round, a
number that is one too large. The module's own tests are run against it, in a copy of the
repository; where they all pass, the fault would have gone unnoticed. Which mutants are made is
decided by the seed.
"""

import argparse
import ast
import copy
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from symla_lite import machine

TESTS = {
    "symla": ["test_symla.py"],
    "vsml": ["test_vsml.py"],
    "evolution": ["test_evolution.py", "test_not_finite.py"],
    "symmetry": ["test_symmetry.py"],
    "lifetime": ["test_lifetime.py"],
}
"""Each module's own tests."""
OTHER = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.MatMult: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Add, ast.Pow: ast.Mult},
    **{ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
}
"""What is put in the place of an operator."""
FUNCTIONS = {
    **{"sum": "mean", "mean": "sum", "zeros": "ones", "ones": "zeros", "sort": "flip"},
    **{"argmax": "argmin", "floor": "ceil", "max": "min", "min": "max"},
}
"""And of a function, by its name."""
PATIENCE = 900
"""Seconds; a mutant that runs for longer is one that its tests notice."""


def changes_nothing(node: ast.AST) -> Iterator[ast.AST]:
    """What could be changed within a place, and no program would behave otherwise: messages,
    annotations and the definitions of types; how many keys a key is split into, which decides what
    is drawn and not from what; what an array without entries is filled with; and how many steps are
    in one round of a loop."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.AnnAssign | ast.arg):
        yield from ast.walk(node)
    elif isinstance(node, ast.FunctionDef):
        yield from ast.walk(node.returns) if node.returns else ()
        given = node.args.args[len(node.args.args) - len(node.args.defaults) :]
        for argument, default in zip(given, node.args.defaults, strict=True):
            if argument.arg == "unroll":
                yield default
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("random.split"):
        yield from (inside for given in node.args for inside in ast.walk(given))
    elif isinstance(node, ast.Call) and ast.unparse(node).endswith((".zeros(0)", ".ones(0)")):
        yield node.func


def faults(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every fault that can be made in a module: a changed copy, and the fault in words."""
    sites = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    silent = {id(inside) for node in ast.walk(tree) for inside in changes_nothing(node)}
    for number, node in enumerate(sites):
        if id(node) in silent:
            continue
        for change, words in changes(node):
            changed = copy.deepcopy(tree)
            site = [node for node in ast.walk(changed) if hasattr(node, "lineno")][number]
            change(site)
            yield changed, f"line {node.lineno}: {words}"


def changes(node: ast.AST) -> Iterator[tuple]:
    """The faults that can be made at one place: how, and in words."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OTHER:
        other = OTHER[type(node.op)]
        words = f"{type(node.op).__name__} is {other.__name__}"
        yield (lambda site: setattr(site, "op", other())), words
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        other = OTHER[type(node.ops[0])]
        words = f"{type(node.ops[0]).__name__} is {other.__name__}"
        yield (lambda site: site.ops.__setitem__(0, other())), words
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield (lambda site: setattr(site, "value", site.value + 1)), f"{node.value} is one more"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield (lambda site: setattr(site, "value", not site.value)), f"{node.value} is turned round"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield (lambda site: setattr(site, "op", ast.UAdd())), "a minus is missing"
    elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
        other = FUNCTIONS[node.attr]
        yield (lambda site: setattr(site, "attr", other)), f"{node.attr} is {other}"


def a_copy(folder: Path) -> None:
    """What the tests need of the repository; the records are not copied but linked to."""
    for name in ("symla_lite", "tests", "benchmarks"):
        shutil.copytree(machine.ROOT / name, folder / name)
    shutil.copy(machine.ROOT / "pyproject.toml", folder)
    for name in ("data", "book"):
        (folder / name).symlink_to(machine.ROOT / name)


def noticed(folder: Path, tests: list[str]) -> bool:
    """Whether a test fails in the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *(f"tests/{name}" for name in tests)],
            cwd=folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1, 2):  # passed, failed, could not be imported
        raise RuntimeError(done.stdout + done.stderr)
    return done.returncode != 0


def main() -> int:
    """Makes mutants, and says which of them were noticed."""
    parser = argparse.ArgumentParser(prog="python tests/mutants.py", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, default=20, help="mutants of each module, at most")
    parser.add_argument("--seed", type=int, default=0, help="decides which")
    asked = parser.parse_args()
    if unknown := set(asked.modules) - set(TESTS):
        parser.error(f"no module {', '.join(sorted(unknown))}: give some of {', '.join(TESTS)}")
    killed = made = 0
    jobs = machine.cores()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            folder = Path(name) / str(number)
            folder.mkdir()
            a_copy(folder)
            copies.put(folder)

        def tried(module: str, source: str) -> bool:
            """Whether a test of the module fails with this source in its place."""
            folder = copies.get()
            path = folder / "symla_lite" / f"{module}.py"
            before = path.read_text("utf-8")
            path.write_text(source, "utf-8")
            try:
                return noticed(folder, TESTS[module])
            finally:
                path.write_text(before, "utf-8")
                copies.put(folder)

        for module in asked.modules or TESTS:
            source = (machine.ROOT / "symla_lite" / f"{module}.py").read_text("utf-8")
            if tried(module, source):
                print(f"error: the tests of {module} fail as it is.", file=sys.stderr)
                return 2
            found = list(faults(ast.parse(source)))
            chosen = random.Random(asked.seed).sample(found, min(asked.sample, len(found)))
            sources = [ast.unparse(tree) for tree, _ in chosen]
            of_module = 0
            outcomes = pool.map(functools.partial(tried, module), sources)
            for was_noticed, (_, words) in zip(outcomes, chosen, strict=True):
                of_module += was_noticed
                print(f"{'noticed' if was_noticed else 'MISSED '}  {module}, {words}", flush=True)
            print(f"{module}: {of_module} of {len(chosen)} noticed, {len(found)} can be made")
            killed, made = killed + of_module, made + len(chosen)
    print(f"In all: {killed} of {made}, {killed / max(1, made):.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
