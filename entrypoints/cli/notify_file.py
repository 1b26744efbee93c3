"""The notify file: which people and programs are told, and of what."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from apple.resources import RESOURCES
from settings import may_be_plain

from ..exits import Exit, Failure
from .declared_file import read_declared


class _Told(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    url: str | None = None
    url_env: str | None = None
    url_file: str | None = None
    locations: list[str] | None = None


class _Channel(_Told, forbid_unknown_fields=True, kw_only=True):
    rules: list[str] | None = None


class _Webhook(_Told, forbid_unknown_fields=True, kw_only=True):
    resources: list[str] | None = None
    records: bool = False
    secret_env: str | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    channel: list[_Channel] = msgspec.field(default_factory=list)
    webhook: list[_Webhook] = msgspec.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChannelEntry:
    """A channel as it stands in the file; the locations are names."""

    name: str
    url: str = field(repr=False)
    rules: list[str] | None
    locations: list[str] | None


@dataclass(frozen=True, kw_only=True)
class WebhookEntry:
    """A webhook as it stands in the file; the locations are names."""

    name: str
    url: str
    secret: str | None = field(repr=False)
    locations: list[str] | None
    resources: list[str] | None
    has_records: bool


def read_notify_file(path: Path) -> tuple[list[ChannelEntry], list[WebhookEntry]]:
    """Return the entries of the file; raise Failure, which names the place, if something is wrong."""
    file = read_declared(path, _File)
    names = Counter(one.name for one in [*file.channel, *file.webhook])
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise Failure(f"{path}: the name {', '.join(twice)} is there twice.", Exit.USAGE)
    channels = [_channel(path, one) for one in file.channel]
    return channels, [_webhook(path, one) for one in file.webhook]


def _channel(path: Path, one: _Channel) -> ChannelEntry:
    from orchestration.courier import is_known
    from orchestration.decisions.alerts import Rule

    where = f"{path}, channel '{one.name}'"
    _check(where, "rule", one.rules, list(Rule))
    url = _url(where, path, one)
    if not is_known(url):
        words = f"{where}: its address is of no kind that is known. Apprise's documents list them, as mailto://."
        raise Failure(words, Exit.USAGE)
    return ChannelEntry(name=_name(where, one.name), url=url, rules=one.rules, locations=one.locations)


def _webhook(path: Path, one: _Webhook) -> WebhookEntry:
    where = f"{path}, webhook '{one.name}'"
    _check(where, "resource", one.resources, list(RESOURCES))
    url = _url(where, path, one)
    if not url.startswith(("https://", "http://")) or not may_be_plain(url):
        raise Failure(
            f"{where}: its url must begin with https://: over http:// it could be read by others.", Exit.USAGE
        )
    secret = None if one.secret_env is None else _env(where, one.secret_env)
    if secret is not None and not _is_secret(secret):
        words = "must be whsec_ and then 24 to 64 bytes in base64"
        raise Failure(f"{where}: the secret in {one.secret_env} {words}.", Exit.USAGE)
    return WebhookEntry(
        name=_name(where, one.name),
        url=url,
        secret=secret,
        locations=one.locations,
        resources=one.resources,
        has_records=one.records,
    )


def _name(where: str, name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise Failure(f"{where}: a name must be a single line of printable characters.", Exit.USAGE)
    return name


def _check(where: str, what: str, given: Sequence[str] | None, known: Sequence[str]) -> None:
    unknown = [one for one in given or () if one not in known]
    if unknown:
        raise Failure(f"{where}: there is no {what} '{unknown[0]}'; there are {', '.join(known)}.", Exit.USAGE)


def _url(where: str, path: Path, one: _Told) -> str:
    """Return the address: as it stands in the file, or in a variable or a file that the file names."""
    given = [name for name in ("url", "url_env", "url_file") if getattr(one, name) is not None]
    if len(given) != 1:
        raise Failure(f"{where}: give one of url, url_env and url_file.", Exit.USAGE)
    if one.url_env is not None:
        return _env(where, one.url_env)
    if one.url_file is not None:
        try:
            return (path.parent / one.url_file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or type(error).__name__
            raise Failure(f"{where}: {one.url_file} cannot be read: {words}.", Exit.USAGE) from None
    return (one.url or "").strip()


def _env(where: str, name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise Failure(f"{where}: the variable {name} is not set.", Exit.USAGE)
    return value


def _is_secret(secret: str) -> bool:
    from base64 import b64decode

    from storage.hooks import SECRET_PREFIX

    try:
        size = len(b64decode(secret.removeprefix(SECRET_PREFIX), validate=True))
    except ValueError:
        return False
    return secret.startswith(SECRET_PREFIX) and 24 <= size <= 64  # noqa: PLR2004 - as the standard has it
