"""Celery, and only Celery: `celery -A tasks worker` finds the application here."""

from . import clock, crawling, pump
from .application import app

__all__ = ["app", "clock", "crawling", "pump"]
