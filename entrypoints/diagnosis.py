"""The diagnosis of an installation: one part after the other, each with what to do."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError

from advice import advised, explain
from orchestration.decisions.health import Alarm, of_scheduler, of_token
from settings import Settings, WrongSettings, read_settings
from storage.database import REVISIONS
from storage.errors import StorageError
from storage.locations import Location

from .embedded.processes import terminating
from .embedded.servers import servers
from .overview import look
from .statuses import KNOWN

if TYPE_CHECKING:
    from tasks.services import Services

#: Clocks further apart than this make ages and limits wrong.
_SKEW = timedelta(seconds=2)

_MARKS = {Alarm.OK: "ok", Alarm.WARNING: "warn", Alarm.CRITICAL: "fail"}

_PING_SECONDS = 2.0
_TOKENS_AT_ONCE = 16
_WAIT_SECONDS = 5.0
_LEAST_SECRET = 32

#: Less free space than the first is none; less than the second is a warning.
_LEAST_FREE = 50_000_000
_LITTLE_FREE = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one part: `ok`, `warn` or `fail`, and a sentence."""

    mark: str
    part: str
    words: str


def examine(*, is_offline: bool) -> Iterator[Finding]:
    """Examine an installation, and yield each finding at once."""
    try:
        settings = read_settings()
    except WrongSettings as error:
        yield Finding(mark="fail", part="settings", words=explain(error))
        return
    yield Finding(mark="ok", part="settings", words=f"home {settings.home}, Apple at {settings.apple_url}")
    with terminating(), servers(settings, "asking"):
        redis = _ping(settings)
        if redis is not None:
            yield redis
        services = None
        try:
            from tasks.services import services as find

            services = find()
        except KNOWN as error:
            yield Finding(mark="fail", part="database", words=explain(error))
        if services is not None:
            yield from _Diagnosis(services).all(has_redis=redis is None, is_offline=is_offline)


def _ping(settings: Settings) -> Finding | None:
    """Return a finding if Redis does not answer within a shorter time than workers wait; else None."""
    try:
        with Redis.from_url(
            settings.redis, socket_timeout=_PING_SECONDS, socket_connect_timeout=_PING_SECONDS, retry=None
        ) as redis:
            redis.ping()
    except RedisError as error:
        return Finding(mark="fail", part="redis", words=explain(error))
    return None


def examine_services(services: "Services") -> Iterator[Finding]:
    """Examine what a running process has, and yield each finding; nothing is asked of Apple."""
    yield from _Diagnosis(services).all(has_redis=_ping(services.settings) is None, is_offline=True)


