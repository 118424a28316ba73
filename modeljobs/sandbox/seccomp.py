"""The system calls that code may make: a filter of ours, run by the kernel for each call.

What arithmetic and the reading of modules need is allowed. What only an attack needs ends the
process. Everything else fails with EPERM, which Python shows as a PermissionError.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

from modeljobs.sandbox import linux
from modeljobs.sandbox.linux import AARCH64, X86_64

ALLOWED = (
    *("read", "write", "close", "lseek", "pread64", "readv", "writev"),
    *("fstat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"),
    *("readlink", "readlinkat", "getcwd", "getdents64", "fadvise64"),
    *("mmap", "munmap", "mremap", "mprotect", "madvise", "brk"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "getcpu"),
    *("getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"),
    *("getresuid", "getresgid", "getrlimit", "getrusage", "times", "uname", "sysinfo"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
    *("poll", "ppoll", "pselect6", "getrandom", "exit", "exit_group"),
)
# No program that calculates makes any of these: whoever tries is not asked what for.
KILLED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"),
    *("bpf", "perf_event_open", "userfaultfd", "seccomp"),
    *("io_setup", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("add_key", "request_key", "keyctl"),
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "mount_setattr"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "unshare", "setns"),
    *("name_to_handle_at", "open_by_handle_at", "fanotify_init"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load"),
    *("reboot", "swapon", "swapoff", "acct", "quotactl", "syslog", "iopl", "ioperm"),
)

# Opening to write, to create, to empty, and O_TMPFILE's own bit; the same on both machines.
_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000
# F_GETFD, F_SETFD, F_GETFL
_FCNTL_ALLOWED = (1, 2, 3)

_AUDIT_ARCH = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
# Numbers from here on are those of x32, the other way into the same kernel.
_X32 = 0x40000000

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

# Classic BPF: load a word of the call, compare, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

Instruction = tuple[int, int, int, int]


def _argument(index: int, *, is_high: bool = False) -> int:
    """Where a word of an argument stands in the kernel's seccomp_data, little-endian."""
    return 16 + 8 * index + 4 * is_high


def _fail(code: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | code)


def _when(name: str, machine: str, body: list[Instruction]) -> list[Instruction]:
    """Instructions for one call, jumped over for every other."""
    number = linux.find_number(name, machine)
    return [] if number is None else [(_EQUAL, 0, len(body), number), *body]


def _assemble(machine: str) -> Iterator[Instruction]:
    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    refuse = _fail(errno.EPERM)
    kill: Instruction = (_RETURN, 0, 0, _KILL)

    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, _AUDIT_ARCH[machine])
    yield kill
    yield (_LOAD, 0, 0, _NUMBER)
    if machine == X86_64:
        yield (_AT_LEAST, 0, 1, _X32)
        yield kill
    for name in ALLOWED:
        yield from _when(name, machine, [allow])
    for name, flags in (("openat", 2), ("open", 1)):
        check = [(_LOAD, 0, 0, _argument(flags)), (_ANY_BIT, 0, 1, _WRITING), refuse, allow]
        yield from _when(name, machine, check)
    commands = [(_EQUAL, len(_FCNTL_ALLOWED) - at, 0, one) for at, one in enumerate(_FCNTL_ALLOWED)]
    yield from _when("fcntl", machine, [(_LOAD, 0, 0, _argument(1)), *commands, refuse, allow])
    # Limits may be read, never set: the pointer to new ones must be null.
    read_only = [
        (_LOAD, 0, 0, _argument(2)),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _argument(2, is_high=True)),
        (_EQUAL, 0, 1, 0),
        allow,
        refuse,
    ]
    yield from _when("prlimit64", machine, read_only)
    # Every open asks whether it has a terminal.
    yield from _when("ioctl", machine, [_fail(errno.ENOTTY)])
    # The C library then tries clone, which fails as it should.
    yield from _when("clone3", machine, [_fail(errno.ENOSYS)])
    for name in KILLED:
        yield from _when(name, machine, [kill])
    yield refuse


def build_filter(machine: str | None = None) -> bytes:
    """The filter as the kernel takes it: one `struct sock_filter` after the other."""
    return b"".join(struct.pack("=HBBI", *one) for one in _assemble(machine or platform.machine()))


def install_filter(program: bytes) -> None:
    """Bind this thread to the filter, for good. OSError where the kernel does not take it."""
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    address = ctypes.create_string_buffer(header, len(header))
    mode_filter = 2
    linux.set_seccomp(mode_filter, ctypes.addressof(address))
