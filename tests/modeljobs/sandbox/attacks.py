"""Code that must come to nothing: what it tries, and how it may end.

Each prints REACHED when it got what it was after. `ends` are the ways in which it may end: a status
(`ok` where it runs on and finds nothing, `error` where Python is refused, `timeout`), or the code
of a SandboxError (`killed`, `protocol`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ERROR, OK, TIMEOUT, KILLED, PROTOCOL = "error", "ok", "timeout", "killed", "protocol"


@dataclass(frozen=True, slots=True)
class Attack:
    """`says` is in the output, where that is known; `spoils` its own session, and only that one."""

    name: str
    code: str
    ends: tuple[str, ...] = (ERROR,)
    says: str = ""
    spoils: bool = False


RAW = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(*arguments):
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = libc.syscall(*wide)
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")
    print("REACHED", result)
"""

# For whoever wants to answer in the harness's place: the question's nonce, and how to send.
FORGE = """
import gc, json, os, struct, sys
def find_nonce():
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict) and "nonce" in value and "code" in value:
                return value["nonce"]
        frame = frame.f_back
def send(**answer):
    body = json.dumps(answer).encode()
    data = struct.pack("!I", len(body)) + body
    while data:
        data = data[os.write(3, data):]
"""


def python(name: str, code: str, **how: object) -> Attack:
    return Attack(name, code, **how)  # type: ignore[arg-type]


def opens(name: str, path: str, mode: str = "r") -> Attack:
    return Attack(name, f"open({path!r}, {mode!r}); print('REACHED')")


def does(name: str, call: str) -> Attack:
    """A function of the os module, on the standard library's own files."""
    return Attack(name, f"import os\nthere = os.__file__\n{call}\nprint('REACHED')")


def raw(name: str, *arguments: object, ends: tuple[str, ...] = (ERROR,)) -> Attack:
    """A system call by its number on x86_64."""
    return Attack(name, f"{RAW}\ncall({', '.join(str(one) for one in arguments)})", ends)


def kills(name: str, *arguments: object) -> Attack:
    return raw(name, *arguments, ends=(KILLED,))


FILES = (
    opens("read_passwd", "/etc/passwd"),
    opens("read_shadow", "/etc/shadow"),
    opens("read_hosts", "/etc/hosts"),
    opens("read_own_environment", "/proc/self/environ"),
    opens("read_first_process", "/proc/1/environ"),
    opens("read_own_maps", "/proc/self/maps"),
    opens("write_own_memory", "/proc/self/mem", "r+b"),
    opens("read_kernel_settings", "/proc/sys/kernel/hostname"),
    opens("read_devices", "/dev/mem", "rb"),
    opens("read_docker_socket", "/var/run/docker.sock"),
    opens("write_temporary", "/tmp/sandbox-attack", "w"),
    opens("write_root", "/sandbox-attack", "w"),
    python(
        "read_the_project",
        "import sys\nopen(sys.modules['modeljobs.sandbox.child'].__file__); print('REACHED')",
    ),
    python("list_root", "import os; print('REACHED', os.listdir('/'))"),
    python("list_home", "import os; print('REACHED', os.listdir(os.path.expanduser('~')))"),
    python("list_here", "import os; print('REACHED', os.listdir('.'))"),
    python(
        "climb_out_of_the_library",
        "import os\nup = '/..' * 12\n"
        "open(os.path.dirname(os.__file__) + up + '/etc/passwd'); print('REACHED')",
    ),
    does("append_to_library", "open(there, 'a')"),
    does("empty_library", "os.truncate(there, 0)"),
    does("remove_library", "os.unlink(there)"),
    does("rename_library", "os.rename(there, there + '.old')"),
    does("link_library", "os.link(there, '/tmp/x')"),
    does("symlink_passwd", "os.symlink('/etc/passwd', '/tmp/x'); open('/tmp/x')"),
    does("symlink_in_library", "os.symlink('/etc/passwd', os.path.dirname(there) + '/x')"),
    does("chmod_library", "os.chmod(there, 0o777)"),
    does("chown_library", "os.chown(there, os.getuid(), -1)"),
    does("touch_library", "os.utime(there)"),
    does("mark_library", "os.setxattr(there, 'user.x', b'1')"),
    does("make_directory", "os.mkdir('/tmp/x')"),
    does("make_fifo", "os.mkfifo('/tmp/x')"),
    does("make_device", "os.mknod('/tmp/x', 0o20666, os.makedev(1, 3))"),
    does("change_directory", "os.chdir('/')"),
    does("unnamed_file", "os.open(os.path.dirname(there), os.O_TMPFILE | os.O_WRONLY)"),
    does("open_two_ways", "os.open(there, os.O_RDWR)"),
    does("memory_file", "os.memfd_create('x')"),
    does("lock_file", "import fcntl; fcntl.flock(os.open(there, os.O_RDONLY), fcntl.LOCK_EX)"),
    does("temporary_file", "import tempfile; tempfile.NamedTemporaryFile()"),
    does("database_file", "import sqlite3; sqlite3.connect('/tmp/x').execute('create table t(a)')"),
    raw("openat2", 437, -100, "b'/etc/passwd'", "bytes(24)", 24),
    raw("creat", 85, "b'/tmp/x'", 0o600),
    kills("open_by_handle", 304, -100, "bytes(64)", 0),
    kills("name_to_handle", 303, -100, "b'/'", "bytes(64)", "bytes(8)", 0),
)

