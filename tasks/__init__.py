"""Celery, and only Celery: `celery -A tasks worker` finds the application here."""

from . import crawling, pump, tending
from .application import app

__all__ = ["app", "crawling", "pump", "tending"]
