"""Results: Celery's backend for them, which counts the parts of chords."""

from typing import Any

from celery.backends.redis import RedisBackend

from orchestration.gate.script_redis import ScriptRedis


class Results(RedisBackend):
    """A backend that runs its script for each part of a chord over a connection of the thread."""

    def _get_client(self) -> Any:
        return ScriptRedis