NETWORK = (
    python("tcp", "import socket; socket.socket(); print('REACHED')"),
    python("udp", "import socket; socket.socket(type=socket.SOCK_DGRAM); print('REACHED')"),
    python("unix_socket", "import socket; socket.socket(socket.AF_UNIX); print('REACHED')"),
    python("netlink", "import socket; socket.socket(16, 3, 0); print('REACHED')"),
    python("socket_pair", "import socket; socket.socketpair(); print('REACHED')"),
    python(
        "socket_from_descriptor",
        "import socket; socket.socket(fileno=3).send(b'x'); print('REACHED')",
    ),
    python(
        "pass_descriptor",
        "import socket, array\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=3)\n"
        "socket.send_fds(s, [b'x'], [0]); print('REACHED')",
    ),
    python(
        "fetch",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000'); print('REACHED')",
    ),
    python("resolve", "import socket; print('REACHED', socket.gethostbyname('example.org'))"),
    python("event_loop", "import asyncio; asyncio.run(asyncio.sleep(0)); print('REACHED')"),
    raw("raw_socket", 41, 2, 1, 0),
    raw("raw_connect", 42, 3, "bytes(16)", 16),
    raw("raw_sendmsg", 46, 3, "bytes(56)", 0),
)

PROCESSES = (
    python("fork", "import os; os.fork(); print('REACHED')"),
    python(
        "fork_bomb",
        "import os\nwhile True:\n    os.fork()\n    print('REACHED')",
    ),
    python("subprocess", "import subprocess; subprocess.run(['id']); print('REACHED')"),
    python("popen", "import os; os.popen('id').read(); print('REACHED')"),
    python(
        "shell", "import os; print('REACHED' if os.system('id') == 0 else 'nothing')", ends=(OK,)
    ),
    python("exec", "import os, sys; os.execv(sys.executable, ['python']); print('REACHED')"),
    python("exec_shell", "import os; os.execv('/bin/sh', ['sh']); print('REACHED')"),
    python("spawn", "import os; os.posix_spawn('/bin/sh', ['sh'], {}); print('REACHED')"),
    python(
        "multiprocessing",
        "import multiprocessing as m; m.get_context('fork').Process(target=print).start(); "
        "print('REACHED')",
    ),
    python("thread", "import threading; threading.Thread(target=print).start(); print('REACHED')"),
    python("bare_thread", "import _thread; _thread.start_new_thread(print, ()); print('REACHED')"),
    python(
        "pool",
        "from concurrent.futures import ThreadPoolExecutor as P\n"
        "P(1).submit(print).result(); print('REACHED')",
    ),
    raw("raw_clone", 56, 17, 0, 0, 0, 0),
    raw("raw_clone_new_user", 56, 0x10000011, 0, 0, 0, 0),
    raw("raw_clone3", 435, "bytes(88)", 88),
    raw("raw_fork", 57),
    raw("raw_vfork", 58),
    raw("raw_execveat", 322, 0, "b''", 0, 0, 0x1000),
    python("pickle", "import pickle; pickle.loads(b\"cos\\nexecv\\n(S'/bin/sh'\\n(lS'x'\\natR.\")"),
)

