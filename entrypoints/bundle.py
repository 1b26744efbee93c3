"""The support bundle: one file of what somebody needs who helps from afar. It holds no secrets, and names nobody."""

import io
import json
import platform
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import SecretStr

from .diagnosis import examine_services
from .overview import look
from .sheets import Sheet, SheetFormat, write_text

if TYPE_CHECKING:
    from settings import Settings
    from storage.locations import Location
    from tasks.services import Services

#: What a version of matters.
_LIBRARIES = ("celery", "kombu", "redis", "requests", "sqlalchemy", "psycopg", "starlette", "uvicorn", "sentry-sdk")

_CRAWLS = 1_000
_NOTICES = 200
_WAITS = timedelta(days=7)

#: No part is larger: all of them together, packed, stay below five megabytes.
_MOST_BYTES = 2_000_000

_README = """A support bundle of Pageturner, made {made_at}.

It holds versions, settings without secrets, what `pageturner doctor` finds, how each list stands, which crawls ran,
and the end of the log. {names}
Look through it before you send it on: it is made of texts.
"""
_NAMELESS = (
    "Names of locations, organisations and services are replaced by numbers, and addresses of people are left out."
)
_NAMED = "It names locations, organisations and services, as was asked for."


def write_bundle(services: "Services", file: BinaryIO, *, crawl: int | None = None, is_named: bool = False) -> None:
    """Write the bundle; with the pages of a crawl, which has to exist, if one is wanted."""
    shorten = _Shortener(services, is_named=is_named)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in _parts(services, crawl, is_named=is_named):
            bundle.writestr(name, shorten(text))


def _parts(services: "Services", crawl: int | None, *, is_named: bool) -> Iterator[tuple[str, str]]:
    now = services.store.now()
    names = _NAMED if is_named else _NAMELESS
    yield "README.txt", _README.format(made_at=f"{now:%Y-%m-%d %H:%M} UTC", names=names)
    yield "about.json", _dump(_about(services.settings, now))
    yield "doctor.txt", "".join(f"{one.mark:<4} {one.part:<9} {one.words}\n" for one in examine_services(services))
    overview = look(services)
    standing = [
        {"uid": one.location.uid, "token": asdict(one.token), "streams": [_stream(row) for row in one.streams]}
        for one in overview.locations
    ]
    yield "standing.json", _dump({"ticked_at": overview.ticked_at, "outages": overview.outages, "locations": standing})
    yield "crawls.ndjson", _lines(services.store.history.crawls(_CRAWLS))
    yield "waits.ndjson", _lines(services.store.waits.since(now - _WAITS))
    yield "notices.ndjson", _lines(services.store.notices.counts())
    if crawl is not None:
        yield "crawl.json", _dump(asdict(services.store.crawls.get(crawl)))
        yield "pages.csv", _pages(services, crawl)
    yield "log.txt", _log(services.settings.home / "servers.log")


def _about(settings: "Settings", now: datetime) -> dict[str, Any]:
    return {
        "made_at": now,
        "pageturner": version("pageturner"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "settings": {name: _shown(getattr(settings, name)) for name in type(settings).model_fields},
        "database": settings.database.partition(":")[0],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _shown(value: Any) -> str | None:
    """Return a setting: of a secret, whether it is set."""
    if isinstance(value, SecretStr):
        return "(set)"
    return None if value is None else str(value)


def _stream(row: Any) -> dict[str, Any]:
    return asdict(row.stream) | {"standing": asdict(row.standing), "reading": row.reading and asdict(row.reading)}


def _pages(services: "Services", crawl: int) -> str:
    """Return the heads of a crawl's pages: what came when and how, and none of the records."""
    pages = services.store.pages.sights(crawl)
    names = ("index", "round", "outcome", "attempts", "records", "total", "version", "reason", "fetched_at", "seconds")
    text = io.StringIO()
    rows = ([getattr(one, name) for name in names] for one in pages)
    sheet = Sheet(title="pages", kinds=dict.fromkeys(names, str), rows=rows)
    write_text(text, SheetFormat.CSV, sheet, is_defused=False)
    return text.getvalue()


def _log(path: Path) -> str:
    """Return the end of the log of `serve` and the embedded servers; on hosts, logs are where the host keeps them."""
    if not path.exists():
        return "There is no log in this home: look where the logs of the processes go.\n"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MOST_BYTES))
        return file.read().decode(errors="replace")


def _lines(things: Iterable[Any]) -> str:
    return "".join(_dump(asdict(one)) for one in things)


def _dump(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


class _Shortener:
    """Takes out of a text what is secret, who is named, and what is too much."""

    def __init__(self, services: "Services", *, is_named: bool) -> None:
        from tasks.scrubber import Scrubber

        settings = services.settings
        self._scrub = Scrubber([*settings.keys, *settings.webhook_secrets, *settings.notified])
        locations = [*services.store.locations.watched(), *services.store.locations.removed()]
        self._numbers = {} if is_named else _numbered(locations)

    def __call__(self, text: str) -> str:
        # The longest name first: another may be a part of it.
        for name in sorted(self._numbers, key=len, reverse=True):
            text = text.replace(name, self._numbers[name])
        scrubbed = "\n".join(str(self._scrub(line)) for line in text.split("\n"))
        return scrubbed[-_MOST_BYTES:]


def _numbered(locations: Sequence["Location"]) -> Mapping[str, str]:
    """Return what stands for each name: the same for all names of one location."""
    found: dict[str, str] = {}
    for number, one in enumerate(locations, 1):
        said = (one.name, one.uid, one.apple_name, one.organisation, one.owner_name, one.owner, one.notice_url)
        for name in said:
            if name and len(name) > 1:
                for written in (name, json.dumps(name, ensure_ascii=False)[1:-1], json.dumps(name)[1:-1]):
                    found.setdefault(written, f"location-{number}")
    return found
