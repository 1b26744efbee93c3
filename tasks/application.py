"""The Celery application."""

import warnings
from functools import cached_property
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.result import AsyncResult

from settings import celery_url, read_settings

from . import broker as _broker  # noqa: F401 - it takes the place of kombu's
from .configuration import settings
from .results import Results
from .schedule import schedule

_environment = read_settings()

# Of workers that root runs: who could put a message into a queue could have it run what he likes, by pickle. Ours take
# JSON alone.
warnings.filterwarnings("ignore", category=SecurityWarning)


class _Unheard(AsyncResult):
    """A result that is never waited for: a chord would subscribe to a channel for each of its parts, and keep it."""

    def __init__(self, id: str, backend: Any = None, **_: Any) -> None:  # noqa: A002 - Celery's name
        """Keep the id, and nothing to wait with."""
        self.id = id
        self.backend = backend
        self.parent = None

    def then(self, *_: Any, **__: Any) -> Any:
        """Subscribe to nothing."""
        return self

    def __del__(self) -> None:
        """Give nothing back: nothing was subscribed to."""


class _Application(Celery):
    """Celery without results: what a task did is in the database."""

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802 - Celery's name
        """Return the class of results."""
        return self.subclass_with_self(_Unheard, name="AsyncResult")


app = _Application("pageturner", broker=_environment.broker, backend=celery_url(_environment.redis))
app.loader.override_backends = dict.fromkeys(("redis", "rediss"), f"{Results.__module__}:{Results.__name__}")
app.conf.update(settings, beat_schedule=schedule)
app.set_default()