SIGNALS = (
    python("kill_parent", "import os; os.kill(os.getppid(), 9); print('REACHED')"),
    python("kill_first", "import os; os.kill(1, 9); print('REACHED')"),
    python("kill_everybody", "import os; os.kill(-1, 9); print('REACHED')"),
    python("kill_group", "import os; os.killpg(0, 9); print('REACHED')"),
    python(
        "kill_neighbours",
        "import os\nfor p in range(2, 400):\n    os.kill(p, 9)\n    print('REACHED')",
    ),
    python("kill_self", "import os; os.kill(os.getpid(), 9); print('REACHED')"),
    raw("raw_tgkill", 234, 1, 1, 9),
    raw("raw_pidfd_open", 434, 1, 0),
    raw("raw_pidfd_send_signal", 424, 0, 9, 0, 0),
    raw("raw_sigqueue", 129, 1, 9, "bytes(128)"),
    python("interval_timer", "import signal; signal.setitimer(0, 0.01, 0.01); print('REACHED')"),
    raw("raw_timer_create", 222, 0, 0, "bytes(8)"),
    python(
        "deaf_loop",
        "import signal\nfor one in (1, 2, 14, 15, 24):\n    signal.signal(one, signal.SIG_IGN)\n"
        "while True:\n    pass",
        ends=(TIMEOUT,),
    ),
    raw("raw_signalfd", 289, -1, "bytes(8)", 8, 0),
)

KERNEL = (
    kills("ptrace_me", 101, 0, 0, 0, 0),
    kills("ptrace_parent", 101, 16, 1, 0, 0),
    kills("read_other_memory", 310, 1, "bytes(16)", 1, "bytes(16)", 1, 0),
    kills("write_other_memory", 311, 1, "bytes(16)", 1, "bytes(16)", 1, 0),
    kills("compare_processes", 312, 1, 1, 0, 0, 0),
    kills("take_descriptor", 438, 0, 3, 0),
    kills("bpf", 321, 5, "bytes(128)", 128),
    kills("performance_counters", 298, "bytes(128)", 0, -1, -1, 0),
    kills("user_faults", 323, 0),
    kills("io_uring", 425, 8, "bytes(120)"),
    kills("io_uring_enter", 426, 3, 1, 1, 0, 0, 0),
    kills("io_uring_register", 427, 3, 0, 0, 0),
    kills("old_aio", 206, 8, "bytes(8)"),
    kills("read_keys", 250, 11, -3, 0, 0),
    kills("add_key", 248, "b'user'", "b'x'", "b'x'", 1, -3),
    kills("nested_user_namespace", 272, 0x10000000),
    kills("nested_mount_namespace", 272, 0x00020000),
    kills("join_namespace", 308, 3, 0),
    kills("mount", 165, "b'x'", "b'/tmp'", "b'tmpfs'", 0, 0),
    kills("mount_proc", 165, "b'proc'", "b'/'", "b'proc'", 0, 0),
    kills("unmount", 166, "b'/'", 2),
    kills("change_root", 161, "b'/'"),
    kills("pivot_root", 155, "b'.'", "b'.'"),
    kills("open_file_system", 430, "b'proc'", 0),
    kills("clone_mount", 428, -100, "b'/'", 1),
    kills("load_module", 175, "bytes(8)", 8, "b''"),
    kills("load_kernel", 246, 0, 0, 0, 0),
    kills("reboot", 169, 0xFEE1DEAD, 672274793, 0x1234567, 0),
    kills("swap", 167, "b'/tmp/x'", 0),
    kills("replace_filter", 317, 1, 0, "bytes(16)"),
    kills("kernel_log", 103, 3, "bytes(8)", 8),
    kills("ports", 172, 3),
    raw("replace_filter_by_prctl", 157, 22, 2, "bytes(16)", 0, 0),
    raw("become_dumpable", 157, 4, 1, 0, 0, 0),
    raw("outlive_parent", 157, 1, 0, 0, 0, 0),
    raw("new_landlock", 444, 0, 0, 1),
    raw("personality", 135, 0x0040000),
    raw("host_name", 170, "b'x'", 1),
    raw("set_clock", 227, 0, "bytes(16)"),
    raw("capabilities", 126, "bytes(8)", "bytes(24)"),
    raw("shared_memory", 29, 0, 4096, 0o1600),
    raw("message_queue", 68, 0, 0o1600),
    raw("semaphores", 64, 0, 1, 0o1600),
    raw("posix_queue", 240, "b'x'", 0o102, 0o600, 0),
    raw("pipe", 22, "bytes(8)"),
    raw("splice_pages", 278, 3, "bytes(16)", 1, 0),
    raw("splice", 275, 0, 0, 1, 0, 8, 0),
    raw("event_descriptor", 290, 1, 0),
    raw("poll_set", 291, 0),
    raw("watch_files", 294, 0),
    raw("secret_memory", 447, 0),
    raw("lock_memory", 151, 1),
    raw("tty_injection", 16, 0, 0x5412, "b'x'"),
    raw("own_connection", 72, 3, 8, 1),
    raw("double_connection", 33, 3, 9),
    python("become_root", "import os; os.setuid(0); print('REACHED')"),
    python("become_group", "import os; os.setgid(0); print('REACHED')"),
    python("join_groups", "import os; os.setgroups([0]); print('REACHED')"),
    python("priority", "import os; os.setpriority(0, 0, -5); print('REACHED')"),
    python("processors", "import os; os.sched_setaffinity(0, {0}); print('REACHED')"),
    python(
        "other_door",
        f"{RAW}\ncall(0x40000000 | 39)",
        ends=(KILLED,),
    ),
    python(
        "old_door",
        # mov eax, 20 (getpid of 32-bit Linux); int 0x80; ret
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print('REACHED', ctypes.CFUNCTYPE(ctypes.c_int)(at)())",
        ends=(KILLED,),
    ),
)

