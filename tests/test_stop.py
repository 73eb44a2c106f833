"""A run that is asked to stop does so at once, with all its processes, and goes on later."""

import contextlib
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from jupyter_client.manager import KernelManager
from stoppable import STEPS, small

from symla_lite import checkpoint, stop
from symla_lite.studies import results, workers

SCRIPT = Path(__file__).with_name("stoppable.py")
LIMIT = 3.0
"""Seconds that a stop may take."""


# The signals, in this process


@pytest.fixture(autouse=True)
def nobody_asked(monkeypatch):
    """What a test leaves is forgotten after it."""
    for name in ("_asked", "_listening", "_at_once", "_printed"):
        monkeypatch.setattr(stop, name, getattr(stop, name))


def send(signum):
    """A signal to this process, whose handler has run when this returns."""
    os.kill(os.getpid(), signum)
    time.sleep(0.01)


def test_ctrl_c_is_an_interrupt_with_the_sentence():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="goes on from the last checkpoint") as stopped:
        with stop.listening():
            send(signal.SIGINT)
    assert not isinstance(stopped.value, stop.Terminated)
    assert signal.getsignal(signal.SIGINT) is before
    stop.check()  # it is over


def test_an_interrupt_that_a_callback_loses_is_raised_at_the_next_check():
    with pytest.raises(KeyboardInterrupt):
        with stop.listening():
            with contextlib.suppress(KeyboardInterrupt):
                send(signal.SIGINT)
            stop.check()


def test_a_second_signal_does_not_disturb_the_cleaning_up():
    cleaned = []
    with pytest.raises(KeyboardInterrupt):
        with stop.listening():
            try:
                send(signal.SIGINT)
            finally:
                send(signal.SIGINT)
                cleaned.append(True)
    assert cleaned


def test_sigterm_cleans_up_and_then_does_what_it_did_before(capfd):
    received, cleaned = [], []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: received.append(signum))
    try:
        with pytest.raises(stop.Terminated):
            with stop.listening():
                try:
                    send(signal.SIGTERM)
                finally:
                    cleaned.append(list(received))
        assert cleaned == [[]] and received == [signal.SIGTERM]
        assert capfd.readouterr().err.strip() == stop.SENTENCE
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_is_held_is_done_whole():
    with pytest.raises(KeyboardInterrupt):
        with stop.listening():
            with stop.held():
                send(signal.SIGINT)
                done = True
    assert done


