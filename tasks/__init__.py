"""Celery, and only Celery: `celery -A tasks worker` finds the application here."""

from . import chores, crawl, logs, pump, sentry
from .application import app

__all__ = ["app", "chores", "crawl", "logs", "pump", "sentry"]