LIMITS = (
    python("allocate_much", "bytearray(1 << 36)", says="Code execute Error: MemoryError: "),
    python(
        "fill_memory",
        "kept = []\nwhile True:\n    kept.append(bytes(1 << 22))",
        says="Code execute Error: MemoryError: ",
    ),
    python(
        "fill_memory_by_doubling",
        "kept = [0]\nwhile True:\n    kept += kept",
        says="Code execute Error: MemoryError: ",
    ),
    python("map_memory", "import mmap; mmap.mmap(-1, 1 << 36); print('REACHED')"),
    python("long_string", "x = 'x' * (1 << 40)", says="Code execute Error: MemoryError: "),
    python(
        "raise_memory_limit",
        "import resource as r\n"
        "r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY, r.RLIM_INFINITY)); print('REACHED')",
    ),
    python(
        "raise_file_limit",
        "import resource as r\nr.setrlimit(r.RLIMIT_FSIZE, (9, 9)); print('REACHED')",
    ),
    python(
        "lower_limit",
        "import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, (1, 1)); print('REACHED')",
    ),
    python(
        "limit_of_another",
        "import resource as r\nr.prlimit(1, r.RLIMIT_AS, (1, 1)); print('REACHED')",
    ),
    python(
        "open_many_files",
        "import os\nkept = [open(os.__file__) for _ in range(100)]; print('REACHED')",
    ),
    python("print_much", "print('x' * 50_000_000)", ends=(OK,), says="[output cut at "),
    python(
        "print_many",
        "for _ in range(200_000):\n    print('x' * 80)",
        ends=(OK,),
        says="[output cut at ",
    ),
    python("raise_much", "raise ValueError('x' * 10_000_000)", says="[output cut at "),
    python("recurse", "def f():\n    f()\nf()", says="RecursionError"),
    python(
        "recurse_deeper",
        "import sys\nsys.setrecursionlimit(1 << 30)\nclass A:\n    def __getattr__(self, n):\n"
        "        return getattr(self, n + 'x')\nA().a",
        ends=(ERROR, KILLED, TIMEOUT),
    ),
    python("crash", "import ctypes; ctypes.string_at(0)", ends=(KILLED,)),
    python("abort", "import os; os.abort()", ends=(KILLED,)),
    python("leave", "import sys; sys.exit(3)", says="Code execute Error: SystemExit: 3"),
    python("leave_at_once", "import os; os._exit(0)", ends=(KILLED,)),
    python("interrupt", "raise KeyboardInterrupt", says="Code execute Error: KeyboardInterrupt: "),
)

