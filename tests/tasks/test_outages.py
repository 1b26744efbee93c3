"""A server that is away is logged when that begins, now and then, and when it ends; never at each try."""

import logging

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import AuthenticationError, RedisError

from storage.clock import VirtualClock
from storage.errors import DatabaseAway, DatabaseFull
from tasks.outages import Outages


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def outages(clock) -> Outages:
    """No outage yet."""
    return Outages(clock)


@pytest.fixture
def lines(caplog):
    """What was logged so far."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def test_it_is_logged_once(outages, clock, lines):
    """A thousand failed tries within seconds are one line, with what to check."""
    for _ in range(1000):
        outages.note(RedisError("gone"))
        clock.sleep(0.01)
    [line] = lines()
    assert line.startswith("Redis does not answer (RedisError). Check PAGETURNER_REDIS_URL, and that the server runs.")
    assert line.endswith("It is tried again until it answers.")


def test_it_is_logged_again_while_it_lasts(outages, clock, lines):
    """An outage of a minute is said again every half minute, with the number of tries."""
    for _ in range(62):
        outages.note(DatabaseAway("(refused)"))
        clock.sleep(1)
    assert lines() == [
        "The database does not answer. (refused) It is tried again until it answers.",
        "The database does not answer. (refused) Still so, after 31 tries.",
        "The database does not answer. (refused) Still so, after 61 tries.",
    ]


def test_its_end_is_logged(outages, clock, lines):
    """After ten quiet seconds the outage is over; a later failure is another one."""
    outages.note(DatabaseAway())
    clock.sleep(9)
    outages.look()
    assert len(lines()) == 1
    clock.sleep(1)
    outages.look()
    assert lines()[1:] == ["The database: no use of it fails any more."]
    outages.note(DatabaseAway())
    assert len(lines()) == 3


def test_a_full_database_is_quiet_for_longer(outages, clock, lines):
    """While nothing can be stored, locations wait for up to a minute: silence in between is no end."""
    outages.note(DatabaseFull())
    clock.sleep(60)
    outages.look()
    assert len(lines()) == 1
    clock.sleep(11)
    outages.look()
    assert len(lines()) == 2


def test_a_moment_is_no_outage_for_others(outages, clock):
    """A single failure, or some within two seconds, is not reported to commands and monitoring."""
    outages.note(RedisError("gone"))
    assert outages.words() == {}
    clock.sleep(3)
    outages.note(RedisError("gone"))
    assert list(outages.words()) == ["Redis"]


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (DatabaseAway("(refused)"), "The database", "The database does not answer. (refused)"),
        (AuthenticationError("WRONGPASS no"), "Redis", "Redis refuses (WRONGPASS no). Put the right user and password"),
        (OperationalError("refused"), "The broker", "The broker does not answer. Check PAGETURNER_BROKER_URL"),
        (ConnectionRefusedError(111, "refused"), "Redis", "Redis does not answer (ConnectionRefusedError)."),
        (TimeoutError(), "Redis", "Redis does not answer (TimeoutError)."),
        (OSError(28, "No space left on device", "/home/secret"), "Redis", "Redis does not answer (OSError)."),
    ],
    ids=lambda one: type(one).__name__,
)
def test_each_error_names_its_server(outages, clock, error, name, words):
    """An outage is of the server that failed; texts of the operating system, and its paths, are not repeated."""
    for _ in range(2):
        outages.note(error)
        clock.sleep(3)
    [(server, told)] = outages.words().items()
    assert server == name
    assert told.startswith(words)
    assert "/home" not in told


def test_a_broker_is_named_whatever_its_client_raises(outages, clock):
    """The client of a broker raises errors of the socket: they are noted as the broker's."""
    for _ in range(2):
        outages.note_broker(ConnectionResetError())
        clock.sleep(3)
    assert list(outages.words()) == ["The broker"]


def test_two_servers_are_two_outages(outages, lines):
    """The outage of one server hides no other."""
    outages.note(RedisError("gone"))
    outages.note(DatabaseAway())
    assert len(lines()) == 2
