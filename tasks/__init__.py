"""Celery, and only Celery: `celery -A tasks worker` finds the application here.

It is imported when it is asked for: a command that only reads the database does without Celery.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["app", "registered_app"]


@cache
def registered_app() -> "Celery":
    """Return the application, with every task registered and every signal of Celery connected."""
    from .garbage import lasting

    with lasting():
        from . import chores, crawl, logs, pump, sentry  # noqa: F401 - importing them is what registers
        from .application import app

    return app


def __getattr__(name: str) -> Any:
    """Return the application under the name that Celery looks for."""
    if name != "app":
        raise AttributeError(name)
    return registered_app()
