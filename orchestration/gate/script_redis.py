"""A client of Redis for scripts that are run hundreds of times a second.

A page of a crawl runs four scripts. What redis-py does around each of them, a connection from the pool and back, a look
whether it is still open, and telemetry, takes longer than the script. So each thread keeps a connection for scripts.
"""

import os
import threading
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import TimeoutError as RedisSilent


class _Line:
    """The connection of one thread, which ends with the thread."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __del__(self) -> None:
        """Close it."""
        self.connection.disconnect()


class ScriptRedis(Redis):
    """A client of Redis whose threads run scripts each over a connection of their own, and all else over the pool."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lines = threading.local()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command; a script whose connection broke is tried again over the pool, as any command is."""
        if args[0] != "EVALSHA":
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        line = self._line()
        try:
            line.send_command(*args)
            return line.read_response()
        except (RedisGone, RedisSilent):  # the connection is closed: the next script opens it
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def _line(self) -> Any:
        line: _Line | None = getattr(self._lines, "line", None)
        if line is None or line.connection.pid != os.getpid():  # a connection of the process that forked this one
            line = self._lines.line = _Line(self.connection_pool.make_connection())
        return line.connection