def test_in_another_thread_nothing_is_changed():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with stop.listening():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_stop_is_quiet_where_it_also_ended_what_reads_the_output(monkeypatch, capsys):
    """As in `| head`: a terminal sends Ctrl-C to all processes of a line."""

    def work():
        print("not read any more")
        raise KeyboardInterrupt

    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(stop, "_listening", True)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with open(writing, "w", closefd=False) as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        with pytest.raises(SystemExit) as ended:
            stop.answering(work)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # for the flush when it is closed
    os.close(writing)
    assert ended.value.code == 128 + signal.SIGINT
    assert capsys.readouterr().err.strip() == stop.SENTENCE


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_does_not_come_to_an_end_is_ended(number):
    """One in which the exception is lost, for a minute."""
    script = """
        import time
        from symla_lite import stop
        stop.listen()
        def work():
            while True:
                try:
                    print("ready", flush=True)
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass
        stop.answering(work)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    began = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < LIMIT
    assert process.returncode == 128 + number and said.strip() == stop.SENTENCE


# Processes side by side


def end_self(status):
    os._exit(status) if status >= 0 else os.kill(os.getpid(), -status)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "how"), [(3, "ended with status 3"), (-9, "was ended by signal 9")]
)
def test_a_process_that_is_lost_is_a_sentence(status, how):
    with pytest.raises(workers.WorkerLost, match=f"{how}.* goes on .* fewer jobs"):
        with workers.pool(1) as pool:
            pool.submit(workers.at_work, end_self, status).result()
    assert not stop.children


def test_the_end_of_a_worker_is_known_although_another_thread_received_it(monkeypatch):
    """Of two threads that wait for a process, the later one finds no status for a moment; then the
    worker seemed to be alive (seen once in 24 runs of the suite), or to have ended with 0."""
    worker = workers._Spawn().Process(target=os._exit, args=(3,))
    worker.start()
    stop.children.remove(worker)
    assert multiprocessing.connection.wait([worker.sentinel], 60)
    poll, asked = worker._popen.poll, []

    def not_yet(flag=os.WNOHANG):
        asked.append(flag)
        return poll(flag) if len(asked) > 3 else None

    monkeypatch.setattr(worker._popen, "poll", not_yet)
    worker.join()
    assert not worker.is_alive() and worker.exitcode == 3
    assert "ended with status 3;" in str(workers._lost([worker]))


def wait_and_save(path):
    """Works until it is stopped, and takes a moment to save."""
    Path(path).write_text("at work")
    try:
        while True:
            stop.check()
            time.sleep(0.01)
    finally:
        time.sleep(0.2)
        Path(path).write_text("saved")


@pytest.mark.slow
def test_processes_are_ended_and_may_save_when_one_of_them_fails(tmp_path):
    path = tmp_path / "state"
    with pytest.raises(ZeroDivisionError):
        with workers.pool(2) as pool:
            pool.submit(workers.at_work, wait_and_save, path)
            while not path.exists():
                time.sleep(0.01)
            processes = list(stop.children)
            began = time.monotonic()
            raise ZeroDivisionError
    assert time.monotonic() - began < LIMIT
    assert path.read_text() == "saved"
    assert processes and not any(process.is_alive() for process in processes)
    assert not stop.children


@pytest.mark.slow
def test_a_script_without_a_main_guard_gets_a_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from symla_lite import notebook\n"
        f"notebook.folder = lambda: __import__('pathlib').Path({str(tmp_path / 'runs')!r})\n"
        "notebook.jobs = lambda: 2\n"
        "notebook.setup('bandits', 'quick')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert 'under `if __name__ == "__main__":`' in sentence
    assert "Traceback" not in done.stderr and "BrokenProcessPool" not in done.stderr
    assert not list(tmp_path.rglob("*.safetensors"))


# Twenty interrupts


def command(out, *how):
    """The study in two processes, by the script or in another way."""
    how = how or (str(SCRIPT), "study", "small", "--scale", "tiny")
    return [sys.executable, *how, "--out", str(out), "--jobs", "2"]


def environment(**more):
    """That of a run without compiled programs of earlier ones."""
    kept = {name: x for name, x in os.environ.items() if not name.startswith("JAX_")}
    path = os.pathsep.join([str(SCRIPT.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return kept | {"PYTHONPATH": path} | more


def in_session(session):
    """The processes of a session that are not over, by number; but for multiprocessing's own
    tracker, which a kernel keeps."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            state, _, _, its = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            words = (folder / "cmdline").read_bytes()
            if int(its) == session and state not in "ZX" and b"resource_tracker" not in words:
                found.append(int(folder.name))
    return found


def wait_for(condition, process):
    """Looks every few milliseconds until something is so, of a process that is at work."""
    patience = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < patience
        time.sleep(0.005)


def seconds_to_end(condition):
    """How long it takes until something is so, LIMIT or more if it takes too long."""
    began = time.monotonic()
    while not condition() and time.monotonic() < began + 4 * LIMIT:
        time.sleep(0.01)
    return time.monotonic() - began


class Moment:
    """When to stop a run into a folder: asked again and again, from the run's start on."""

    def __init__(self, name, out):
        self.name = name
        self.paths = [out / "small" / "tiny" / f"{each}-0.checkpoint" for each in "ab"]
        self.began, self.before = time.time(), [self.done(path) for path in self.paths]

    @staticmethod
    def done(path):
        """Steps in a checkpoint."""
        return len(checkpoint.load(path)[0]["curve"]) if path.exists() else 0

    def has_come(self, process):
        if self.name == "import":
            with contextlib.suppress(OSError):
                return b"jaxlib" in Path(f"/proc/{process.pid}/maps").read_bytes()
        if self.name == "compilation":  # the first checkpoint is written just before it
            return all(path.exists() and path.stat().st_mtime > self.began for path in self.paths)
        further = all(self.done(path) > done for path, done in zip(self.paths, self.before))
        if self.name == "step":
            return further
        return further and any(self.paths[0].parent.glob(f".*.{checkpoint.UNFINISHED}*"))


