"""The doctor looks at each part of an installation, and says what to do about what is wrong."""

from datetime import timedelta

import pytest

from apple.client import ClientConfig
from entrypoints import diagnosis
from settings import read_settings
from storage.database import REVISIONS
from storage.sealer import make_key
from storage.states import LocationState
from tasks.services import build
from tests.support.servers import open_gates


@pytest.fixture
def examine(terminal):
    """Return a function that examines one part of the home, and returns what was found."""
    assert terminal.home.exists()
    built = []

    def part(name: str) -> list[tuple[str, str]]:
        services = build(read_settings())
        built.append(services)
        return list(getattr(diagnosis._Diagnosis(services), f"_{name}")())

    yield part
    for one in built:
        one.store.database.close()


def test_a_database_that_is_in_order(examine):
    """The database says what it is, and which schema it has."""
    assert examine("database") == [("ok", f"SQLite answers, its schema is {REVISIONS[-1]}")]


def test_sqlite_for_one_host(terminal, examine):
    """A database in a file is a warning where workers may run on several hosts."""
    terminal.monkeypatch.setenv("PAGETURNER_REDIS_URL", "redis://127.0.0.1:9")
    terminal.monkeypatch.setenv("PAGETURNER_DATABASE_URL", f"sqlite:///{terminal.home / 'pageturner.db'}")
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", make_key())
    assert "workers on several hosts need PostgreSQL" in examine("database")[1][1]


def test_keys_that_open_everything(examine):
    """All tokens can be opened: the keys are the right ones."""
    assert examine("keys") == [("ok", "the token can be opened")]


def test_a_key_that_is_lost(terminal, examine):
    """Tokens that no key opens are named by their location, with what to do."""
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", make_key())
    [(mark, words)] = examine("keys")
    assert mark == "fail"
    assert "the tokens of hq" in words


def test_a_token_that_was_revoked(terminal, examine):
    """A token that is no good is a failure, with the command that ends it."""
    terminal.store.locations.mark(1, LocationState.REVOKED, "The token was revoked.", "TokenRevoked")
    [(mark, words)] = examine("tokens")
    assert mark == "fail"
    assert words.endswith("Then: `pageturner locations rotate hq FILE`.")


@pytest.mark.parametrize(("limit", "mark"), [("_LITTLE_FREE", "warn"), ("_LEAST_FREE", "fail")])
def test_a_disk_that_is_full(examine, monkeypatch, limit, mark):
    """Little free space is a warning; less than anything needs is a failure."""
    monkeypatch.setattr(diagnosis, limit, 10**18)
    assert examine("disk")[0][0] == mark


def test_a_disk_with_room(examine, monkeypatch):
    """A disk with room is said to have it."""
    monkeypatch.setattr(diagnosis, "_LITTLE_FREE", 0)
    monkeypatch.setattr(diagnosis, "_LEAST_FREE", 0)
    assert examine("disk")[0][0] == "ok"


def test_streams_that_are_late(terminal, examine):
    """What `status` and monitoring show of streams, the doctor says too."""
    terminal.publish("assets", {"adamId": "7", "pricingParam": "STDQ"}, version="v1")
    date(terminal, "streams", "seen_at", timedelta(days=2))
    assert ("fail", "hq assets: Last in step 2 d ago") in [
        (mark, words.split(",")[0]) for mark, words in examine("streams")
    ]


def test_streams_that_are_new(examine):
    """Streams that were not read yet are no trouble."""
    [(mark, words)] = examine("streams")
    assert (mark, "not read yet" in words) == ("ok", True)


@pytest.mark.parametrize(
    ("ago", "mark", "words"),
    [
        (None, "warn", "No scheduler runs. Start `pageturner beat`"),
        (timedelta(hours=1), "warn", "the scheduler last ran 60 min ago. Are `pageturner beat`"),
        (timedelta(), "ok", "the scheduler runs"),
    ],
)
def test_the_scheduler(terminal, examine, ago, mark, words):
    """Whether the scheduler runs is told by its last tick."""
    if ago is not None:
        terminal.store.chores.claim("tick", timedelta())
        date(terminal, "chores", "at", ago)
    [(found, told)] = examine("beat")
    assert (found, words in told) == (mark, True)


def test_notices_that_wait(terminal, examine):
    """Notices that nobody handles for longer than a minute are a warning."""
    terminal.receive("1", "a")
    date(terminal, "notices", "received_at", timedelta(minutes=5))
    assert any("1 notices have been waiting since" in words for _, words in examine("notices"))


