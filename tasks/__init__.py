"""Celery, and only Celery: `celery -A tasks worker` finds the application here."""

from . import clock, crawling, logs, pump, reporting
from .application import app

__all__ = ["app", "clock", "crawling", "logs", "pump", "reporting"]
