"""Logs: one line an event, for people or for programs, and each says what it is about."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from celery.signals import setup_logging

from apple.texts import clean
from orchestration.telling import now_about
from settings import Settings, read_settings

#: What Celery says of every message is our own lines' business: what was done to which page, and what came of it.
_QUIET = (
    "alembic.runtime.plugins",
    "celery.app.trace",
    "celery.worker.strategy",
    "celery.beat",
    "httptools",
    "uvicorn.access",
)


class _Text(logging.Formatter):
    """For people: what it is about stands in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={value}" for name, value in now_about().items())
        moment = datetime.fromtimestamp(record.created, UTC)
        head = f"{moment:%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}"
        line = clean(f"{head} [{about}] {record.getMessage()}" if about else f"{head} {record.getMessage()}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    """For programs: an object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **now_about(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)  # with escapes for all that is not ASCII: a terminal may be what reads it


def configure(settings: Settings, level: int | str = logging.INFO) -> None:
    """Write logs to standard error, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        quiet = logging.getLogger(name)
        quiet.setLevel(max(logging.WARNING, root.level) if root.level > logging.DEBUG else logging.DEBUG)
    # What a stranger sends that is no HTTP is a warning for each.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


@setup_logging.connect
def _configure(loglevel: Any = logging.INFO, **_: Any) -> None:
    configure(read_settings(), loglevel or logging.INFO)
