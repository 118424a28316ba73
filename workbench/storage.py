"""Where static files are served from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

from workbench.bundles import bundle

# Our own modules; those of others are served as they came.
MODULES = "labeling/js/"


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # no annotations
    """Files named by their hash, so that browsers keep them for ever; each script is one file.

    Imports between ES modules are rewritten too: a page must not mix an old module, kept by
    the browser under its plain name, with a new one.
    """

    support_js_module_import_aggregation = True

    def post_process(
        self, paths: dict[str, tuple[Any, str]], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        """Put the modules together first, so that a bundle's name is made of all that is in it."""
        yield from super().post_process(
            paths if dry_run else self._bundle_modules(paths), dry_run, **options
        )

    def _bundle_modules(self, paths: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
        sources = {
            name: _read(storage, path)
            for name, (storage, path) in paths.items()
            if name.startswith(MODULES) and name.endswith(".js")
        }
        for name in sources:
            Path(self.path(name)).write_text(bundle(name, sources), encoding="utf-8")
        return paths | {name: (self, name) for name in sources}


def _read(storage: Any, path: str) -> str:
    with storage.open(path) as file:
        content: bytes = file.read()
    return content.decode("utf-8")
