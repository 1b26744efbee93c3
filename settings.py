"""What the environment says: every setting, its default, and the way in which it may be wrong."""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from apple.resources import RESOURCES

#: Where Apple answers.
APPLE_URL = "https://vpp.itunes.apple.com"

#: The shortest and the longest interval.
LEAST_INTERVAL = timedelta(seconds=5)
LONGEST_INTERVAL = timedelta(days=366)

#: A shorter webhook secret can be guessed.
SECRET_LEAST = 16

#: Variables that the compose file reads from .env, which passes all of them on.
_ELSEWHERE = ("PAGETURNER_VERSION",)

_REDIS = ("redis://", "rediss://", "unix://")

#: The kinds of brokers that are tested.
_BROKERS = ("redis://", "rediss://", "unix://", "amqp://", "amqps://", "pyamqp://")

_DSN = re.compile(r"https?://[^@/\s]+@[^@/\s]+(/[^\s]*)?/\d+")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DIGITS = 9

#: What switches names off, and what else names them: a language as the store knows it.
_OFF = "off"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")


class WrongSettings(Exception):
    """A setting cannot be used; the message names it, and says what to do."""


class Settings(BaseSettings):
    """The settings, each from the environment variable `PAGETURNER_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="PAGETURNER_", frozen=True, env_ignore_empty=True)

    home: Path = Field(
        default_factory=lambda: Path.home() / ".pageturner", description="The folder of the embedded data and key."
    )
    redis_url: SecretStr | None = Field(default=None, description="The Redis of the gates, and of Celery's results.")
    broker_url: SecretStr | None = Field(default=None, description="Celery's broker; the default is the same Redis.")
    database_url: SecretStr | None = Field(default=None, description="PostgreSQL, or SQLite; else SQLite in the home.")
    apple_url: str = Field(default=APPLE_URL, description="Where Apple answers.")
    secret_keys: SecretStr | None = Field(
        default=None, description="The keys that seal tokens, separated by commas; the first seals new ones."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Secrets that are valid for the notices of every location, separated by commas."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="The format of logs: `text` for people, or a JSON object a line."
    )
    sentry_dsn: SecretStr | None = Field(default=None, description="Where bugs are reported.")
    environment: str = Field(default="production", description="The name of this installation in Sentry.")
    delta_every: str = Field(
        default="", description="How often a stream is checked for changes: `30m`, or by resource, `1h,assignments=5m`."
    )
    full_every: str = Field(default="", description="How often everything is listed, as above.")
    deep_every: str = Field(default="", description="How often everything is read whatever Apple says, as above.")
    changes_kept: str = Field(default="", description="How long changes are kept in the feed: `90d`; else for ever.")
    names: str = Field(
        default="en", description="The language in which apps are named: `en`, `de-de`; `off` asks nobody."
    )
    notify: SecretStr | None = Field(
        default=None, description="Where people are told what needs them: Apprise addresses, separated by spaces."
    )
    flower_url: str = Field(
        default="", description="Where a browser finds Flower, which the console links each task of a crawl to."
    )
    app_low_percent: int = Field(
        default=5, ge=0, le=100, description="An app is low with no more than so many per cent of its licences left."
    )
    app_low_least: int = Field(default=10, ge=1, description="Of an app of which fewer are owned, nobody is told.")
    embedded_socket: Path | None = Field(
        default=None, description="The embedded servers' socket: set by a command for the workers that it starts."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for problem in (*self._wrong_servers(), *self._wrong_words()):
            raise ValueError(problem)
        for kind in ("delta", "full", "deep"):
            self.intervals(kind)
        _ = self.changes_kept_for
        return self

    def _wrong_servers(self) -> Iterator[str]:
        if not self.apple_url.startswith(("https://", "http://")):
            yield "PAGETURNER_APPLE_URL must begin with https:// (or http:// for the simulator)."
        elif not may_be_plain(self.apple_url):
            yield "PAGETURNER_APPLE_URL must begin with https://: over http:// tokens would be sent unencrypted."
        redis, broker = (None if url is None else _text(url) for url in (self.redis_url, self.broker_url))
        for name, url, schemes in (("REDIS", redis, _REDIS), ("BROKER", broker, _BROKERS)):
            if url is not None and not url.startswith(schemes):
                yield f"PAGETURNER_{name}_URL must begin with {', '.join(schemes[:-1])} or {schemes[-1]}."
            if url is not None and not _is_url(url):
                words = "is not a URL: characters such as / and # in its password are written as %2F and %23."
                yield f"PAGETURNER_{name}_URL {words}"
            elif url is not None and name == "REDIS" and (wrong := _wrong_option(url)):
                yield f"PAGETURNER_REDIS_URL has an option that cannot be used: {wrong}."
        if redis is None and broker is not None:
            yield "PAGETURNER_BROKER_URL is set: PAGETURNER_REDIS_URL must be too, for the gate."

    def _wrong_words(self) -> Iterator[str]:
        if self.home.exists() and not self.home.is_dir():
            yield f"PAGETURNER_HOME is not a folder: {self.home}."
        if not _is_url(self.apple_url) or not urlsplit(self.apple_url).hostname:
            yield "PAGETURNER_APPLE_URL names no host."
        if self.sentry_dsn is not None and not _DSN.fullmatch(_text(self.sentry_dsn)):
            yield "PAGETURNER_SENTRY_DSN is not a DSN (https://KEY@HOST/NUMBER)."
        if self.flower_url and not self.flower_url.startswith(("https://", "http://")):
            yield "PAGETURNER_FLOWER_URL must begin with https:// or http://."
        if self.names != _OFF and not _LANGUAGE.fullmatch(self.names):
            yield f"PAGETURNER_NAMES is neither a language such as en or de-de nor {_OFF}."
        if any(len(one) < SECRET_LEAST for one in self.webhook_secrets):
            yield f"PAGETURNER_WEBHOOK_SECRET must be at least {SECRET_LEAST} characters: it is the only credential."

    @property
    def language(self) -> str | None:
        """The language in which apps are named; None where no names are looked up."""
        return None if self.names == _OFF else self.names

    def intervals(self, kind: str) -> dict[str, timedelta]:
        """Return the intervals of a kind by resource; what is not named here keeps its default."""
        text: str = getattr(self, f"{kind}_every")
        name = f"PAGETURNER_{kind.upper()}_EVERY"
        given = [one.rpartition("=") for one in text.replace(",", " ").split()]
        unknown = [resource for resource, equals, _ in given if equals and resource not in RESOURCES]
        if unknown:
            raise ValueError(f"{name} names {', '.join(unknown)}; there are {', '.join(RESOURCES)}.")
        try:
            every = {resource: read_duration(duration) for resource, _, duration in given}
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return dict.fromkeys(RESOURCES, every.pop("")) | every if "" in every else every

    @cached_property
    def changes_kept_for(self) -> timedelta | None:
        """How long changes are kept in the feed; None for ever."""
        try:
            return read_duration(self.changes_kept) if self.changes_kept else None
        except ValueError as error:
            raise ValueError(f"PAGETURNER_CHANGES_KEPT: {error}") from None

    @property
    def is_embedded(self) -> bool:
        """Whether commands start a Redis server of their own."""
        return self.redis_url is None

    @cached_property
    def socket(self) -> Path:
        """Where the embedded server of this home listens."""
        return self.embedded_socket or self.home / "valkey.sock"

    @property
    def heartbeats(self) -> Path:
        """The folder of the heartbeat files, which each worker process touches every few seconds."""
        return self.home / "alive"

    @cached_property
    def redis(self) -> str:
        """The Redis of the gates and of Celery's results, as redis-py wants it."""
        return f"unix://{self.socket}" if self.redis_url is None else _text(self.redis_url)

    @cached_property
    def is_redis_broker(self) -> bool:
        """Whether the broker is the Redis that has the gates."""
        return self.broker == celery_url(self.redis)

    @cached_property
    def broker(self) -> str:
        """The broker, as Celery wants it."""
        return celery_url(self.redis if self.broker_url is None else _text(self.broker_url))

    @cached_property
    def database(self) -> str:
        """The database."""
        return f"sqlite:///{self.home / 'pageturner.db'}" if self.database_url is None else _text(self.database_url)

    @property
    def keys(self) -> list[str]:
        """The keys that seal tokens, the first of them new ones; empty where none is given."""
        return _texts(self.secret_keys)

    @property
    def notified(self) -> list[str]:
        """The addresses at which people are told what needs them."""
        return [] if self.notify is None else _text(self.notify).split()

    @property
    def webhook_secrets(self) -> list[str]:
        """The secrets that any notice may bring; empty where each location has its own alone."""
        return _texts(self.webhook_secret)


