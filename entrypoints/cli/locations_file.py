"""The locations file: which locations are kept, which resources of each, and how often they are crawled."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from apple.resources import RESOURCES, USUAL
from apple.texts import clean
from apple.tokens import MalformedToken, Token, parse_token
from orchestration.decisions.plan import KINDS, Every
from settings import read_duration

from ..exits import Exit, Failure
from .declared_file import read_declared


class _Every(msgspec.Struct, forbid_unknown_fields=True):
    delta: str | None = None
    full: str | None = None
    deep: str | None = None


class _Location(_Every, forbid_unknown_fields=True, kw_only=True):
    token: str
    uid: str | None = None
    name: str | None = None
    resources: list[str] | None = None
    every: dict[str, _Every] = msgspec.field(default_factory=dict)


class _File(_Every, forbid_unknown_fields=True, kw_only=True):
    resources: list[str] | None = None
    every: dict[str, _Every] = msgspec.field(default_factory=dict)
    location: list[_Location] = msgspec.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class LocationEntry:
    """A location as it stands in the file; Apple has not been asked for its uId yet."""

    token: Token = field(repr=False)
    file: Path
    uid: str | None
    name: str | None
    every: Mapping[str, Every]


def read_file(path: Path) -> list[LocationEntry]:
    """Return the entries of the file; raise Failure, which names the place, if something is wrong."""
    file = read_declared(path, _File)
    entries = [_entry(path, file, one, number) for number, one in enumerate(file.location, start=1)]
    for what in ("uid", "name"):
        twice = [name for name, count in Counter(getattr(one, what) for one in entries).items() if name and count > 1]
        if twice:
            raise Failure(f"{path}: the {what} {', '.join(twice)} is there twice.", Exit.USAGE)
    return entries


def _entry(path: Path, file: _File, one: _Location, number: int) -> LocationEntry:
    where = f"{path}, location {number}"
    token_file = path.parent / one.token
    try:
        token = parse_token(token_file.read_bytes())
    except MalformedToken as error:
        raise Failure(f"{where}: {token_file} is not a content token: {error}.", Exit.USAGE) from None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise Failure(f"{where}: {clean(one.token)} cannot be read: {words}.", Exit.USAGE) from None
    resources = next((some for some in (one.resources, file.resources) if some is not None), list(USUAL))
    unknown = [name for name in (*resources, *one.every, *file.every) if name not in RESOURCES]
    if one.name is not None and (not one.name.strip() or not one.name.isprintable()):
        raise Failure(f"{where}: a name must be a single line of printable characters.", Exit.USAGE)
    if unknown or not resources:
        known = ", ".join(RESOURCES)
        raise Failure(f"{where}: there is no resource '{', '.join(unknown)}'; there are {known}.", Exit.USAGE)
    every = {name: _intervals(where, [file, one, file.every.get(name), one.every.get(name)]) for name in resources}
    return LocationEntry(token=token, file=token_file, uid=one.uid, name=one.name, every=every)


def _intervals(where: str, some: list[_Every | None]) -> Every:
    """Return the intervals of a resource: the last one that is named counts."""
    every: dict[str, int | None] = dict.fromkeys(KINDS)
    for one in some:
        for kind in KINDS:
            text = getattr(one, kind, None)
            if text is not None:
                every[kind] = _seconds(where, text)
    return every


def _seconds(where: str, text: str) -> int:
    try:
        return int(read_duration(text).total_seconds())
    except ValueError as error:
        raise Failure(f"{where}: {error}", Exit.USAGE) from None
