"""Which servers may be called, and which of them may see which key.

Keys live in environment variables and nowhere else: `WORKBENCH_ENGINE_KEY_<NAME>` holds the key,
`WORKBENCH_ENGINE_HOSTS_<NAME>` lists the hosts that may be sent it. Whoever edits an engine in the
browser picks a key by its name, and can neither read it nor send it elsewhere. The same lists, with
`WORKBENCH_ENGINE_ALLOWED_HOSTS`, keep an engine's address from reaching into the operator's
network.

An entry is `[scheme://]host[:port]`. Without a port it stands for the scheme's usual one; without a
scheme, for https, and for http as well where no key is sent.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpx

from modeljobs.engines.base import EnginePermanent

KEY_PREFIX = "WORKBENCH_ENGINE_KEY_"
HOSTS_PREFIX = "WORKBENCH_ENGINE_HOSTS_"
ALLOWED_HOSTS = "WORKBENCH_ENGINE_ALLOWED_HOSTS"

DEFAULT_PORTS = {"http": 80, "https": 443}
KEY_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
# A name, an IPv4 or an IPv6 address; httpx lets spaces through as %20.
HOST = re.compile(r"[a-z0-9._:-]{1,253}")
# What an Authorization header can carry. Anything else would fail inside the HTTP library, with a
# message that shows the key.
HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
# A server's message may show the ends of a key ("sk-ab***yz"): those are masked as well.
SHOWN_END = 4


class Secret:
    """A value that shows itself only when asked by name: never in a repr, a log or a message."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("A secret is not to be pickled.")

    def reveal(self) -> str:
        return self._value

    def redact(self, text: str) -> str:
        """The text with the value, and words that start or end as it does, masked."""
        text = text.replace(self._value, "[key]")
        if len(self._value) < 3 * SHOWN_END:
            return text
        head = re.escape(self._value[:SHOWN_END])
        tail = re.escape(self._value[-SHOWN_END:])
        # The masked middle of a key: stars, dots, dashes, or the real thing in part.
        word = r"[\w.*•…\-]*"
        return re.sub(rf"\b{head}{word}|[*•…]{word}{tail}\b", "[key]", text)


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of a list of hosts."""

    host: str
    port: int | None = None
    scheme: str | None = None

    def covers(self, url: httpx.URL) -> bool:
        usual = DEFAULT_PORTS[url.scheme]
        return (
            read_host(url) == self.host
            and (url.port or usual) == (self.port or usual)
            and self.scheme in (None, url.scheme)
        )


def parse_base_url(base_url: str) -> httpx.URL:
    """The address of a server's API, or EnginePermanent where it is none that we would call."""
    # The URL itself is left out of this message: what stands before an @ may be a password.
    if "@" in base_url:
        raise _bad_url(
            "The base URL holds an @, before which a user name or password may stand; leave it out "
            "and name a key instead."
        )
    try:
        url = httpx.URL(base_url.strip())
    except (httpx.InvalidURL, UnicodeError):
        raise _bad_url(f"The base URL {_show(base_url)} is not a URL.") from None
    if url.scheme not in DEFAULT_PORTS or not _names_host(url):
        raise _bad_url(
            f"The base URL {_show(base_url)} must start with http:// or https:// and name a host."
        )
    if url.query or url.fragment:
        raise _bad_url(f"The base URL {_show(base_url)} must have no ? or # part.")
    return url


def read_host(url: httpx.URL) -> str:
    """The host as it will be asked for: lower case, punycode, no brackets, no last dot."""
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _names_host(url: httpx.URL) -> bool:
    return bool(HOST.fullmatch(read_host(url))) and 0 < (url.port or 80) < 65_536


