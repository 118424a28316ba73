"""One file for all modules that a page's script imports: 25 small requests become one.

Nothing but Python is needed, since the modules keep to a part of the language that can be put
together line by line: imports and exports begin a line, names are exported where they are
declared, and no two modules import each other. What does not keep to it is refused here and not
found out by a reader. Each module becomes a function of its own, so that their names stay apart.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

IMPORT = re.compile(
    r"^import\s+(?:(?P<what>[^\"';]+?)\s+from\s+)?[\"'](?P<path>[^\"']+)[\"'];?[ \t]*$",
    re.MULTILINE,
)
LAZY_IMPORT = re.compile(r"\bimport\(\s*[\"'](?P<path>[^\"']+)[\"']\s*\)")
EXPORT = re.compile(
    r"^export\s+(?=(?:async\s+function\*?|function\*?|class|const)\s+(?P<name>[\w$]+))",
    re.MULTILINE,
)
UNKNOWN = re.compile(r"^(?:import|export)\b(?!\().*|\bimport\.meta\b.*|^await\b.*", re.MULTILINE)
NAMED = re.compile(r"\{(?P<names>[^}]*)\}")
NAMESPACE = re.compile(r"\*\s*as\s+(?P<name>[\w$]+)")


class NotBundled(Exception):
    """A module is written in a way that cannot be put together; the message says where."""


def bundle(name: str, sources: Mapping[str, str]) -> str:
    """The module of that name with what it imports inside it, as a module.

    `sources` holds the modules by their paths. What is imported from outside of it stays an
    import, and so does what any of them imports lazily: there must be one instance of it.
    """
    return _Bundle(sources, frozenset(find_lazy(sources)) - {name}).build(name)


def find_lazy(sources: Mapping[str, str]) -> set[str]:
    """The modules that are imported while the page runs."""
    return {
        _resolve(name, found["path"])
        for name, source in sources.items()
        for found in LAZY_IMPORT.finditer(source)
    }


@dataclass(slots=True)
class _Bundle:
    sources: Mapping[str, str]
    apart: frozenset[str]
    # What is written, by path: the outside imports and the modules, each after what it needs.
    outside: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    under_way: list[str] = field(default_factory=list)

    def build(self, name: str) -> str:
        self._add(name, folder=posixpath.dirname(name))
        parts = [*self.outside.values(), *self.modules.values()]
        exported = _find_exports(self.sources[name])
        if exported:
            parts.append(f"export const {{ {', '.join(exported)} }} = {_variable(name)};")
        return "\n".join(parts) + "\n"

    def _add(self, name: str, *, folder: str) -> None:
        if name in self.modules:
            return
        if name in self.under_way:
            raise NotBundled(f"Modules import each other: {' → '.join([*self.under_way, name])}.")
        if posixpath.dirname(name) != folder:
            raise NotBundled(f"{name} is not in the folder {folder}.")
        self.under_way.append(name)
        source = self.sources[name]
        for found in IMPORT.finditer(source):
            path = _resolve(name, found["path"])
            if path in self.sources and path not in self.apart:
                self._add(path, folder=folder)
            elif path not in self.outside:
                variable = f"outside_{len(self.outside)}"
                self.outside[path] = f'import * as {variable} from "{found["path"]}";'
        body = EXPORT.sub("", IMPORT.sub(lambda found: self._declare(name, found), source))
        unknown = UNKNOWN.search(body)
        if unknown:
            raise NotBundled(f"{name} has a line that cannot be bundled: {unknown[0]}")
        self.modules[name] = (
            f"const {_variable(name)} = (() => {{\n{body.rstrip()}\n"
            f"return {{ {', '.join(_find_exports(source))} }};\n}})();"
        )
        self.under_way.pop()

    def _declare(self, name: str, found: re.Match[str]) -> str:
        """The import as constants of the module that imports."""
        path, what = _resolve(name, found["path"]), found["what"]
        inside = path in self.sources and path not in self.apart
        whole = _variable(path) if inside else self.outside[path].split()[3]
        return " ".join(_write_constants(what or "", whole))


def _write_constants(what: str, whole: str) -> Iterator[str]:
    named = NAMED.search(what)
    space = NAMESPACE.search(what)
    rest = NAMESPACE.sub("", NAMED.sub("", what)).strip(", \n")
    if rest:
        yield f"const {rest} = {whole}.default;"
    if space:
        yield f"const {space['name']} = {whole};"
    if named:
        names = [each.strip() for each in named["names"].split(",") if each.strip()]
        yield f"const {{ {', '.join(re.sub(r' +as +', ': ', each) for each in names)} }} = {whole};"


def _find_exports(source: str) -> list[str]:
    return [found["name"] for found in EXPORT.finditer(source)]


def _resolve(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _variable(name: str) -> str:
    return "module_" + re.sub(r"\W", "_", posixpath.basename(name).removesuffix(".js"))
