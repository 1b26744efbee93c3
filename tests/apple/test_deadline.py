"""A call that is not over at its deadline is cut off, wherever it hangs."""

import socket
import threading
import time

import pytest

from apple.deadline import Deadlines, TimedCall


class Connection:
    """A connection with a socket, as an HTTP client has one."""

    def __init__(self) -> None:
        self.sock, self.other = socket.socketpair()

    def close(self) -> None:
        """Close both ends."""
        self.sock.close()
        self.other.close()


@pytest.fixture
def connection():
    """A connection."""
    made = Connection()
    yield made
    made.close()


@pytest.fixture
def deadlines() -> Deadlines:
    """The deadlines of a process."""
    return Deadlines()


def call_for(seconds: float, connection: Connection | None = None) -> TimedCall:
    """Make a call that may take this long."""
    made = TimedCall(ends=time.monotonic() + seconds)
    made.connection = connection
    return made


def test_a_hanging_read_is_cut_off(deadlines, connection):
    """A read that gets nothing ends at the deadline, and the call knows why."""
    call = call_for(0.05, connection)
    with deadlines.over(call):
        assert connection.sock.recv(1) == b""
    assert call.is_overdue()


def test_a_call_in_time_is_left_alone(deadlines, connection):
    """After its end a call's socket is nobody's business: it may serve the next one."""
    call = call_for(0.05, connection)
    with deadlines.over(call):
        connection.other.sendall(b"x")
        assert connection.sock.recv(1) == b"x"
    call.cut()
    connection.other.sendall(b"y")
    assert connection.sock.recv(1) == b"y"


def test_the_nearest_deadline_is_first(deadlines, connection):
    """A call that begins later, and must end sooner, is cut off first."""
    other = Connection()
    late, soon = call_for(60, connection), call_for(0.05, other)
    with deadlines.over(late), deadlines.over(soon):
        assert other.sock.recv(1) == b""
        assert not late.is_overdue()
    other.close()


def test_a_call_without_a_socket_ends_by_itself(deadlines):
    """A deadline that comes before there is a socket shuts none down: who connects looks himself."""
    call = call_for(0.0)
    with deadlines.over(call):
        assert call.is_overdue()
        assert call.left() <= 0


def test_many_calls_at_once(deadlines):
    """Fifty calls that hang are all cut off, by one thread."""
    connections = [Connection() for _ in range(50)]
    read: list[bytes] = []

    def hang(connection: Connection) -> None:
        with deadlines.over(call_for(0.05, connection)):
            read.append(connection.sock.recv(1))

    threads = [threading.Thread(target=hang, args=(one,)) for one in connections]
    before = threading.active_count()
    for thread in threads:
        thread.start()
    assert threading.active_count() <= before + 51
    for thread in threads:
        thread.join(30)
    assert read == [b""] * 50
    for one in connections:
        one.close()


def test_the_longest_call(deadlines):
    """How long the oldest call has been under way is known; none is zero."""
    assert deadlines.longest() == 0
    with deadlines.over(call_for(60)):
        assert deadlines.longest() >= 0
    assert deadlines.longest() == 0
