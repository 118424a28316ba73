"""Landlock: which files code may read. Everything that is not named is refused by the kernel."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from modeljobs.sandbox import linux

_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
# How many kinds of access each version of the interface knows (Linux 5.13, 5.19, 6.2, 6.7, 6.10).
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15}
_FILE_ACCESSES_SINCE_5 = 16
_TCP_SINCE, _SCOPES_SINCE, _LOG_SINCE = 4, 6, 7
_BIND_AND_CONNECT = 0b11
# Abstract unix sockets and signals.
_SCOPES = 0b11
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
# Refusals are not written to the host's audit log: code could fill it.
_LOG_OFF = 1


def find_version() -> int:
    """The kernel's version of the interface; 0 where there is no Landlock."""
    if not linux.is_known_machine():
        return 0
    try:
        return linux.call("landlock_create_ruleset", None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def build_ruleset(paths: Iterable[str]) -> int:
    """A file descriptor that stands for: these may be read, nothing else be done with any file.

    TCP, and signals and abstract sockets to the outside, are refused as far as the kernel's version
    can. OSError where there is no Landlock.
    """
    version = find_version()
    files = (1 << _FILE_ACCESSES.get(version, _FILE_ACCESSES_SINCE_5)) - 1
    attributes = struct.pack("=Q", files)
    if version >= _TCP_SINCE:
        attributes += struct.pack("=Q", _BIND_AND_CONNECT)
    if version >= _SCOPES_SINCE:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = linux.call("landlock_create_ruleset", attributes, len(attributes), 0)
    for path in paths:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            access = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
            rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place), 12)
            linux.call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(place)
    return ruleset


def restrict_self(ruleset: int) -> None:
    """Bind this thread to the ruleset, for good. It must have given up new privileges before."""
    flags = _LOG_OFF if find_version() >= _LOG_SINCE else 0
    linux.call("landlock_restrict_self", ruleset, flags)