class _Diagnosis:
    """Examines every part of an installation."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._now = services.store.database.now()

    def all(self, *, has_redis: bool, is_offline: bool) -> Iterator[Finding]:
        """Examine every part; an error of one is a finding too."""
        yield from self._ask("database", self._database)
        yield from self._ask("keys", self._keys)
        yield from self._ask("beat", self._beat)
        yield from self._ask("notices", self._notices)
        yield from self._ask("disk", self._disk)
        yield from self._ask("streams", self._streams)
        if has_redis:
            self._services.use_cases.closings.restore()
            yield from self._ask("redis", self._redis)
            yield from self._ask("outages", self._outages)
            yield from self._ask("workers", self._workers)
        if not has_redis or is_offline:
            yield from self._ask("tokens", self._tokens)
        if not is_offline:
            yield from self._ask("apple", self._apple)
        if has_redis and not is_offline:
            yield from self._all_tokens()

    def _all_tokens(self) -> Iterator[Finding]:
        """Check the tokens with Apple, many at a time: each location has a gate of its own."""
        locations = filter(self._opens, self._services.store.locations.watched())
        with ThreadPoolExecutor(_TOKENS_AT_ONCE) as pool:
            for found in pool.map(lambda one: list(self._ask("token", partial(self._token, one))), locations):
                yield from found

    def _ask(self, part: str, examine: Callable[[], Iterator[tuple[str, str]]]) -> Iterator[Finding]:
        try:
            for mark, words in examine():
                yield Finding(mark=mark, part=part, words=words)
        except KNOWN as error:
            yield Finding(mark="fail", part=part, words=explain(error))

    def _redis(self) -> Iterator[tuple[str, str]]:
        server = self._services.redis.facts()
        yield "ok", f"{server.name} {server.version} answers"
        if abs(server.now - datetime.now(UTC)) > _SKEW:
            yield "warn", "its clock and this host's differ by more than 2 s: run NTP on both"
        if self._services.settings.is_embedded:
            return
        if server.policy not in {"noeviction", ""}:
            yield "fail", f"maxmemory-policy is {server.policy}: what is evicted is lost. Set it to noeviction"
        if not server.is_durable:
            words = "it keeps nothing on disk (appendonly no): after its restart each gate stays shut for 15 s"
            yield "warn", f"{words}, and crawls begin again from the ledger. Set appendonly yes"

    def _database(self) -> Iterator[tuple[str, str]]:
        database = self._services.store.database
        kind = "PostgreSQL" if database.is_postgresql else "SQLite"
        yield "ok", f"{kind} answers, its schema is {REVISIONS[-1]}"
        if not database.is_postgresql:
            if not self._services.settings.is_embedded:
                yield (
                    "warn",
                    "SQLite has one writer: workers on several hosts need PostgreSQL (PAGETURNER_DATABASE_URL)",
                )
            return
        with database.once() as connection:
            is_read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
        if is_read_only:
            yield "fail", "it is read-only: nothing can be stored. Is it a standby?"
        with database.once() as connection:
            moment: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        if abs(moment - datetime.now(UTC)) > _SKEW:
            yield "warn", "its clock and this host's differ by more than 2 s: run NTP on both"

    def _disk(self) -> Iterator[tuple[str, str]]:
        """Check the free space where this host keeps data; for a database elsewhere, its own host has to."""
        if self._services.store.database.is_postgresql:
            return
        home = self._services.settings.home
        free = shutil.disk_usage(home).free
        words = f"{free / 1e9:.1f} GB are free in {home}"
        if free < _LEAST_FREE:
            yield "fail", f"{words}: nothing more can be stored. Free some space"
        else:
            yield ("warn" if free < _LITTLE_FREE else "ok"), words

    def _streams(self) -> Iterator[tuple[str, str]]:
        """Return the problems that `status` and monitoring show."""
        overview = look(self._services)
        troubles = [one for one in overview.troubles if one.verdict is not None]
        for one in troubles:
            yield _MARKS[one.alarm], one.sentence
        if not troubles:
            new = sum(one.stream.seen_at is None for one in overview.verdicts)
            more = f", {new} not read yet" if new else ""
            yield "ok", f"{len(overview.verdicts) - new} in step{more}"

    def _tokens(self) -> Iterator[tuple[str, str]]:
        """Return what is known of the tokens without asking Apple."""
        for one in look(self._services).locations:
            yield _MARKS[one.token.alarm], f"{one.location.name}: {one.token.words or one.token.state}"

    def _outages(self) -> Iterator[tuple[str, str]]:
        for name, words in sorted(self._services.board.read().items()):
            yield "fail", f"{name}, as workers say: {words}"

    def _keys(self) -> Iterator[tuple[str, str]]:
        locations = self._services.store.locations.watched()
        sealed = [one.name for one in locations if not self._opens(one)]
        if sealed:
            words = "PAGETURNER_SECRET_KEYS holds none of the keys that sealed the tokens of"
            yield "fail", f"{words} {', '.join(sealed)}: add the old key behind the new one"
        else:
            which = "the token" if len(locations) == 1 else f"all {len(locations)} tokens"
            yield "ok", f"{which} can be opened"

    def _opens(self, location: Location) -> bool:
        try:
            self._services.store.locations.token(location)
        except StorageError:
            return False
        return True

    def _workers(self) -> Iterator[tuple[str, str]]:
        from tasks import registered_app

        app = registered_app()
        answers: list[dict[str, Any]] = app.control.ping(timeout=_PING_SECONDS)
        names = sorted(name for answer in answers for name in answer)
        if not names:
            yield (
                "warn",
                "none answers: start one with `pageturner worker`. (Embedded, `pageturner sync` starts its own.)",
            )
            return
        yield "ok", f"{len(names)} processes answer: {', '.join(names)}"
        inspected = app.control.inspect(timeout=_PING_SECONDS).registered() or {}
        missing = [
            name for name, tasks in inspected.items() if not set(_ours(app)) <= {task.split()[0] for task in tasks}
        ]
        if missing:
            yield (
                "fail",
                f"{', '.join(missing)} run a different version than this one, {version('pageturner')}: restart them",
            )

    def _beat(self) -> Iterator[tuple[str, str]]:
        health = of_scheduler(self._services.store.chores.last().get("tick"), self._now)
        words = advised(health)
        yield ("ok", "the scheduler runs") if words is None else ("warn", words)

    def _notices(self) -> Iterator[tuple[str, str]]:
        locations = self._services.store.locations.watched()
        subscribed = [one for one in locations if one.notice_types]
        ours = self._services.store.notice_secrets.digests()
        yield "ok", f"{len(subscribed)} of {len(locations)} locations have their notices sent somewhere"
        foreign = [one.name for one in subscribed if not ours.get(one.uid)]
        if foreign and not self._services.settings.webhook_secrets:
            words = "their notices go to an address whose secret is not ours"
            yield "warn", f"{', '.join(foreign)}: {words}. `pageturner notices subscribe` has them sent here"
        waiting = look(self._services).notices.words
        if waiting is not None:
            yield "warn", waiting
        if any(len(one) < _LEAST_SECRET for one in self._services.settings.webhook_secrets):
            yield "warn", "PAGETURNER_WEBHOOK_SECRET is short: `pageturner key` makes a long random one"

    def _apple(self) -> Iterator[tuple[str, str]]:
        config = self._services.needs.apple.service_config()
        rate = config.requests_per_second
        yield "ok", f"answers, and allows {rate or 'any number of'} requests a second to a location"

    def _token(self, location: Location) -> Iterator[tuple[str, str]]:
        services = self._services
        services.use_cases.token_checker.check(location, _WAIT_SECONDS)
        standing = of_token(services.store.locations.find(location.uid), self._now)
        if standing.words:
            yield _MARKS[standing.alarm], f"{location.name} ({location.uid}): {advised(standing, location.name)}"
        else:
            yield "ok", f"{location.name} ({location.uid}) is valid until {location.token_expires:%Y-%m-%d}"


def _ours(app: Any) -> list[str]:
    return [name for name in app.tasks if name.startswith("pageturner.")]
