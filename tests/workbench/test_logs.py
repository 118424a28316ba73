"""Logging for people and for collectors."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from workbench.env import EnvError
from workbench.logs import JsonFormatter, MaskInvitations, build_logging


def build_record(**extra):
    record = logging.makeLogRecord(
        {"name": "labeling", "levelname": "INFO", "msg": "read %d lines", "args": (3,)}
    )
    record.created, record.msecs = 0.5, 500.0
    for name, value in extra.items():
        setattr(record, name, value)
    return record


def test_one_json_object_a_line():
    event = json.loads(JsonFormatter().format(build_record(batch=7)))
    assert event == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "info",
        "logger": "labeling",
        "message": "read 3 lines",
        "batch": 7,
    }


def test_hostile_text_stays_on_its_line():
    line = JsonFormatter().format(build_record(text='a\nb"}'))
    assert "\n" not in line
    assert json.loads(line)["text"] == 'a\nb"}'


def test_traceback_is_a_field():
    try:
        raise ValueError("broken")
    except ValueError:
        line = JsonFormatter().format(build_record(exc_info=sys.exc_info()))
    assert "ValueError: broken" in json.loads(line)["traceback"]


def test_unknown_level_is_refused():
    with pytest.raises(EnvError, match="'LOUD'"):
        build_logging(level="loud", as_json=False)


@pytest.mark.parametrize(("level", "celery"), [("DEBUG", "WARNING"), ("ERROR", "ERROR")])
def test_celery_is_never_louder_than_a_warning(level, celery):
    assert build_logging(level=level, as_json=False)["loggers"]["celery"]["level"] == celery


def test_the_secret_of_an_invitation_is_not_logged():
    record = logging.makeLogRecord(
        {"msg": "%s: %s", "args": ("Not Found", "/invitations/abc-DEF_1/accept/")}
    )
    assert MaskInvitations().filter(record)
    assert record.getMessage() == "Not Found: /invitations/…/accept/"


def test_other_messages_are_logged_as_they_are():
    record = build_record()
    MaskInvitations().filter(record)
    assert (record.msg, record.args) == ("read %d lines", (3,))


def test_every_line_goes_through_the_mask():
    assert build_logging(level="info", as_json=True)["handlers"]["stderr"]["filters"] == ["mask"]
