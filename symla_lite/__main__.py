"""The command line: `python -m symla_lite --help`."""

import argparse
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from symla_lite import agent, checkpoint, devices, environments, notebook, stop, studies
from symla_lite.checkpoint import FileTrouble
from symla_lite.environments.environment import Environment
from symla_lite.evolution import ES
from symla_lite.learner import Learner
from symla_lite.meta_training import (
    NON_FINITE,
    Outer,
    memory_in_words,
    memory_of_one,
    meta_train,
    without_fitness,
)
from symla_lite.metarnn import metarnn
from symla_lite.studies.study import BLOCKS
from symla_lite.studies.workers import WorkerLost
from symla_lite.symla import symla

LEARNERS = {"symla": symla, "metarnn": metarnn}

UNREAD = 128 + 13
"""The exit status where the reader of the output is gone, as in `| head -1`: a shell gives it to a
program that SIGPIPE ended."""


class Parser(argparse.ArgumentParser):
    """Says in one sentence what is wrong with the arguments."""

    def error(self, message: str):
        """Ends the command with status 2."""
        self.exit(2, f"error: {message.rstrip('.')}; {self.prog} --help names all there is.\n")


def whole(text: str) -> int:
    """A whole number. Raises `ArgumentTypeError` for another text."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no whole number, give one") from None


def number(text: str) -> float:
    """A number. Raises `ArgumentTypeError` for another text."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no number, give one") from None


