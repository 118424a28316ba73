"""What a format is, and the registry of those there are.

A format turns rows of JSON into `labeling.records` and back. It says so in two plain functions,
`parse` (one row -> records) and `build` (records -> rows); everything that all formats share
(lines, arrays, limits, defects, writing) is here and in `labeling.formats.rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import orjson

from labeling.formats.fields import FieldError, Row, make_issue
from labeling.formats.rows import RowLimits, read_rows
from labeling.records import EMPTY, ReadIssue, Solution

KEPT_SKIPS = 10_000


@dataclass(frozen=True, slots=True)
class FieldDoc:
    """One field of the upstream rows, for the documentation."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class FormatOption:
    """A choice that reading or writing leaves to the caller; the first choice is the default."""

    name: str
    description: str
    choices: tuple[str, ...]

    @property
    def default(self) -> str:
        return self.choices[0]


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """What a person choosing a format needs to know about it."""

    name: str
    title: str
    description: str
    suffixes: tuple[str, ...]
    index_convention: str
    fields: tuple[FieldDoc, ...]
    can_read: bool = True
    can_write: bool = True
    read_options: tuple[FormatOption, ...] = ()
    write_options: tuple[FormatOption, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Limits on what is read, and values of the format's own read options."""

    max_line_bytes: int = 16 * 2**20
    max_steps: int = 100_000
    max_issues: int = 10_000
    values: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Values of the format's own write options."""

    values: Mapping[str, str] = field(default_factory=lambda: EMPTY)


class OptionError(ValueError):
    """An option that the format does not have, or a value that it does not know."""


class UnknownFormat(KeyError):
    """No format has this name."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Skip:
    """A solution that was not written, or not whole, and why."""

    ordinal: int
    source_id: str
    reason: str
    whole: bool = True


@dataclass(slots=True)
class WriteLog:
    """What became of the solutions that a writer was given.

    `skips` keeps the first KEPT_SKIPS; the two counters count all.
    """

    solutions: int = 0
    rows: int = 0
    skipped: int = 0
    shortened: int = 0
    skips: list[Skip] = field(default_factory=list)

    def skip(self, solution: Solution, reason: str) -> None:
        """Note that nothing of the solution was written."""
        self.skipped += 1
        self._keep(Skip(self.solutions, solution.source_id, reason))

    def shorten(self, solution: Solution, reason: str) -> None:
        """Note that a part of the solution was not written."""
        self.shortened += 1
        self._keep(Skip(self.solutions, solution.source_id, reason, whole=False))

    def _keep(self, skip: Skip) -> None:
        if len(self.skips) < KEPT_SKIPS:
            self.skips.append(skip)

    def count(self, solutions: Iterable[Solution]) -> Iterator[Solution]:
        """The same solutions, counted as they pass; `solutions` is the ordinal of the current."""
        for solution in solutions:
            self.solutions += 1
            yield solution


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with a part of a row of which the rest was loaded."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class ParseContext:
    """What `parse` may ask: the limit on steps and the resolved read options."""

    max_steps: int
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What `build` may ask: the resolved write options and where to report skips."""

    options: Mapping[str, str]
    log: WriteLog


class Format(Protocol):
    """A reader and writer of one kind of file."""

    @property
    def info(self) -> FormatInfo: ...

    def read(
        self, stream: BinaryIO, *, options: ReadOptions = ...
    ) -> Iterator[Solution | ReadIssue]: ...

    def write(
        self,
        solutions: Iterable[Solution],
        *,
        options: WriteOptions = ...,
        log: WriteLog | None = ...,
    ) -> Iterator[bytes]: ...


Parse = Callable[[Row, ParseContext], Iterable[Solution | Defect]]
Build = Callable[[Iterable[Solution], BuildContext], Iterator[Mapping[str, Any] | bytes]]


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format of JSON rows: JSON Lines, or one JSON array. Either layout is read.

    `build` yields rows as mappings, or as bytes where it has its own reasons to serialise.
    """

    info: FormatInfo
    parse: Parse
    build: Build
    writes_array: bool = False

    def read(
        self, stream: BinaryIO, *, options: ReadOptions | None = None
    ) -> Iterator[Solution | ReadIssue]:
        """Records and defects in the order of the file; never raises for what the file holds.

        Raises OptionError at once for an option that the format does not have.
        """
        chosen = options or ReadOptions()
        context = ParseContext(
            max_steps=chosen.max_steps,
            options=resolve_options(chosen.values, self.info.read_options, self.info.name),
        )
        return _stop_after(chosen.max_issues, self._parse_rows(stream, chosen, context))

    def _parse_rows(
        self, stream: BinaryIO, options: ReadOptions, context: ParseContext
    ) -> Iterator[Solution | ReadIssue]:
        parse = self.parse
        for line, row in read_rows(stream, limits=RowLimits(options.max_line_bytes)):
            if isinstance(row, ReadIssue):
                yield row
                continue
            try:
                # A row is parsed whole before anything of it is handed on: a fatal defect at its
                # end must not leave half of it loaded.
                parsed = list(parse(row, context))
            except FieldError as error:
                yield make_issue(line, error.field, error.message)
                continue
            for item in parsed:
                if isinstance(item, Defect):
                    yield make_issue(line, item.field, item.message, fatal=False)
                else:
                    yield item

    def write(
        self,
        solutions: Iterable[Solution],
        *,
        options: WriteOptions | None = None,
        log: WriteLog | None = None,
    ) -> Iterator[bytes]:
        """The file in pieces of about one row. The same records give the same bytes.

        Raises OptionError at once for an option that the format does not have.
        """
        chosen = options or WriteOptions()
        context = BuildContext(
            options=resolve_options(chosen.values, self.info.write_options, self.info.name),
            log=log if log is not None else WriteLog(),
        )
        rows = self._write_rows(solutions, context)
        return _as_array(rows) if self.writes_array else (row + b"\n" for row in rows)

    def _write_rows(self, solutions: Iterable[Solution], context: BuildContext) -> Iterator[bytes]:
        log = context.log
        for row in self.build(log.count(solutions), context):
            log.rows += 1
            yield row if isinstance(row, bytes) else dump_row(row)


def dump_row(row: object) -> bytes:
    """The row as compact JSON in UTF-8, keys in the order given."""
    return orjson.dumps(row, default=_plain)


def _plain(value: object) -> object:
    # The empty `extra` of the records is a read-only view, which orjson does not know.
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON data.")


def _as_array(rows: Iterator[bytes]) -> Iterator[bytes]:
    before = b"[\n"
    for row in rows:
        yield before + row
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _stop_after(
    limit: int, items: Iterator[Solution | ReadIssue]
) -> Iterator[Solution | ReadIssue]:
    issues = 0
    for item in items:
        yield item
        if isinstance(item, ReadIssue):
            issues += 1
            if issues >= limit:
                yield ReadIssue(
                    item.line,
                    "",
                    f"Reading stopped here, after {limit:,} defects. "
                    "Is the file really in the format that was chosen?",
                )
                return


def resolve_options(
    given: Mapping[str, str], declared: tuple[FormatOption, ...], format_name: str
) -> dict[str, str]:
    """Every declared option with the value given or its default; OptionError for any other."""
    known = {option.name: option for option in declared}
    for name, value in given.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise OptionError(
                f"The format {format_name!r} has no option {name!r} (it has {names})."
            )
        if value not in known[name].choices:
            choices = ", ".join(known[name].choices)
            raise OptionError(f"The option {name!r} is one of {choices}, not {value!r}.")
    return {name: given.get(name, option.default) for name, option in known.items()}


_REGISTRY: dict[str, Format] = {}


def register_format(new: Format) -> None:
    """Make the format known under its name; a name can be taken once."""
    if new.info.name in _REGISTRY:
        raise ValueError(f"A format named {new.info.name!r} is registered already.")
    _REGISTRY[new.info.name] = new


def get_format(name: str) -> Format:
    """The format of that name, or UnknownFormat with the names there are."""
    try:
        return _REGISTRY[name]
    except KeyError:
        names = ", ".join(_REGISTRY)
        raise UnknownFormat(f"No format is named {name!r}; there are {names}.") from None


def list_formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are offered."""
    return tuple(_REGISTRY.values())