def is_loopback(url: httpx.URL) -> bool:
    host = read_host(url)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def list_key_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the keys that the operator has set, for a form to choose from."""
    names = (name.removeprefix(KEY_PREFIX) for name in environ if name.startswith(KEY_PREFIX))
    return tuple(sorted(name for name in names if KEY_NAME.fullmatch(name)))


def check_host(base_url: str, environ: Mapping[str, str]) -> httpx.URL:
    """The parsed address, if the operator lets engines call its host; else EnginePermanent.

    Without `WORKBENCH_ENGINE_ALLOWED_HOSTS`, that is this machine alone. Hosts listed for a key are
    always among them.
    """
    url = parse_base_url(base_url)
    allowed = environ.get(ALLOWED_HOSTS, "").strip()
    if is_loopback(url) and not allowed:
        return url
    listed = {name: environ[name] for name in environ if name.startswith(HOSTS_PREFIX)}
    listed[ALLOWED_HOSTS] = allowed
    if any(rule.covers(url) for name, text in listed.items() for rule in _read_rules(text, name)):
        return url
    raise EnginePermanent(
        f"Engines may not call {show_origin(url)}. The operator can allow it by adding "
        f"{_suggest_entry(url)!r} to the environment variable {ALLOWED_HOSTS}.",
        code="host_not_allowed",
    )


def resolve_key(name: str, base_url: str, environ: Mapping[str, str]) -> Secret | None:
    """The key of that name, if this address may be sent it; None where no name was given.

    EnginePermanent where there is no such key, where its hosts do not cover the address, or where
    it would travel in the clear to another machine without the operator having said http://.
    """
    if not name:
        return None
    name = name.removeprefix(KEY_PREFIX)
    if not KEY_NAME.fullmatch(name):
        raise EnginePermanent(
            f"The key name {_show(name)} must be capital letters, digits and underscores.",
            code="key_missing",
        )
    url = parse_base_url(base_url)
    value = environ.get(KEY_PREFIX + name, "").strip()
    if not value:
        raise EnginePermanent(
            f"There is no key {name!r}: set the environment variable {KEY_PREFIX}{name} and list "
            f"its hosts in {HOSTS_PREFIX}{name}.",
            code="key_missing",
        )
    if not HEADER_SAFE.fullmatch(value):
        raise EnginePermanent(
            f"The environment variable {KEY_PREFIX}{name} holds a space or a character outside "
            "ASCII, which no key has.",
            code="key_missing",
        )
    rules = _read_rules(environ.get(HOSTS_PREFIX + name, ""), HOSTS_PREFIX + name)
    covering = [rule for rule in rules if rule.covers(url)]
    if not covering:
        raise EnginePermanent(
            f"The key {name!r} is not for {show_origin(url)}. The operator can bind it to this "
            f"host by adding {_suggest_entry(url)!r} to the environment variable "
            f"{HOSTS_PREFIX}{name}.",
            code="key_not_bound",
        )
    in_the_clear = url.scheme == "http" and not is_loopback(url)
    if in_the_clear and not any(rule.scheme == "http" for rule in covering):
        raise EnginePermanent(
            f"The key {name!r} would be sent to {show_origin(url)} unencrypted: use https://, or "
            f"write the host with http:// in {HOSTS_PREFIX}{name}.",
            code="insecure_url",
        )
    return Secret(value)


def show_origin(url: httpx.URL) -> str:
    """Scheme, host and port: enough to know the server by, and nothing else of the address."""
    host = read_host(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}" + (f":{url.port}" if url.port else "")


def _read_rules(text: str, variable: str) -> Iterable[HostRule]:
    for entry in text.split(","):
        if entry.strip():
            yield _read_rule(entry.strip(), variable)


def _read_rule(entry: str, variable: str) -> HostRule:
    scheme, has_scheme, rest = entry.rpartition("://")
    try:
        # A scheme that has no usual port keeps httpx from dropping an explicit 443 or 80.
        url = httpx.URL(f"rule://{rest}")
    except (httpx.InvalidURL, UnicodeError):
        url = None
    if (
        url is None
        or not _names_host(url)
        or url.userinfo
        or url.path not in ("", "/")
        or (has_scheme and scheme.lower() not in DEFAULT_PORTS)
    ):
        raise EnginePermanent(
            f"The entry {_show(entry)} of the environment variable {variable} is not a host: write "
            "'api.example.org', 'gpu-node:8000' or 'http://gpu-node:8000'.",
            code="bad_host_list",
        )
    return HostRule(read_host(url), url.port, scheme.lower() or None)


def _suggest_entry(url: httpx.URL) -> str:
    return show_origin(url).removeprefix("https://")


def _bad_url(message: str) -> EnginePermanent:
    return EnginePermanent(message, code="bad_url")


def _show(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")
