"""Gates that Apple wants shut, in the database: they outlive every Redis."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from storage.closings import Closings, Shut
from storage.schema import closings


@pytest.fixture
def kept(database) -> Closings:
    """The closings of a database: none."""
    return Closings(database)


def test_what_was_said_is_kept(kept, database):
    """A closing has its end, how often in a row the gate was closed, what Apple said, and the error's name."""
    kept.keep(["1", "2"], Shut(seconds=60.0, step=3, why="too many calls", error="SlowDown"))
    standing = kept.standing()
    assert set(standing) == {"1", "2"}
    assert (standing["1"].step, standing["1"].why, standing["1"].error) == (3, "too many calls", "SlowDown")
    left = standing["1"].until - database.now()
    assert timedelta(seconds=55) < left <= timedelta(seconds=60)


def test_the_longer_wait_counts(kept):
    """A shorter wait takes nothing from a longer one; a longer one takes its place."""
    kept.keep(["1"], Shut(seconds=600.0, step=5, why="long"))
    kept.keep(["1"], Shut(seconds=60.0, step=6, why="short"))
    assert kept.standing()["1"].why == "long"
    kept.keep(["1"], Shut(seconds=900.0, step=7, why="longer"))
    assert kept.standing()["1"].why == "longer"


def test_what_is_over_is_swept(kept, database):
    """A closing whose time has passed stands no more, and is deleted by the next sweep."""
    kept.keep(["1"], Shut(seconds=-1.0, step=1, why="over"))
    kept.keep(["2"], Shut(seconds=60.0, step=1, why="not over"))
    assert set(kept.standing()) == {"2"}
    kept.sweep()
    with database.read() as connection:
        assert list(connection.scalars(sa.select(closings.c.gate))) == ["2"]
