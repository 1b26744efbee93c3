"""A chore is claimed by one of all the beats that send it."""

import threading
from datetime import timedelta

import sqlalchemy as sa

from storage.chores import Chores
from storage.schema import chores

MINUTE = timedelta(minutes=1)


def test_one_of_many_gets_it(database):
    """Of eight beats that claim at once, one does the chore."""
    kept, barrier, claims = Chores(database), threading.Barrier(8), []

    def claim() -> None:
        barrier.wait()
        claims.append(kept.claim("tick", MINUTE))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]


def test_each_chore_has_its_claim(database):
    """A claim of one chore is none of another."""
    kept = Chores(database)
    assert kept.last() == {}
    assert kept.claim("tick", MINUTE)
    assert kept.claim("tend", MINUTE)
    assert set(kept.last()) == {"tick", "tend"}


def test_an_old_claim_is_over(database):
    """When its interval has passed, a chore can be claimed again; a long one keeps its claim meanwhile."""
    kept = Chores(database)
    kept.claim("sweep", MINUTE)
    age(database, 2 * MINUTE)
    kept.keep("sweep")
    assert not kept.claim("sweep", MINUTE)
    age(database, 2 * MINUTE)
    assert kept.claim("sweep", MINUTE)


def test_a_claim_of_a_wrong_clock_is_ignored(database):
    """A claim from a far future holds nobody up; one that is a little ahead is taken for what it is."""
    kept = Chores(database)
    kept.claim("tick", MINUTE)
    age(database, timedelta(seconds=-30))
    assert not kept.claim("tick", MINUTE)
    age(database, timedelta(days=-1))
    assert kept.claim("tick", MINUTE)


def age(database, by: timedelta) -> None:
    """Have every chore been claimed this long ago."""
    with database.write() as connection:
        connection.execute(sa.update(chores).values(at=database.now() - by))
