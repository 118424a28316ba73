"""The filter of system calls, instruction by instruction, for both machines."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from modeljobs.sandbox import linux
from modeljobs.sandbox.linux import AARCH64, X86_64
from modeljobs.sandbox.seccomp import ALLOWED, KILLED, build_filter

ARCHITECTURES = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
ALLOW, KILL = "allow", "kill"
MACHINES = (X86_64, AARCH64)


def judge(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str | int:
    """What the filter says of a call: `allow`, `kill` or an errno. As the kernel would run it."""
    program = [*struct.iter_unpack("=HBBI", build_filter(machine))]
    wide = [*arguments, *[0] * (6 - len(arguments))]
    seen = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, seen, 0, *[one & (1 << 64) - 1 for one in wide])
    at = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x06:
            kinds = {0x7FFF0000: ALLOW, 0x80000000: KILL}
            return kinds.get(operand) or operand & 0xFFFF
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[code]
            at += if_true if holds else if_false


def number_of(name: str, machine: str) -> int:
    number = linux.find_number(name, machine)
    assert number is not None
    return number


def have(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """The names with the machines that have such a call."""
    return [(m, n) for m in MACHINES for n in names if linux.find_number(n, m) is not None]


@pytest.mark.parametrize(("machine", "name"), have(ALLOWED))
def test_what_arithmetic_needs_is_allowed(machine, name):
    assert judge(machine, number_of(name, machine)) == ALLOW


@pytest.mark.parametrize(("machine", "name"), have(KILLED))
def test_what_only_attacks_need_ends_the_process(machine, name):
    assert judge(machine, number_of(name, machine)) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_every_other_call_is_refused(machine):
    special = ("openat", "open", "fcntl", "prlimit64", "ioctl", "clone3")
    named = {linux.find_number(name, machine) for name in (*ALLOWED, *KILLED, *special)}
    others = [number for number in range(600) if number not in named]
    assert {judge(machine, number) for number in others} == {errno.EPERM}


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_ends_the_process(machine):
    other = ARCHITECTURES[AARCH64 if machine == X86_64 else X86_64]
    i386 = 0x40000003
    for architecture in (other, i386, 0):
        assert judge(machine, number_of("read", machine), architecture=architecture) == KILL


def test_x32_ends_the_process():
    assert judge(X86_64, 0x40000000) == KILL
    assert judge(X86_64, 0x40000000 | 39) == KILL
    assert judge(X86_64, 0xFFFFFFFF) == KILL


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("flags", "verdict"),
    [
        (os.O_RDONLY, ALLOW),
        (os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, ALLOW),
        (os.O_WRONLY, errno.EPERM),
        (os.O_RDWR, errno.EPERM),
        (os.O_ACCMODE, errno.EPERM),
        (os.O_RDONLY | os.O_CREAT, errno.EPERM),
        (os.O_RDONLY | os.O_TRUNC, errno.EPERM),
        (os.O_RDONLY | os.O_APPEND, errno.EPERM),
        (os.O_RDONLY | os.O_TMPFILE, errno.EPERM),
    ],
)
def test_files_are_opened_to_be_read_alone(machine, flags, verdict):
    assert judge(machine, number_of("openat", machine), -100, 1, flags) == verdict
    if machine == X86_64:
        assert judge(machine, number_of("open", machine), 1, flags) == verdict


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_are_read_and_never_set(machine):
    limit = number_of("prlimit64", machine)
    assert judge(machine, limit, 0, 9, 0, 0xDEAD) == ALLOW
    assert judge(machine, limit, 0, 9, 0xDEAD, 0) == errno.EPERM
    # A pointer whose lower half is null is no null pointer.
    assert judge(machine, limit, 0, 9, 1 << 32, 0) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_descriptors_keep_their_flags(machine):
    control = number_of("fcntl", machine)
    assert {judge(machine, control, 3, command) for command in (1, 2, 3)} == {ALLOW}
    for command in (0, 4, 8, 1030):
        assert judge(machine, control, 3, command) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_a_terminal_and_clone3_is_not_known(machine):
    assert judge(machine, number_of("ioctl", machine), 0, 0x5412) == errno.ENOTTY
    assert judge(machine, number_of("clone3", machine)) == errno.ENOSYS
