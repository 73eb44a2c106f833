"""Has Linux itself refuse a process new programs, other processes and other machines, for good.

An audit hook sees what Python does. Compiled code, or Python that gets round the hook, still has to
ask the kernel; here the kernel is told to say no, to this process and to all of its threads. Where
there is no such filter (another system, another processor), nothing happens.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

REFUSED = (
    "execve execveat fork vfork socket socketpair kill tkill ptrace process_vm_readv "
    "process_vm_writev pidfd_open pidfd_send_signal unshare setns mount umount2 pivot_root chroot "
    "io_uring_setup bpf keyctl add_key request_key userfaultfd perf_event_open"
).split()
NUMBERS = {
    "x86_64": (
        0xC000003E,
        [59, 322, 57, 58, 41, 53, 62, 200, 101, 310, 311, 434, 424, 272, 308, 165, 166, 155, 161]
        + [425, 321, 250, 248, 249, 323, 298],
        56,
    ),
    "aarch64": (
        0xC00000B7,
        [221, 281, None, None, 198, 199, 129, 130, 117, 270, 271, 434, 424, 97, 268, 40, 39, 41, 51]
        + [425, 280, 219, 217, 218, 282, 241],
        220,
    ),
}
"""Of a processor: its mark, the numbers of these calls (linux/audit.h, unistd.h), that of clone."""

OLD_NUMBERS, CLONE3, THREAD = 0x40000000, 435, 0x00010000
"""x86_64's second set of numbers, and clone's flag for a thread of the same process."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
NUMBER, PROCESSOR, FIRST_ARGUMENT = 0, 4, 16
SET_NO_NEW_PRIVILEGES, SET_FILTER, ALL_THREADS = 38, 1, 1
SECCOMP = {"x86_64": 317, "aarch64": 277}


def program(machine: str) -> bytes:
    """The filter, as instructions `(code, jump if true, jump if false, number)`."""
    mark, refused, clone = NUMBERS[machine]
    refused = [number for number in refused if number is not None]
    tests = [(AT_LEAST, OLD_NUMBERS), *((EQUAL, number) for number in refused)]
    tail = [
        (EQUAL, 0, 1, CLONE3),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),  # the C library takes clone then
        (EQUAL, 0, 3, clone),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (ANY_BIT, 1, 0, THREAD),
        (RETURN, 0, 0, ERROR | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    refuse = 5  # its place in the tail
    lines = [(LOAD, 0, 0, PROCESSOR), (EQUAL, 0, len(tests) + 1 + refuse, mark)]
    lines += [(LOAD, 0, 0, NUMBER)]
    for place, (code, number) in enumerate(tests):
        lines.append((code, len(tests) - place - 1 + refuse, 0, number))
    return b"".join(struct.pack("HBBI", *line) for line in lines + tail)


class Program(ctypes.Structure):
    """What the kernel takes: the number of instructions, and where they are."""

    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]


def shut() -> bool:
    """Sets the filter; returns whether this system has one."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in NUMBERS:
        return False
    lines = program(machine)
    kept = ctypes.create_string_buffer(lines, len(lines))
    made = Program(len(lines) // 8, ctypes.cast(kept, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return libc.syscall(SECCOMP[machine], SET_FILTER, ALL_THREADS, ctypes.byref(made)) == 0
