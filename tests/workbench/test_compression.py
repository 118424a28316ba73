"""Pages and JSON are compressed for those who ask; downloads never are."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from workbench.compression import CompressPages

TEXT = b"a step of a solution, " * 50


def answer(response, **headers):
    request = RequestFactory().get("/", headers=headers or {"accept-encoding": "gzip"})
    return CompressPages(lambda _request: response)(request)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_and_an_answer_are_compressed(kind):
    given = answer(HttpResponse(TEXT, content_type=kind))
    assert given["Content-Encoding"] == "gzip"
    assert gzip.decompress(given.content) == TEXT
    assert len(given.content) < len(TEXT) / 2


@pytest.mark.parametrize("kind", ["text/csv", "application/gzip", "application/x-ndjson"])
def test_a_download_is_not(kind):
    given = answer(HttpResponse(TEXT, content_type=kind))
    assert not given.has_header("Content-Encoding")


def test_a_stream_is_not():
    given = answer(StreamingHttpResponse(iter([TEXT]), content_type="text/html"))
    assert not given.has_header("Content-Encoding")


def test_nobody_gets_what_they_did_not_ask_for():
    given = answer(HttpResponse(TEXT), **{"accept-encoding": "identity"})
    assert given.content == TEXT
