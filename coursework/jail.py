"""Starts the worker where it can do no harm: nothing to read but Python, nothing to reach, limits.

There are three ways, and `way()` says which one this machine has:

- "namespace" (Linux, as root or where users may make namespaces): the worker has a file system of
  its own, with Python's folders, read-only, and an empty folder to work in; no network; and it sees
  no process but its own. Solutions, hidden tests and other submissions do not exist for it. As
  root, it runs as a user without rights, another one for each worker.
- "user" (root, and no namespaces, as in most containers): another user for each worker. What is to
  stay secret must not be readable by others; `hide` sees to it.
- "" (neither): nothing but the audit hook in `worker` lies between an answer and the files of the
  user that grades. `apart` refuses to grade so, unless it is told that the answers are trusted.

In each way memory, file sizes, open files and, where it can be counted, processes are limited. What
remains: an answer may still use its share of processor and memory until its time is up, and a
fault of the kernel is a way out of any of this. Docker without a network, or a machine that holds
nothing else, is for what must be safe.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = ("worker.py", "observe.py", "seccomp.py")
PASSED_ON = ("LANG", "LD_LIBRARY_PATH", "XLA_FLAGS", "JAX_PLATFORMS")
"""What the worker sees of the environment."""

COMPILED_ONCE = "--xla_backend_optimization_level=1"
"""XLA's flag for what is compiled often and run seldom: a quarter of the time, as fast later."""

MEMORY, ADDRESSES = 2 * 2**30, 16 * 2**30
"""Bytes of data, and of addresses, of which jax reserves several times what it uses."""

DISK = 2**28
"""Bytes that a worker may write."""

FIRST_USER = 61_000
"""From here on a worker running as root's child takes the number of its user."""

NEWNS, NEWUSER, NEWPID, NEWNET, NEWIPC = 0x20000, 0x10000000, 0x20000000, 0x40000000, 0x08000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
SET_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38


def visible() -> list[str]:
    """What a worker in a file system of its own sees of this one: Python, and what it stands on."""
    paths = [sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"]
    paths += ["/etc/fonts", "/etc/alternatives", "/etc/localtime", "/sys/devices/system/cpu"]
    paths += ["/dev/null", "/dev/urandom", "/dev/zero"]
    found: list[str] = []
    for path in map(os.path.normpath, paths):
        if os.path.lexists(path) and not any(path.startswith(x + os.sep) for x in [*found]):
            found.append(path)
    return list(dict.fromkeys(found))


class Worker:
    """A worker that was started.

    Attributes:
        process: its launcher; to kill it ends all that it started.
        wire: our end of the wire.
    """

    def __init__(self, process: subprocess.Popen, wire: socket.socket, folder: Path, user: int):
        self.process, self.wire, self.folder, self.user = process, wire, folder, user

    def close(self) -> None:
        """Ends the worker, and what it may have started."""
        self.process.kill()
        self.process.wait()
        if self.user:  # whatever is left of this user
            sweep = "import os; os.setgroups([]); os.setgid(%d); os.setuid(%d); os.kill(-1, 9)"
            command = [sys.executable, "-I", "-S", "-c", sweep % (self.user, self.user)]
            subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        self.wire.close()
        shutil.rmtree(self.folder, ignore_errors=True)


_count = 0


def start(
    files: Mapping[str, bytes] | None = None, how: str | None = None, program: str = "worker.py"
) -> Worker:
    """Starts a worker.

    Args:
        files: what lies in its folder, by path.
        how: the way, by default the best that this machine has.
        program: what it runs.

    Raises:
        OSError: it cannot be started.
    """
    global _count
    how = way() if how is None else how
    user = 0
    if os.getuid() == 0 and how:
        _count = (_count + 1) % 64
        user = FIRST_USER + 64 * (os.getpid() % 60) + _count
    folder = Path(tempfile.mkdtemp(prefix="answers-"))
    inside = folder / "inside"
    inside.mkdir()
    contents = {name: (HERE / name).read_bytes() for name in PROGRAM} | dict(files or {})
    for name, content in contents.items():
        path = inside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if how == "user":
        folder.chmod(0o711)
        for path in [inside, *inside.rglob("*")]:
            os.chown(path, user, user)
    ours, theirs = socket.socketpair()
    settings = {"how": how, "user": user, "folder": str(inside), "program": program}
    settings |= {"wire": theirs.fileno(), "visible": visible()}
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"MPLBACKEND": "agg", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.setdefault("XLA_FLAGS", COMPILED_ONCE)
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(HERE / "jail.py"), json.dumps(settings)],
        pass_fds=[theirs.fileno()],
        cwd=inside,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    return Worker(process, ours, folder, user if how == "user" else 0)


PROBE = """
import os, socket, sys
wire = socket.socket(fileno=int(sys.argv[1]))
import numpy
readable = []
for path in open("paths").read().split("\\n"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
    except OSError:
        continue
    if os.path.exists(path):
        readable.append(path)
wire.sendall(("\\n".join(["started", *readable])).encode())
"""


