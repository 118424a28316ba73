"""Where static files are served from."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # no annotations
    """Files named by their hash, so that browsers keep them for ever.

    Imports between ES modules are rewritten too: a page must not mix an old module, kept by
    the browser under its plain name, with a new one.
    """

    support_js_module_import_aggregation = True