def read_settings() -> Settings:
    """Read the environment; raise WrongSettings, which names the variable, if a setting is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        words = "; ".join(map(_told, error.errors(include_input=False, include_url=False)))
        raise WrongSettings(words) from None


def unknown_settings() -> list[str]:
    """Return a warning for each PAGETURNER_ variable that no setting reads: it is mistyped, and has no effect."""
    known = [f"PAGETURNER_{name.upper()}" for name in Settings.model_fields]
    unknown = [name for name in os.environ if name.startswith("PAGETURNER_") and name not in (*known, *_ELSEWHERE)]
    nearest = ((name, difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]) for name in sorted(unknown))
    return [f"There is no setting {name}: it has no effect. The nearest is {near}." for name, near in nearest]


def _told(error: Mapping[str, Any]) -> str:
    """Return a sentence that names the variable and what is wrong with it."""
    words = str(error["msg"]).removeprefix("Value error, ")
    names = [f"PAGETURNER_{str(name).upper()}" for name in error["loc"]]
    return f"{names[0]}: {words}" if names else words


def celery_url(redis_url: str) -> str:
    """Return the URL of a Redis server as Celery wants it; others unchanged.

    Celery's default for an encrypted connection would trust any certificate.
    """
    if redis_url.startswith("rediss://") and "ssl_cert_reqs=" not in redis_url:
        return f"{redis_url}{'&' if '?' in redis_url else '?'}ssl_cert_reqs=required"
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    database = next((one.removeprefix("db=") for one in query.split("&") if one.startswith("db=")), "0")
    return f"redis+socket://{path}?virtual_host={database}"


def read_duration(text: str) -> timedelta:
    """Read `90s`, `15m`, `6h` or `7d`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdecimal() or not 0 < len(number) <= _DIGITS:
        raise ValueError(f"'{text}' is not a valid interval (examples: 90s, 15m, 6h, 7d).")
    duration = timedelta(**{_UNITS[unit]: int(number)})
    if not LEAST_INTERVAL <= duration <= LONGEST_INTERVAL:
        raise ValueError(f"'{text}' is not between {LEAST_INTERVAL.seconds} s and {LONGEST_INTERVAL.days} days.")
    return duration


def may_be_plain(url: str) -> bool:
    """Return whether a token may be sent to an address: by HTTPS, to this host, or to a host without a dot."""
    if not url.startswith("http://"):
        return True
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return True  # it is no URL: that has an error of its own
    if host in {"localhost", ""} or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host  # of a compose file, or of a namespace


def _is_url(text: str) -> bool:
    try:
        urlsplit(text).port  # noqa: B018 - reading it is what may fail
    except ValueError:
        return False
    return True


def _wrong_option(url: str) -> str | None:
    """Return the option of a Redis URL that the client does not accept; None if it accepts all."""
    from redis import ConnectionPool, RedisError

    try:
        ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError, RedisError) as error:
        quoted = re.search(r"'\w+'", str(error))
        return quoted[0] if quoted else str(error)
    return None


def _text(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _texts(secret: SecretStr | None) -> list[str]:
    return [] if secret is None else _text(secret).replace(",", " ").split()
