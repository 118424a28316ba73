"""Files that pages hand out: tables as CSV, and large files in pieces."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header

# A spreadsheet reads a cell that begins so as a formula, and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
CHUNK_BYTES = 64 * 1024
CONTENT_TYPES = {
    ".jsonl": "application/x-ndjson; charset=utf-8",
    ".json": "application/json; charset=utf-8",
}


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def clean_cell(value: object) -> object:
    """The value as it can stand in a table that a spreadsheet opens: texts are never formulas."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return "" if value is None else value


def stream_csv(
    filename: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """The rows as a CSV file, row by row, in UTF-8 with the mark that spreadsheets look for."""

    def lines() -> Iterator[str]:
        writer: Any = csv.writer(_Echo())
        yield "\ufeff" + writer.writerow(columns)
        for row in rows:
            yield writer.writerow([clean_cell(value) for value in row])

    response = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = describe_attachment(filename)
    return response


class ChunkedFileResponse(FileResponse):
    """A file in pieces of 64 kB, so that its size does not matter to memory."""

    block_size = CHUNK_BYTES


def stream_file(path: Path, *, filename: str, sha256: str) -> FileResponse:
    """The file as a download; its hash is its ETag, since it never changes."""
    response = ChunkedFileResponse(
        path.open("rb"),
        content_type=CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
    )
    response["ETag"] = f'"{sha256}"'
    response["Content-Disposition"] = describe_attachment(filename)
    return response


def describe_attachment(filename: str) -> str:
    """The header that makes a browser keep the answer as a file of that name."""
    return content_disposition_header(True, filename) or "attachment"


def not_modified(etag: str, asked: str) -> HttpResponse | None:
    """304 where the caller has the file already."""
    if etag and f'"{etag}"' in asked:
        return HttpResponse(status=304, headers={"ETag": f'"{etag}"'})
    return None
