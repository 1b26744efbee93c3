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

#: No statement takes this long but those of a publish, which say what theirs may take.
DEADLINE_SECONDS = 30.0

#: Nor does the beginning of a connection, with all that is asked on it before anybody uses it.
OPENING_SECONDS = 10.0

#: What the driver tells the operating system of its connections, where the URL says nothing else.
CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "client_encoding": "utf8",
}

#: What each session tells the server. One whose client has vanished lets go of what it holds within half a minute.
_SESSION = {
    "lock_timeout": "20s",
    "statement_timeout": "25s",
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

_OPENING = "opening"


def limit_openings(engine: sa.Engine, clock: Deadlines) -> None:
    """Put new connections under a clock until they are used: their uses have deadlines of their own."""

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
    """Set what holds for all transactions of a new connection, in one statement."""
    driver.autocommit = True
    settings = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
    driver.execute(f"SELECT {settings}")
    driver.autocommit = False


def allow(connection: sa.Connection, seconds: float) -> None:
    """Let the transaction under way take its time: each statement so long, each lock half of it."""
    if connection.dialect.name == "postgresql":
        limits = {"statement_timeout": seconds, "lock_timeout": seconds / 2}
        settings = (sa.func.set_config(name, f"{limit:.0f}s", sa.true()) for name, limit in limits.items())
        connection.execute(sa.select(*settings))


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