# These go on for longer than any block may.
LOOPS = (
    python("python_loop", "while True:\n    pass", ends=(TIMEOUT,)),
    python(
        "stubborn_loop",
        "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass",
        ends=(TIMEOUT,),
    ),
    python("c_loop", "sum(range(10 ** 12))", ends=(TIMEOUT,)),
    python("big_power", "9 ** 9 ** 9", ends=(TIMEOUT, ERROR)),
    python("pattern", "import re; re.match('(a+)+$', 'a' * 60 + 'b')", ends=(TIMEOUT,)),
    python(
        "iterate",
        "import itertools, collections\ncollections.deque(itertools.count(), maxlen=0)",
        ends=(TIMEOUT,),
    ),
    python("sleep", "import time; time.sleep(3600)", ends=(TIMEOUT,)),
    python(
        "wait_for_lock",
        "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        ends=(TIMEOUT,),
    ),
    python("print_forever", "while True:\n    print('x' * 1000)", ends=(TIMEOUT,)),
    python("read_connection", "import os; os.read(3, 1)", ends=(TIMEOUT,)),
)

PROTOCOL_ATTACKS = (
    python("junk", "import os; os.write(3, b'x' * 1000)", ends=(PROTOCOL,)),
    python("no_json", "import os; os.write(3, b'\\0\\0\\0\\2{]')", ends=(PROTOCOL,)),
    python(
        "deep_json",
        "import os\nbody = b'[' * 5000\nos.write(3, len(body).to_bytes(4) + body)",
        ends=(PROTOCOL,),
    ),
    python("no_object", "import os; os.write(3, b'\\0\\0\\0\\2[]')", ends=(PROTOCOL,)),
    python(
        "forged_nonce",
        f"{FORGE}\nsend(nonce='x', status='ok', text='REACHED', cut=False)",
        ends=(PROTOCOL,),
    ),
    python(
        "forged_status",
        f"{FORGE}\nsend(nonce=find_nonce(), status='timeout', text='REACHED', cut=False)",
        ends=(PROTOCOL,),
    ),
    python(
        "forged_length",
        f"{FORGE}\nsend(nonce=find_nonce(), status='ok', text='x' * 20_000, cut=False)",
        ends=(PROTOCOL,),
    ),
    python(
        "forged_types",
        f"{FORGE}\nsend(nonce=find_nonce(), status='ok', text=['REACHED'], cut=0)",
        ends=(PROTOCOL,),
    ),
    python(
        "forged_hello", f"{FORGE}\nsend(missing='landlock', message='REACHED')", ends=(PROTOCOL,)
    ),
    python(
        "answer_and_run_on",
        # Its own answer, in its own name: no more than it could print. What follows is not its own.
        f"{FORGE}\nsend(nonce=find_nonce(), status='ok', text='forged', cut=False)\n"
        "while True:\n    pass",
        ends=(OK,),
        says="forged",
        spoils=True,
    ),
    python(
        "answer_twice",
        f"{FORGE}\nsend(nonce=find_nonce(), status='ok', text='forged', cut=False)",
        ends=(OK,),
        says="forged",
        spoils=True,
    ),
    python(
        "answer_by_the_harness",
        "import json; json.dumps = lambda *a, **k: 'x' * 1_000_000",
        ends=(PROTOCOL,),
    ),
    python("close_everything", "import os; os.closerange(0, 64)", ends=(KILLED,)),
    python("close_connection", "import os; os.close(3); os.write(3, b'x')", ends=(KILLED,)),
)

