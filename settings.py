"""What the environment says: every setting, its default, and the way in which it may be wrong."""

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from apple.resources import RESOURCES

#: Where Apple answers.
APPLE_URL = "https://vpp.itunes.apple.com"


class WrongSettings(Exception):
    """A setting cannot be used; says which, and what to do."""


class Settings(BaseSettings):
    """The settings, each from the environment variable `PAGETURNER_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="PAGETURNER_", frozen=True, env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: Path.home() / ".pageturner")
    redis_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    database_url: SecretStr | None = None
    apple_url: str = APPLE_URL
    secret_keys: SecretStr | None = None
    #: How often everything is read where Apple would also list what changed: hours, by resource.
    full_hours: str = ""
    #: The embedded servers' socket, set by the command that started them for the workers that it starts.
    embedded_socket: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.apple_url.startswith(("https://", "http://")):
            raise ValueError("PAGETURNER_APPLE_URL must begin with https:// (or http:// for the simulator).")
        if self.redis_url is not None and not _text(self.redis_url).startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("PAGETURNER_REDIS_URL must begin with redis://, rediss:// or unix://.")
        for name, url in (("REDIS", self.redis_url), ("BROKER", self.broker_url)):
            if url is not None and not _is_url(_text(url)):
                words = "is no URL: signs such as / and # in its password are written as %2F and %23."
                raise ValueError(f"PAGETURNER_{name}_URL {words}")
        _hours(self.full_hours)
        if self.redis_url is None and self.broker_url is not None:
            raise ValueError("PAGETURNER_BROKER_URL is set: PAGETURNER_REDIS_URL must be too, for the gate.")
        return self

    @cached_property
    def full_every(self) -> dict[str, timedelta]:
        """How old the last full reading of a resource may become; what is not named here keeps its default."""
        return {name: timedelta(hours=hours) for name, hours in _hours(self.full_hours).items()}

    @property
    def is_embedded(self) -> bool:
        """Tell whether this process is to bring its own Redis server."""
        return self.redis_url is None

    @cached_property
    def socket(self) -> Path:
        """Where the embedded server of this home listens."""
        return self.embedded_socket or self.home / "valkey.sock"

    @cached_property
    def redis(self) -> str:
        """The server of the gate and of Celery's results, in redis-py's words."""
        return f"unix://{self.socket}" if self.redis_url is None else _text(self.redis_url)

    @cached_property
    def broker(self) -> str:
        """The broker, in Celery's words."""
        return celery_url(self.redis if self.broker_url is None else _text(self.broker_url))

    @cached_property
    def database(self) -> str:
        """The database."""
        return f"sqlite:///{self.home / 'pageturner.db'}" if self.database_url is None else _text(self.database_url)

    @property
    def keys(self) -> list[str]:
        """The keys that seal tokens, the first of them new ones; empty where none is given."""
        return (
            []
            if self.secret_keys is None
            else [one for one in _text(self.secret_keys).replace(",", " ").split() if one]
        )


def read_settings() -> Settings:
    """Read the environment; what is wrong with it is told in words."""
    try:
        return Settings()
    except ValidationError as error:
        words = "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors(include_input=False))
        raise WrongSettings(words) from None


def celery_url(redis_url: str) -> str:
    """Translate the URL of a Redis server into Celery's words; others stay as they are."""
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    database = next((one.removeprefix("db=") for one in query.split("&") if one.startswith("db=")), "0")
    return f"redis+socket://{path}?virtual_host={database}"


def _hours(text: str) -> dict[str, float]:
    """Read `assignments=6,users=24`."""
    pairs = [one.partition("=") for one in text.replace(",", " ").split()]
    unknown = [name for name, _, _ in pairs if name not in RESOURCES]
    if unknown:
        raise ValueError(f"PAGETURNER_FULL_HOURS names {', '.join(unknown)}; there are {', '.join(RESOURCES)}.")
    try:
        hours = {name: float(number) for name, _, number in pairs}
    except ValueError:
        hours = {"": -1.0}
    if not all(0 < number < 100_000 for number in hours.values()):  # noqa: PLR2004 - more than ten years
        raise ValueError("PAGETURNER_FULL_HOURS must be hours by resource, such as assignments=6,users=24.")
    return hours


def _is_url(text: str) -> bool:
    try:
        urlsplit(text).port  # noqa: B018 - reading it is what may fail
    except ValueError:
        return False
    return True


def _text(secret: SecretStr) -> str:
    return secret.get_secret_value()
