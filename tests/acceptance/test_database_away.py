"""The database answers and keeps nothing: Apple is not asked in vain, and whoever waits is told."""

import time

import psycopg

from tests.support.crew import running_crew
from tests.support.station import await_under_way

from .test_crawl import assert_in_step


def test_a_database_that_keeps_nothing(tmp_path):
    """Where nothing can be stored, Apple is asked a few times, and `sync` ends with 4 and the reason."""
    with running_crew(tmp_path, processes=1) as crew:
        place = crew.add()
        running = crew.start("sync", place.name)
        await_under_way(place, running)
        set_read_only(crew, "on")
        asked, begun = place.traffic()["requests"], time.monotonic()
        time.sleep(20)  # what is counted is what is asked in vain in that time
        in_vain = place.traffic()["requests"] - asked
        out, err = running.communicate(timeout=90)
        assert running.returncode == 4, out + err
        assert "cannot store anything" in err
        assert "read-only" in err
        assert in_vain <= 60
        lines = [line for line in crew.log().splitlines() if "WARNING" in line or "ERROR" in line]
        assert len(lines) <= 5 + (time.monotonic() - begun) / 5
        set_read_only(crew, "off")
        place.sync()
        assert_in_step(place)


def set_read_only(crew, what):
    """Have a database be read alone, as after a failover."""
    with psycopg.connect(crew.env["PAGETURNER_DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {what}")
        connection.execute("SELECT pg_reload_conf()")
