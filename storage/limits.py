"""Limits: how long a use of the database may take, and the server's own time-outs, which end the uses of dead clients.

Each use of a connection has a deadline of its own on this side: a server that falls silent, or a network that drops
what is sent, would else hold a thread for hours. The server has shorter ones, so that it is mostly the one to say so.
"""

import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from apple.deadline import Deadlines, TimedCall

from .prepared import Prepared

#: No statement takes this long, except those of a publish, which set their own limits.
DEADLINE_SECONDS = 30.0

#: The limit for opening a connection, with the statements that prepare it.
OPENING_SECONDS = 10.0

#: The driver's options for connections, unless the URL sets others.
CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "client_encoding": "utf8",
}

#: The settings of each session. One whose client has vanished releases its locks within half a minute.
_SESSION = {
    "lock_timeout": "20s",
    "statement_timeout": "25s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "jit": "off",  # a statement that PostgreSQL expects to be long is over before it is compiled
}

_OPENING = "opening"

_ALLOW = Prepared(
    sa.select(
        sa.func.set_config("statement_timeout", sa.bindparam("statement", type_=sa.Text), sa.true()),
        sa.func.set_config("lock_timeout", sa.bindparam("lock", type_=sa.Text), sa.true()),
    )
)


def limit_openings(engine: sa.Engine, clock: Deadlines) -> None:
    """Give new connections a deadline until they are used: their uses have deadlines of their own."""

    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        driver = dialect.connect(*arguments, **options)
        record.info[_OPENING] = Use(ends=time.monotonic() + OPENING_SECONDS, connection=driver)
        clock.begin(record.info[_OPENING])
        return driver

    def is_open(_: Any, record: Any, __: Any) -> None:
        if opening := record.info.pop(_OPENING, None):
            opening.end()

    sa.event.listen(engine, "do_connect", connect)
    sa.event.listen(engine, "checkout", is_open)


def prepare_session(driver: Any, _: Any) -> None:
    """Set the session's settings on a new connection, in one statement."""
    driver.autocommit = True  # the driver must not begin transactions by itself: `read` and `write` do
    settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
    driver.execute(f"SELECT {settings}")


def allow(connection: sa.Connection, seconds: float) -> None:
    """Set the limits of the transaction under way: this long for each statement, half of it for each lock."""
    if connection.dialect.name == "postgresql":
        _ALLOW.run(connection, {"statement": f"{seconds:.0f}s", "lock": f"{seconds / 2:.0f}s"})


def limit_memory(connection: sa.Connection, size: str) -> None:
    """Set how much memory a sort or a join of the transaction under way may take before it is done in parts."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.set_config("work_mem", size, sa.true())))


def allow_pauses(connection: sa.Connection) -> None:
    """Lift the limit on idle time for this transaction: its reader may be a person with a pager."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.set_config("idle_in_transaction_session_timeout", "0", sa.true())))


@dataclass(kw_only=True)
class Use(TimedCall):
    """One use of a connection, until it is given back to its pool."""

    def _shut(self) -> None:
        try:
            number = os.dup(self.connection.fileno())
        except (psycopg.Error, ValueError):  # it is closed already
            return
        with socket.socket(fileno=number) as double:
            double.shutdown(socket.SHUT_RDWR)