def test_notices_that_go_elsewhere(terminal, examine):
    """A location whose notices go to an address that is not ours is named."""
    where, types = "https://other.example.com", ("ASSET_COUNT",)
    config = ClientConfig(
        uid="1", name="HQ", owner=None, token_expires=None, notification_url=where, notification_types=types
    )
    terminal.store.locations.note_config(1, config)
    words = "hq: their notices go to an address whose secret is not ours"
    assert [mark for mark, told in examine("notices") if told.startswith(words)] == ["warn"]


def test_a_secret_that_can_be_guessed(terminal, examine):
    """A short secret of the receiver is a warning."""
    terminal.monkeypatch.setenv("PAGETURNER_WEBHOOK_SECRET", "sixteen-letters-")
    assert any("PAGETURNER_WEBHOOK_SECRET is short" in words for _, words in examine("notices"))


@pytest.fixture
def own_redis(redis, redis_url, terminal):
    """The tests' own Redis, in the place of an embedded one; its settings are as before afterwards."""
    terminal.monkeypatch.setenv("PAGETURNER_REDIS_URL", redis_url)
    terminal.monkeypatch.setenv("PAGETURNER_DATABASE_URL", f"sqlite:///{terminal.home / 'pageturner.db'}")
    terminal.monkeypatch.setenv("PAGETURNER_SECRET_KEYS", (terminal.home / "key").read_text().strip())
    open_gates(redis)
    before = {name: redis.config_get(name)[name] for name in ("maxmemory-policy", "appendonly")}
    yield redis
    for name, value in before.items():
        redis.config_set(name, value)


def test_a_redis_that_can_be_relied_on(own_redis, examine):
    """A Redis that evicts nothing and keeps everything on disk is in order."""
    own_redis.config_set("appendonly", "yes")
    [(mark, words)] = examine("redis")
    assert (mark, words.endswith("answers")) == ("ok", True)


def test_a_redis_that_forgets(own_redis, examine):
    """A Redis that evicts keys is a failure, and one that keeps nothing on disk a warning, each with what to set."""
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    own_redis.config_set("appendonly", "no")
    found = dict(examine("redis")[1:])
    assert found["fail"] == "maxmemory-policy is allkeys-lru: what is evicted is lost. Set it to noeviction"
    assert found["warn"].endswith("Set appendonly yes")


@pytest.mark.usefixtures("own_redis")
def test_what_workers_say(examine):
    """What workers have reported to be away is a failure, in their words."""
    services = build(read_settings())
    services.board.write({"The database": "The database does not answer."})
    services.store.database.close()
    assert examine("outages") == [("fail", "The database, as workers say: The database does not answer.")]


def test_apple_answers(examine, simulate, terminal):
    """Apple is asked what it allows; that needs no token."""
    terminal.monkeypatch.setenv("PAGETURNER_APPLE_URL", simulate("--rate", "20").origin)
    assert examine("apple") == [("ok", "answers, and allows 20 requests a second to a location")]


def test_apple_is_away(terminal):
    """If Apple cannot be reached that is one finding, with what to check, and the rest is examined all the same."""
    terminal.monkeypatch.setenv("PAGETURNER_APPLE_URL", "http://127.0.0.1:9")
    services = build(read_settings())
    diagnosis_of = diagnosis._Diagnosis(services)
    [found] = diagnosis_of._ask("apple", diagnosis_of._apple)
    services.store.database.close()
    assert (found.mark, found.part) == ("fail", "apple")
    assert found.words.startswith("Apple could not be reached at http://127.0.0.1:9")


def test_settings_that_are_wrong(terminal):
    """With a wrong setting nothing else can be examined: the finding names it."""
    terminal.monkeypatch.setenv("PAGETURNER_DELTA_EVERY", "often")
    [found] = diagnosis.examine(is_offline=True)
    assert (found.mark, found.part, "PAGETURNER_DELTA_EVERY" in found.words) == ("fail", "settings", True)


def test_a_database_that_is_not_there(terminal, own_redis):
    """Without its database an installation has two findings: its settings can be read, and the database is away."""
    assert own_redis.ping()
    terminal.monkeypatch.setenv("PAGETURNER_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    marks = [(found.mark, found.part) for found in diagnosis.examine(is_offline=True)]
    assert marks == [("ok", "settings"), ("fail", "database")]


def date(terminal, table: str, column: str, ago: timedelta) -> None:
    """Let what has a moment in a column have it this long ago."""
    with terminal.store.database.write() as connection:
        moment = (terminal.store.database.now() - ago).replace(tzinfo=None)
        connection.exec_driver_sql(f"UPDATE {table} SET {column} = ? WHERE {column} IS NOT NULL", (str(moment),))