def path(text: str) -> Path:
    """A path. Raises `ArgumentTypeError` for an empty text."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no path, give one of a file or folder")
    return Path(text)


def parser() -> Parser:
    """What can be asked for."""
    top = Parser(prog="python -m symla_lite", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    together = argparse.ArgumentParser(add_help=False)
    together.add_argument(
        "--memory",
        type=number,
        default=1.0,
        help="GiB for the members that live at the same time, in each job and on each device; on a "
        "GPU, more is faster",
    )
    together.add_argument(
        "--distributed",
        nargs="*",
        metavar="WHO",
        help="share the population with the processes of other hosts that run the same command. "
        "Alone, it asks the cluster (SLURM, MPI, ...) who they are; else give the address of "
        "process 0, the number of processes, and which of them this is",
    )

    study = commands.add_parser(
        "study", parents=[together], help="run one of the paper's studies, and record it"
    )
    study.add_argument("name", help=f"one of: {', '.join(studies.STUDIES)}")
    study.add_argument("--scale", default="quick", help="quick, standard or paper")
    study.add_argument("--out", type=path, default=Path("runs"), help="folder of the records")
    study.add_argument("--jobs", type=whole, help="trainings side by side")

    train = commands.add_parser(
        "train", parents=[together], help="meta-train one learner, or go on with it"
    )
    train.add_argument("checkpoint", type=path, help="file to keep it in, and to go on from")
    train.add_argument("--learner", choices=LEARNERS, default="symla")
    train.add_argument("--environment", default="easy", help="such as easy, hard, independent")
    train.add_argument("--hidden", type=whole, help="N, units of a cell or, MetaRNN, in all")
    train.add_argument("--population", type=whole, default=128, help="members, two to a pair")
    train.add_argument("--sigma", type=number, default=0.1, help="noise on theta")
    train.add_argument(
        "--shaping", default="standardised", help="raw, standardised, ranks or differences"
    )
    train.add_argument("--learning-rate", type=number, default=0.05, help="Adam's alpha")
    train.add_argument("--steps", type=whole, default=300, help="outer steps")
    train.add_argument("--length", type=whole, default=100, help="L, steps in a lifetime")
    train.add_argument("--lifetimes", type=whole, default=16, help="lifetimes of each member")
    train.add_argument("--seed", type=whole, default=0)

    game = commands.add_parser(
        "play",
        help="put a recorded agent into an environment of gymnasium, beside the same agent without "
        "its reward, a random one and two hand-made rules",
    )
    game.add_argument("environment", help="its ID, such as CliffWalking-v1")
    game.add_argument(
        "--agent", default="one-rule", help=", ".join([*agent.ALIASES, "or a record"])
    )
    game.add_argument("--steps", type=whole, default=1000, help="L, steps in a lifetime")
    game.add_argument("--lifetimes", type=whole, default=20, help="of each agent")
    game.add_argument("--seed", type=whole, default=0)
    game.add_argument("--out", type=path, help="a picture of the curves, FILE.png")
    game.add_argument("--record", type=path, help="keep what came of it, a new FILE.safetensors")
    return top


LAST_PORT = 65_535


def join(given: list[str]) -> None:
    """Joins the processes of other hosts. Raises `ValueError` if their addresses are missing or
    none."""
    address = re.fullmatch(r".+:(\d{1,5})", given[0]) if given else None
    if given and (
        len(given) != 3
        or not all(number.isdecimal() for number in given[1:])
        or not address
        or int(address[1]) > LAST_PORT
    ):
        raise ValueError(
            f"--distributed {' '.join(given)}: give ADDRESS:PORT PROCESSES PROCESS, or nothing "
            "where a cluster knows."
        )
    devices.join(*given[:1], *map(int, given[1:]))


def say(learner: Learner, environment: Environment, outer: Outer, memory: float) -> None:
    """Says beforehand what meta-training will need. Raises `ValueError` if it is too much."""
    if devices.is_first():
        print(memory_in_words(learner, environment, outer, memory), file=sys.stderr)


def check_writable(file: Path) -> None:
    """Raises `FileTrouble` where `checkpoint.write` could not write a file: asked before the work
    that the file is for. A file that is there is untouched."""
    checkpoint.check_file(file)
    target = Path(os.path.realpath(file))
    try:
        with stop.held():
            prefix = checkpoint.beginning(target)  # as there: a name may be too long
            descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=prefix)
            os.close(descriptor)
            os.unlink(beside)
    except OSError as trouble:
        raise checkpoint.cannot_write(file, trouble) from trouble


def run_game(given: argparse.Namespace) -> None:
    """Plays. Raises `ValueError` or `FileTrouble`."""
    from symla_lite import figures, play  # plotting takes seconds to import

    for file, ending in ((given.out, ".png"), (given.record, ".safetensors")):
        if file is not None and (file.suffix != ending or not file.parent.is_dir()):
            raise ValueError(f"Cannot write {file}: give a file {ending} in a folder that exists.")
    if given.out is not None and given.out.is_dir():
        raise ValueError(f"Cannot write {given.out}: it is a folder; give a file.")
    if given.record is not None:
        play.check_new(given.record)
        if given.steps % BLOCKS:
            raise ValueError(
                f"--steps {given.steps} cannot be recorded: give a multiple of {BLOCKS}."
            )
    for file in (given.out, given.record):
        if file is not None:
            check_writable(file)
    agents = play.beside(given.agent)
    played = play.compare(given.environment, agents, given.steps, given.lifetimes, given.seed)
    try:
        print(f"Reward of a step in {given.environment}, and its mean in the last fifth:")
        print(play.as_text(played), flush=True)
    finally:  # the game may have taken hours: what cannot be printed is kept all the same
        picture = figures.png(play.curves(played, given.environment)) if given.out else None
        if given.record is not None:
            play.record(given.record, given.environment, given.agent, given.seed, played)
        if given.out is not None:
            checkpoint.write(given.out, picture)


def run(arguments: argparse.Namespace) -> None:
    """Does what was asked for. Raises `ValueError` or `FileTrouble`."""
    if arguments.command == "play":
        run_game(arguments)
        return
    if arguments.distributed is not None:
        join(arguments.distributed)
    if arguments.command == "study":
        study = studies.named(arguments.name)
        jobs = arguments.jobs
        if jobs is None:
            jobs = notebook.jobs() if arguments.distributed is None else 1
        largest = max(
            study.scale(arguments.scale).trainings,
            key=lambda t: memory_of_one(t.learner, t.environment, t.outer),
        )
        say(largest.learner, largest.environment, largest.outer, arguments.memory)
        paths = studies.run_study(study, arguments.scale, arguments.out, jobs, arguments.memory)
        said = f"{len(paths)} records in {paths[-1].parent}"
    else:
        options = {} if arguments.hidden is None else {"hidden": arguments.hidden}
        learner = LEARNERS[arguments.learner](**options)
        environment = environments.named(arguments.environment)
        outer = Outer(
            ES(arguments.population, arguments.sigma, arguments.shaping),
            learning_rate=arguments.learning_rate,
            steps=arguments.steps,
            length=arguments.length,
            lifetimes=arguments.lifetimes,
        )
        say(learner, environment, outer, arguments.memory)
        trained = meta_train(
            learner,
            environment,
            outer,
            arguments.seed,
            arguments.checkpoint,
            memory=arguments.memory,
        )
        lost = without_fitness(trained.curve[NON_FINITE])
        said = f"fitness {trained.curve['fitness'][-1]:.3f}{lost}, kept in {arguments.checkpoint}"
    if devices.is_first():
        print(said)


def answer(work: Callable[[], None]) -> int:
    """Does a command's work; its exit status. 2, with one sentence, where it cannot be done; 130 or
    143, with one sentence, where it was stopped by Ctrl-C or SIGTERM; `UNREAD`, without a word,
    where the reader of its output is gone."""
    try:
        status = stop.answering(work) or 0
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain about what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except (ValueError, FileTrouble, FloatingPointError, WorkerLost) as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 2


def print_anything() -> None:
    """Lets every text be printed, in whatever encoding: a character that it does not have is
    printed as its number. Such are the bars of a curve in ASCII, and in UTF-8 the bytes of a path
    that are no text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> int:
    """Runs a command."""
    print_anything()
    arguments = parser().parse_args()
    return answer(lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
