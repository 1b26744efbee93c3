"""An export of the whole mirror into a folder: all files of one moment, and only what changed written anew.

The manifest in the folder says up to which number of the feed each file goes. A file of which the feed has no later
change is as it would be written now, so it stays. That is how an export that was interrupted goes on, and how a later
one takes no longer than what changed meanwhile. The bookmark in the manifest is where a reader of the feed goes on.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from ..exits import Exit, Failure
from ..terminal import say
from .output import write_to
from .records import RecordFormat, write_records

if TYPE_CHECKING:
    from storage.mirror.export import MirroredStream, Snapshot

_MANIFEST = "manifest.json"


class SplitBy(StrEnum):
    """What has a file of its own."""

    RESOURCE = "resource"
    LOCATION = "location"


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A file of an export: up to which number of the feed it goes, and of which streams it is."""

    seq: int
    records: int
    size: int
    #: Each with the uId and the name of its location, and its resource.
    streams: list[tuple[str, str, str]]


class _Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an export consists of."""

    feed: str
    #: Whether values are written for spreadsheets.
    is_defused: bool = False
    #: Where a reader of the feed goes on; null as long as the export is not complete.
    bookmark: str | None = None
    as_of: str | None = None
    files: dict[str, _File] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export came to."""

    files: int
    #: How many of the files were as they should be already.
    kept: int
    records: int
    bookmark: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an export is to be: where, in which files, and how."""

    folder: Path
    by: SplitBy
    format: RecordFormat
    is_defused: bool = False


@contextlib.contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Make a folder if there is none, and keep other exports out of it for the length of the block."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Failure(f"The folder {folder} cannot be made: {error.strerror}.", Exit.USAGE) from None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Failure(f"Another export writes into {folder}: wait for it, or name another folder.", Exit.AWAY) from None
    finally:
        os.close(number)


def export_all(snapshot: "Snapshot", plan: Plan) -> Exported:
    """Write every stream of every location into a folder, as it is in a snapshot."""
    before = _read_manifest(plan)
    wanted = _files(snapshot.streams(), plan)
    kept = _unchanged(snapshot, before, wanted)
    manifest = _Manifest(feed=snapshot.feed, is_defused=plan.is_defused)
    manifest.files = {name: msgspec.structs.replace(before.files[name], seq=snapshot.seq) for name in kept}
    for name, mine in wanted.items():
        if name not in kept:
            _write_manifest(plan.folder, manifest)  # without this file: it is about to be another one
            manifest.files[name] = _write_file(snapshot, plan, name, mine)
            say(f"{plan.folder / name}: {manifest.files[name].records:,} records")
    for name in sorted(set(before.files) - set(wanted)):
        (plan.folder / name).unlink(missing_ok=True)
    manifest.bookmark, manifest.as_of = f"{snapshot.feed}:{snapshot.seq}", snapshot.as_of.isoformat(timespec="seconds")
    _write_manifest(plan.folder, manifest)
    records = sum(one.records for one in manifest.files.values())
    return Exported(files=len(wanted), kept=len(kept), records=records, bookmark=manifest.bookmark)


def _files(streams: "Sequence[MirroredStream]", plan: Plan) -> "dict[str, list[MirroredStream]]":
    """Return which streams each file is of."""
    found: dict[str, list[MirroredStream]] = {}
    for one in streams:
        stem = one.resource if plan.by is SplitBy.RESOURCE else one.uid
        found.setdefault(f"{stem}.{plan.format}", []).append(one)
    return found


def _unchanged(snapshot: "Snapshot", before: _Manifest, wanted: "dict[str, list[MirroredStream]]") -> set[str]:
    """Return the files that are as they would be written now: of the same streams, without any change since."""
    if before.feed != snapshot.feed:
        return set()
    known = {name: one for name, one in before.files.items() if one.seq >= snapshot.pruned and name in wanted}
    alike = {name for name, one in known.items() if one.streams == _described(wanted[name])}
    changed = {seq: snapshot.changed_since(seq) for seq in {known[name].seq for name in alike}}
    return {
        name
        for name in alike
        if not any((one.location_id, one.resource) in changed[known[name].seq] for one in wanted[name])
    }


def _described(streams: "Sequence[MirroredStream]") -> list[tuple[str, str, str]]:
    return [(one.uid, one.name, one.resource) for one in streams]


def _write_file(snapshot: "Snapshot", plan: Plan, name: str, streams: "Sequence[MirroredStream]") -> _File:
    from storage.mirror.tables import MIRRORS

    fields = dict.fromkeys(field for one in streams for field in MIRRORS[one.resource].fields.values())
    columns = ["uId", "location", *(["resource"] if plan.by is SplitBy.LOCATION else []), *fields]
    records = (
        (_prefix(one, plan.by), text) for one in streams for text in snapshot.records(one.resource, one.location_id)
    )
    count = 0

    def write(file: TextIO) -> None:
        nonlocal count
        count = write_records(file, plan.format, columns, records, is_defused=plan.is_defused)

    write_to(plan.folder / name, write)
    size = (plan.folder / name).stat().st_size
    return _File(seq=snapshot.seq, records=count, size=size, streams=_described(streams))


def _prefix(stream: "MirroredStream", by: SplitBy) -> dict[str, str]:
    """Return what stands before the fields of a record: of which location it is, and of which resource."""
    of = {"uId": stream.uid, "location": stream.name}
    return of if by is SplitBy.RESOURCE else {**of, "resource": stream.resource}


def _read_manifest(plan: Plan) -> _Manifest:
    """Return what the folder has from an earlier export of this kind; a manifest that cannot be read is none."""
    try:
        found = msgspec.json.decode((plan.folder / _MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return _Manifest(feed="")
    if found.is_defused != plan.is_defused:
        found.feed = ""  # its files are only replaced
    found.files = {name: one for name, one in found.files.items() if _is_there(plan.folder, name, one)}
    return found


def _is_there(folder: Path, name: str, file: _File) -> bool:
    """Return whether a file stands in the folder as it was written, as far as its size tells."""
    path = folder / name
    return Path(name).name == name and path.is_file() and path.stat().st_size == file.size


def _write_manifest(folder: Path, manifest: _Manifest) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1).decode() + "\n"
    write_to(folder / _MANIFEST, lambda file: _put(file, text))


def _put(file: TextIO, text: str) -> None:
    file.write(text)
