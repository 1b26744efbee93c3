"""Limits: how long the database may take over anything, and what its server is told so that nobody waits for the dead.

Each use of a connection has a deadline of its own on this side: a server that falls silent, or a network that drops
what is sent, would else hold a thread for hours. The server has shorter ones, so that it is mostly the one to say so.
"""

import os
import socket
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa

from apple.deadline import Call

#: No statement takes this long but those of a publish, which say what theirs may take.
DEADLINE_SECONDS = 30.0

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
    """Let the transaction under way pause: whoever reads what it gives may be a person."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.set_config("idle_in_transaction_session_timeout", "0", sa.true())))


@dataclass(kw_only=True)
class Use(Call):
    """One use of a connection, until it is given back to its pool."""

    def _shut(self) -> None:
        try:
            number = os.dup(self.connection.fileno())
        except (psycopg.Error, ValueError):  # it is closed already
            return
        with socket.socket(fileno=number) as double:
            double.shutdown(socket.SHUT_RDWR)