def stop_command(out, name, to_group, number):
    """Runs the study, stops it at a moment, and says how long that took."""
    with_slow_saves = {"SLOW": "1"} if name == "save" else {}
    moment = Moment(name, out)
    itself = ("-m", "symla_lite", "study", "bandits")  # which listens from its first moment on
    process = subprocess.Popen(
        command(out, *(itself if name == "import" else ())),
        env=environment(EAGER="1", **with_slow_saves),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(lambda: moment.has_come(process), process)
        (os.killpg if to_group else os.kill)(process.pid, number)
        took = seconds_to_end(lambda: process.poll() is not None and not in_session(process.pid))
        said = process.stderr.read()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert said.count(stop.SENTENCE) == 1 and "Traceback" not in said, said
    assert process.returncode == 128 + number
    return took


def reply(client, asked, timeout):
    """What a kernel replies to the cell that was asked of it."""
    patience = time.monotonic() + timeout
    while True:
        message = client.get_shell_msg(timeout=max(0.0, patience - time.monotonic()))
        if message["parent_header"].get("msg_id") == asked:
            return message["content"]


def stop_kernel(out, name, number):
    """The same, of a cell in a notebook's kernel."""
    moment = Moment(name, out)
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment(EAGER="1"), independent=True)
    client = manager.client()
    pid = manager.provisioner.pid
    try:
        client.start_channels()
        client.wait_for_ready(timeout=120)
        cell = client.execute(
            "import stoppable\n"
            f"stoppable.run.run_study(stoppable.small(), 'tiny', {str(out)!r}, jobs=2)",
            stop_on_error=False,  # else the kernel drops what is asked soon after the interrupt
        )
        patience = time.monotonic() + 300
        while not moment.has_come(None):
            assert manager.is_alive() and time.monotonic() < patience
            time.sleep(0.005)
        assert len(in_session(pid)) > 1
        if number == signal.SIGINT:
            manager.interrupt_kernel()
            took = seconds_to_end(lambda: in_session(pid) == [pid])
            said = reply(client, cell, LIMIT)
            assert said["ename"] == "KeyboardInterrupt" and said["evalue"] == stop.SENTENCE
            assert reply(client, client.execute("1 + 1"), 60)["status"] == "ok"
        else:
            os.kill(pid, number)
            took = seconds_to_end(lambda: not in_session(pid))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return took


def records(out):
    """All arrays of a run into a folder, and the names of its files."""
    folder = out / "small" / "tiny"
    runs = results.load(small(), "tiny", out)
    return sorted(path.name for path in folder.iterdir()), {
        (name, array): x
        for name, _ in runs.records
        for array, x in runs.records[name, 0][0].items()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The records of a run that was left alone."""
    out = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(command(out), env=environment(), check=True, capture_output=True)
    return records(out)


MOMENTS = ("import", "compilation", "step", "save")
TARGETS = {
    "terminal's group": lambda *how: stop_command(*how[:2], True, how[2]),
    "parent only": lambda *how: stop_command(*how[:2], False, how[2]),
    "kernel": stop_kernel,
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="it looks for processes in /proc")
@pytest.mark.parametrize("target", TARGETS)
def test_interrupts_end_it_in_three_seconds_and_it_goes_on(target, tmp_path, undisturbed, capsys):
    table = []
    for name in MOMENTS[1:3] if target == "kernel" else MOMENTS:
        for number in (signal.SIGINT, signal.SIGTERM):
            took = TARGETS[target](tmp_path, name, number)
            table.append((target, number.name, name, took))
    subprocess.run(command(tmp_path), env=environment(), check=True, capture_output=True)
    files, arrays = records(tmp_path)
    with capsys.disabled():
        print()
        for row in table:
            print("{:17} {:8} in {:12} ended in {:.1f} s".format(*row))
        in_time = sum(row[-1] < LIMIT for row in table)
        print(f"{in_time} of {len(table)} in {LIMIT:.0f} s, no process left; then to the same bits")
    assert in_time == len(table)
    expected_files, expected = undisturbed
    assert files == expected_files  # no file of a killed save is left
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])
    assert len(arrays["a", "curve/fitness"]) == STEPS
