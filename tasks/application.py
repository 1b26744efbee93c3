"""The Celery application."""

from celery import Celery

from settings import celery_url, read_settings

from .beat import schedule
from .configuration import settings

_environment = read_settings()

app = Celery("pageturner", broker=_environment.broker, backend=celery_url(_environment.redis))
app.conf.update(settings, beat_schedule=schedule)
app.set_default()
