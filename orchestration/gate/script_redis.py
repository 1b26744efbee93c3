"""A client of Redis for scripts that are run hundreds of times a second.

A page of a crawl runs four scripts. What redis-py does around each of them, a connection from the pool and back, and
telemetry, takes longer than the script. So each thread keeps a connection for scripts.
"""

import os
import threading
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError


class _Line:
    """The connection of one thread, which ends with the thread."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __del__(self) -> None:
        """Close it."""
        with suppress(Exception):  # the interpreter may be ending
            self.connection.disconnect()


class ScriptRedis(Redis):
    """A client of Redis whose threads run scripts each over a connection of their own, and all else over the pool."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lines = threading.local()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command. A script is sent once: whether one ran whose answer is lost, nobody can tell."""
        if args[0] != "EVALSHA":
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        line = self._line()
        try:
            line.send_command(*args)
            return line.read_response()
        except ResponseError:
            raise
        except BaseException:  # what comes yet would be taken for the answer to the next script
            line.disconnect()
            raise

    def _line(self) -> Any:
        """Return this thread's connection, which is opened again if the server has closed it meanwhile."""
        line: _Line | None = getattr(self._lines, "line", None)
        if line is None or line.connection.pid != os.getpid():  # a connection of the process that forked this one
            pool = self.connection_pool
            line = self._lines.line = _Line(pool.connection_class(**pool.connection_kwargs))
        connection = line.connection
        if connection.is_connected:
            try:
                is_open = not connection.can_read()
            except RedisError:
                is_open = False
            if not is_open:
                connection.disconnect()
        return connection
