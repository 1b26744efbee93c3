"""What is taken out of what is reported, and what log lines say."""

import json
import logging

import pytest
from celery.exceptions import ChordError
from redis.exceptions import RedisError

from orchestration.log_context import about
from settings import Settings
from tasks import logs
from tasks.scrubber import Scrubber

TOKEN = "eyJleHBEYXRlIjoiMjAzMC0xMS0wOFQyMjozMzoyMiswMDAwIiwidG9rZW4iOiJhYmMifQ=="


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"Bearer {TOKEN}", "Bearer …"),
        ("postgresql://me:pass@host/db", "postgresql://me:…@host/db"),
        ("redis://:pass@host:6379/0", "redis://:…@host:6379/0"),
        ("the short one is s3cret!", "the short one is …!"),
        ("nothing to hide: crawl 12 of 2049025000431439", "nothing to hide: crawl 12 of 2049025000431439"),
    ],
)
def test_secrets_are_taken_out(text, scrubbed):
    """Wherever it stands, what could be a secret is taken out, and nothing else."""
    scrub = Scrubber(["s3cret"])
    assert scrub({"a": [text, {"b": (text,)}], "n": 1}) == {"a": [scrubbed, {"b": [scrubbed]}], "n": 1}


def test_what_has_no_end_is_cut():
    """A value in itself does not keep the report for ever."""
    value: dict[str, object] = {}
    value["self"] = value
    assert "…" in str(Scrubber([])(value))


@pytest.fixture
def written(capsys):
    """What is written to standard error; the logs are put back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:], root.level = before


def test_lines_for_programs_say_what_they_are_about(written):
    """A line is an object, with location, stream, crawl and page."""
    logs.configure(Settings(log_format="json"))
    with about(location="7", crawl=12, page=3), about(stream="users"):
        logging.getLogger("here").warning("It is %s.", "so")
    line = json.loads(written())
    assert {name: line[name] for name in ("location", "crawl", "page", "stream")} == {
        "location": "7",
        "crawl": 12,
        "page": 3,
        "stream": "users",
    }
    assert (line["message"], line["level"]) == ("It is so.", "warning")


def test_lines_for_people_say_it_too(written):
    """The same in brackets; outside of the block it is gone."""
    logs.configure(Settings())
    with about(location="7"):
        logging.getLogger("here").info("One.")
    logging.getLogger("here").info("Two.")
    one, two = written().splitlines()
    assert one.endswith("here [location=7] One.")
    assert two.endswith("here Two.")


@pytest.fixture
def configured():
    """Logs as a worker has them, until the test ends."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure(Settings())
    yield
    root.handlers[:], root.level = before


@pytest.mark.parametrize(
    ("logger", "words", "is_kept"),
    [
        ("celery.worker.consumer.consumer", ("Cannot connect to %s: %s.", "redis://h", RedisError("gone")), False),
        ("celery.worker", ("Unrecoverable error: %r", ConnectionResetError("gone")), False),
        ("celery.worker.request", ("Couldn't ack %r, reason:%r", "1.2.3", RedisError("gone")), False),
        ("celery.backends.redis", ("Connection to Redis lost: Retry (%s/%s) %s.", 0, 20, "now"), False),
        ("celery.worker", ("Unrecoverable error: %r", ValueError("a bug")), True),
        ("py.warnings", ("%s", "RuntimeWarning: Exception raised outside body: network:ConnectionError:"), False),
        ("py.warnings", ("%s", "RuntimeWarning: Exception raised outside body: ValueError('a bug'):"), True),
    ],
)
@pytest.mark.usefixtures("configured")
def test_what_celery_says_of_outages(logger, words, is_kept):
    """What is an outage is told by us, once; what is a bug is Celery's to tell."""
    record = logging.LogRecord(logger, logging.ERROR, "", 0, words[0], words[1:], None)
    assert bool(logging.getLogger(logger).filter(record)) is is_kept


@pytest.mark.usefixtures("configured")
def test_what_came_of_an_outage():
    """An error that came of an outage is one too, however deep that lies."""
    try:
        raise ChordError("Dependency 31.1.26 raised") from RedisError("gone")  # noqa: TRY301 - as Celery does
    except ChordError as error:
        record = logging.LogRecord("celery.backends.redis", logging.ERROR, "", 0, "Chord", (), (None, error, None))
    assert not logging.getLogger(record.name).filter(record)