def readable(paths: Iterable[Path], how: str) -> list[str] | None:
    """Which of these files a worker can read; None where no worker starts."""
    listed = "\n".join(str(Path(path).resolve()) for path in paths)
    files = {"paths": listed.encode(), "probe.py": PROBE.encode()}
    try:
        worker = start(files, how, "probe.py")
    except OSError:
        return None
    try:
        worker.wire.settimeout(60)
        said = b""
        with contextlib.suppress(OSError):
            while got := worker.wire.recv(65536):
                said += got
    finally:
        worker.close()
    first, *rest = said.decode().split("\n")
    return rest if first == "started" else None


@lru_cache
def way() -> str:
    """The best way to keep a worker apart that this machine has, tried."""
    for how in ("namespace", "user"):
        if how == "user" and os.getuid() != 0:
            continue
        found = readable([], how)
        if found is not None:
            return how
    return ""


def hide(paths: Iterable[Path]) -> list[str]:
    """Sees to it that no worker reads these files; returns those that one can read all the same."""
    paths = [Path(path) for path in paths if Path(path).exists()]
    if not way():
        return [str(path) for path in paths]
    if way() == "user":
        for path in paths:
            with contextlib.suppress(OSError):
                path.chmod(path.stat().st_mode & 0o700)
    return readable(paths, way()) or []


# In the new process.


def call(name: str, *args) -> None:
    """A function of the C library, with its error as an exception."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{name} {args}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    kind_ = kind.encode() if kind else None
    call("mount", source.encode(), target.encode(), kind_, ctypes.c_ulong(flags), data.encode())


def show(path: str, root: str) -> None:
    """Binds a folder, a file or a link of this file system into a new one, read-only."""
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(path, target, None, BIND | REC)
    if path.startswith("/dev/"):
        return
    kept = os.statvfs(target).f_flag & (NOSUID | NODEV | NOEXEC)  # a user may not take these away
    mount("none", target, None, REMOUNT | BIND | RDONLY | kept)


def own_file_system(folder: str, paths: Iterable[str]) -> None:
    """Makes a small file system, with these paths of the old one and the folder's files in /answer,
    and enters it."""
    flags = NEWNS | NEWPID | NEWNET | NEWIPC
    if os.getuid() == 0:
        call("unshare", flags)
    else:
        user, group = os.getuid(), os.getgid()
        call("unshare", flags | NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    mount("none", "/", None, REC | PRIVATE)
    root = os.path.join(os.path.dirname(folder), "root")
    os.mkdir(root)
    mount("answers", root, "tmpfs", NOSUID | NODEV, f"size={DISK},mode=755")
    for path in paths:
        show(path, root)
    shutil.copytree(folder, root + "/answer")
    os.makedirs(root + "/proc")


def enter(root: str, user: int) -> None:
    """The last steps, in the process that is to run the answers."""
    with contextlib.suppress(OSError):  # not where /proc is covered, as in some containers
        mount("proc", root + "/proc", "proc", NOSUID | NODEV | NOEXEC)
    for path in [root + "/answer", *Path(root, "answer").rglob("*")]:
        if user:
            os.chown(path, user, user)
    os.chroot(root)
    os.chdir("/answer")


def limits(user: int) -> None:
    """What a worker may use."""
    most = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": DISK, "RLIMIT_NOFILE": 256, "RLIMIT_AS": ADDRESSES}
    most["RLIMIT_DATA"] = MEMORY
    if user:  # as this user there is nothing else; what is counted are threads
        most["RLIMIT_NPROC"] = 256
    for name, value in most.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), (value, value))


BEGIN = (
    "import runpy, sys; home = sys.argv.pop(1); sys.path.insert(0, home); del sys.argv[0]; "
    "runpy.run_path(f'{home}/{sys.argv[0]}', run_name='__main__')"
)
"""What the new Python runs: -I leaves its own folder out of the path."""


def main(settings: dict) -> None:
    """Closes the door behind this process, and becomes the worker."""
    how, user, folder = settings["how"], settings["user"], settings["folder"]
    home = folder
    if how == "namespace":
        own_file_system(folder, settings["visible"])
        root, home = os.path.join(os.path.dirname(folder), "root"), "/answer"
        child = os.fork()
        if child:  # the first process of the new namespace does the work; with it all others end
            signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
            call("prctl", SET_DEATH_SIGNAL, signal.SIGKILL)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0x7F)
        enter(root, user)
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    limits(user)
    if sys.platform == "linux":
        call("prctl", SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        call("prctl", SET_DEATH_SIGNAL, signal.SIGKILL)
    os.environ.update(HOME=home, TMPDIR=home)
    os.execv(
        sys.executable,
        [sys.executable, "-I", "-c", BEGIN, home, settings["program"], str(settings["wire"])],
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
