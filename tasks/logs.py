"""Logs: one line an event, for people or for programs, and each says what it is about."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from socket import gaierror
from typing import Any

from celery.signals import setup_logging

from advice import advise
from apple.texts import clean
from orchestration.log_context import now_about
from settings import Settings, read_settings

from .outages import AWAY, outages

#: Loggers of Celery that write a line for every message: our own lines say what was done with each page.
_QUIET = (
    "alembic.runtime.plugins",
    "celery.app.trace",
    "celery.worker.strategy",
    "celery.beat",
    "httptools",
    "uvicorn.access",
)


#: Loggers that write at each try that a server is away, with a traceback: an outage is logged once, in our words.
_OF_SERVERS = (
    "celery.app.amqp",
    "celery.app.trace",
    "celery.backends.redis",
    "celery.beat",
    "celery.bootsteps",
    "celery.worker",
    "celery.worker.consumer.consumer",
    "celery.worker.control",
    "celery.worker.pidbox",
    "celery.worker.request",
    "kombu.asynchronous.hub",
    "py.warnings",
)

#: Messages that repeat an outage that is logged already: how a warning spells an error of Redis that a task
#: met outside its own code, each try of the results' Redis, and a choice that Celery warns of at each lost connection.
_NO_NEWS = re.compile(
    r"Exception raised outside body: \w+:\w+Error\b|Connection to Redis lost: Retry|CPendingDeprecationWarning"
)


class _LoggedOnce(logging.Filter):
    """Filters out lines about an outage, and notes the outage."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = next(filter(_is_away, _errors(record)), None)
        if error is not None:
            outages.note_broker(error)
        return error is None and not _NO_NEWS.search(record.getMessage())


def _is_away(error: BaseException) -> bool:
    return isinstance(error, (*AWAY, ConnectionError, TimeoutError, gaierror))


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    """Return the errors that a record is about, and their causes."""
    found = [one for one in record.args if isinstance(one, BaseException)] if isinstance(record.args, tuple) else []
    found += [record.exc_info[1]] if record.exc_info and record.exc_info[1] else []
    for error in found:
        cause: BaseException | None = error
        while cause is not None:
            yield cause
            cause = cause.__cause__


def _message(record: logging.LogRecord) -> str:
    """Return the message of a record, with the advice on the error or state that it names."""
    return advise(record.getMessage(), getattr(record, "advise_on", None), getattr(record, "place", ""))


class _Text(logging.Formatter):
    """For people: what it is about stands in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name}={value}" for name, value in now_about().items())
        moment = datetime.fromtimestamp(record.created, UTC)
        head = f"{moment:%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d} {record.levelname:<7} {record.name}"
        line = clean(f"{head} [{about}] {_message(record)}" if about else f"{head} {_message(record)}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    """For programs: an object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
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
    for name in _OF_SERVERS:
        of_server = logging.getLogger(name)
        of_server.filters[:] = [_LoggedOnce()]
    # uvicorn warns of each request that is no HTTP: anyone could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


@setup_logging.connect
def _configure(loglevel: Any = logging.INFO, **_: Any) -> None:
    configure(read_settings(), loglevel or logging.INFO)