PYTHON = (
    python("environment", "import os; print(dict(os.environ))", ends=(OK,), says="{}"),
    python(
        "environment_of_c",
        "import ctypes\nget = ctypes.CDLL(None).getenv\nget.restype = ctypes.c_char_p\n"
        "print([get(n) for n in (b'PATH', b'HOME', b'WORKBENCH_SECRET_KEY', b'DATABASE_URL')])",
        ends=(OK,),
        says="[None, None, None, None]",
    ),
    python("arguments", "import sys; print(sys.argv, sys.stdin.read())", ends=(OK,), says="['']"),
    python("input", "input()", says="EOFError"),
    python("debugger", "breakpoint()", ends=(ERROR,)),
    python("import_django", "import django; print('REACHED')", says="ModuleNotFoundError"),
    python("import_settings", "import workbench.settings.base; print('REACHED')",
           says="ModuleNotFoundError"),
    python(
        "import_from_elsewhere",
        "import sys; sys.path[:0] = ['/tmp', '/root', '/home', '']\n"
        "import sandbox_attack; print('REACHED')",
        says="ModuleNotFoundError",
    ),
    python(
        "import_hook",
        "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
        "        import os\n        os.system('id')\n        return None\n"
        "sys.meta_path.insert(0, Finder())\nimport nothing_of_that_name",
        says="ModuleNotFoundError",
    ),
    python(
        "sockets_of_the_zygote",
        "import gc, socket\nfound = [o for o in gc.get_objects() if isinstance(o, socket.socket)]\n"
        "for one in found:\n    one.send(b'x')\n    print('REACHED')\nprint('nothing')",
        ends=(OK, ERROR),
    ),
    python(
        "sockets_in_frames",
        "import sys, socket\nframe = sys._getframe()\nwhile frame:\n"
        "    for value in list(frame.f_locals.values()):\n"
        "        value = getattr(value, '_control', value)\n"
        "        if isinstance(value, socket.socket):\n            value.send(b'x' * 28)\n"
        "            print('REACHED')\n    frame = frame.f_back\nprint('nothing')",
        ends=(OK, ERROR),
    ),
    python(
        "every_descriptor",
        "import os\nfor one in range(4, 64):\n    try:\n        os.fstat(one)\n"
        "    except OSError:\n        continue\n    print('REACHED', one)\nprint('nothing')",
        ends=(OK,),
        says="nothing",
    ),
    python("the_harness_forks", "import sys; z = sys.modules['modeljobs.sandbox.places']\n"
           "z.fork_apart(None); print('REACHED')"),
    python("the_harness_calls", "import sys; z = sys.modules['modeljobs.sandbox.linux']\n"
           "z.call('setns', 3, 0); print('REACHED')", ends=(KILLED,)),
    python("exit_handler", "import atexit, os; atexit.register(os.write, 3, b'x'); print('set')",
           ends=(OK,), says="set"),
    python("trace", "import sys\ndef trace(*a):\n    raise RuntimeError\nsys.settrace(trace)",
           ends=(OK, ERROR)),
    python("audit_hook", "import sys\ndef hook(*a):\n    raise RuntimeError('hook')\n"
           "sys.addaudithook(hook)", ends=(OK, ERROR, KILLED), spoils=True),
    python("no_builtins", "import builtins\nfor n in dir(builtins):\n"
           "    setattr(builtins, n, None)", ends=(OK, ERROR, KILLED, PROTOCOL), spoils=True),
    python("broken_error", "class E(Exception):\n    def __str__(self):\n        raise E\nraise E",
           says="Code execute Error: E: <unprintable>"),
    python("garbage_collected", "class A:\n    def __del__(self):\n        import os\n"
           "        os.kill(1, 9)\n        print('REACHED')\nA()", ends=(OK,)),
    python("write_to_terminal", "import os; os.write(1, b'x'); os.write(2, b'x'); print('wrote')",
           ends=(OK,), says="wrote"),
    python("shared_memory_module",
           "from multiprocessing import shared_memory as s\n"
           "s.SharedMemory(create=True, size=9); print('REACHED')"),
    python("fault_handler", "import faulthandler, sys; faulthandler.enable(open('/tmp/x', 'w'))\n"
           "print('REACHED')"),
    python("numpy_memory", "import numpy; numpy.ones(1 << 36)", says="MemoryError"),
    python("numpy_file", "import numpy; numpy.save('/tmp/x.npy', [1]); print('REACHED')"),
    python("numpy_read", "import numpy; numpy.fromfile('/etc/passwd'); print('REACHED')"),
)  # fmt: skip

QUICK = (*FILES, *NETWORK, *PROCESSES, *SIGNALS[:-2], SIGNALS[-1], *KERNEL, *LIMITS,
         *PROTOCOL_ATTACKS, *PYTHON)  # fmt: skip
ENDLESS = (SIGNALS[-2], *LOOPS)
ATTACKS = (*QUICK, *ENDLESS)
# Numbers of system calls, and machine code, that are those of x86_64.
OF_X86_64 = frozenset(
    one.name for one in ATTACKS if one.code.startswith(RAW) or one.name == "old_door"
)
assert struct.calcsize("P") == 8
