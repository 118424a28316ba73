"""Logging: one line per event on standard error, for people or as JSON for a collector. PURE."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any

from workbench.env import EnvError

LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})
# What every record has; the rest was given by `extra=` and belongs to the event.
STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}


# Django names the path of a request that it refuses, and an invitation's path holds its secret.
INVITATION = re.compile(r"(/invitations/)[^/\s'\"]+")


class MaskInvitations(logging.Filter):
    """Takes the secrets of invitations out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        masked = INVITATION.sub(r"\1…", message)
        if masked != message:
            record.msg, record.args = masked, None
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what `extra` added, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        now = time.gmtime(record.created)
        event: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', now)}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in STANDARD_ATTRIBUTES and not name.startswith("_"):
                event[name] = value
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)


def build_logging(*, level: str, as_json: bool) -> dict[str, Any]:
    """The dictConfig for a level name, in JSON or in plain lines."""
    level = level.upper()
    if level not in LEVELS:
        raise EnvError(f"WORKBENCH_LOG_LEVEL is {level!r}; use DEBUG, INFO, WARNING or ERROR.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {
                "format": "{asctime} {levelname:<7} {name}: {message}",
                "datefmt": "%H:%M:%S",
                "style": "{",
            },
            "json": {"()": "workbench.logs.JsonFormatter"},
        },
        "filters": {"mask": {"()": "workbench.logs.MaskInvitations"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["mask"],
                "formatter": "json" if as_json else "plain",
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Celery and kombu describe their start at INFO, Axes each sign-in.
            "celery": {"level": max(level, "WARNING", key=logging.getLevelName)},
            "kombu": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "django.server": {"level": "WARNING"},
        },
    }
