"""Comparison: what Apple says beside what a file of another system says. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar


class Mismatch(StrEnum):
    """In what the two differ."""

    ONLY_AT_APPLE = "only at Apple"
    ONLY_IN_FILE = "only in the file"
    COUNTS_DIFFER = "counts differ"


@dataclass(frozen=True, kw_only=True)
class App:
    """An app or book as the mirror knows it, summed over the locations."""

    adam_id: str
    name: str
    bundle_id: str | None
    total: int
    assigned: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """One thing of which the two say different things: an app, a holder, or an app of a holder."""

    difference: Mismatch
    #: What was counted: `holders`, or `total`, `assigned` or `available` licences.
    counted: str
    #: The app; None where only holders are compared, and the file's own word where no app goes by it.
    adam_id: str | None = None
    name: str | None = None
    serial_number: str | None = None
    client_user_id: str | None = None
    at_apple: int
    in_file: int


class Apps:
    """The apps of the mirror, found by whatever a file calls them: a number, a bundle id, or a name."""

    def __init__(self, apps: Iterable[App]) -> None:
        self.by_id = {one.adam_id: one for one in apps}
        self._found: dict[str, set[str]] = {}
        for one in self.by_id.values():
            for word in (one.adam_id, one.bundle_id, one.name):
                if word:
                    self._found.setdefault(word.casefold(), set()).add(one.adam_id)

    def called(self, word: str) -> str | None:
        """Return the number of the app that goes by a word; None if none does, or several do."""
        found = self._found.get(word.casefold(), set())
        return next(iter(found)) if len(found) == 1 else None

    def is_ambiguous(self, word: str) -> bool:
        """Return whether several apps go by a word."""
        return len(self._found.get(word.casefold(), ())) > 1


#: Who holds an app: whether a device or a user, the serial number or clientUserId, and the app; empty for any app.
Held = tuple[str, str, str]


def compare_counts(apps: Apps, in_file: Mapping[str, Mapping[str, int]]) -> Iterator[Discrepancy]:
    """Yield the apps of which the two count differently. The file's counts are by app and by what is counted."""
    given: dict[str, dict[str, int]] = {}
    unknown: list[Discrepancy] = []
    for word, counts in in_file.items():
        adam_id = apps.called(word)
        for counted, count in counts.items():
            if adam_id is None:
                unknown.append(_only_in_file(counted, count, adam_id=None, name=word))
            else:
                mine = given.setdefault(adam_id, {})
                mine[counted] = mine.get(counted, 0) + count
    kinds = sorted({counted for counts in in_file.values() for counted in counts})
    for app in sorted(apps.by_id.values(), key=lambda one: (one.name.casefold(), one.adam_id)):
        for counted in kinds:
            at_apple, here = getattr(app, counted), given.get(app.adam_id, {}).get(counted)
            if here is None and (at_apple or app.total):
                difference = Mismatch.ONLY_AT_APPLE
            elif here is not None and here != at_apple:
                difference = Mismatch.COUNTS_DIFFER
            else:
                continue
            yield Discrepancy(
                difference=difference,
                counted=counted,
                adam_id=app.adam_id,
                name=app.name,
                at_apple=at_apple,
                in_file=here or 0,
            )
    yield from sorted(unknown, key=lambda one: ((one.name or "").casefold(), one.counted))


def compare_holders(at_apple: Iterable[Held], in_file: Iterable[Held], apps: Apps) -> Iterator[Discrepancy]:
    """Yield who holds something, or holds an app, at one of the two only."""
    ours, theirs = Counter(at_apple), Counter(in_file)
    yield from (_of_holder(one, Mismatch.ONLY_AT_APPLE, ours[one], 0, apps) for one in _missing(ours, theirs))
    yield from (_of_holder(one, Mismatch.ONLY_IN_FILE, 0, theirs[one], apps) for one in _missing(theirs, ours))


_Key = TypeVar("_Key", bound=tuple[str, ...])


def _missing(here: Mapping[_Key, int], there: Mapping[_Key, int]) -> Sequence[_Key]:
    return sorted(one for one in here if one not in there)


def _of_holder(held: Held, difference: Mismatch, at_apple: int, in_file: int, apps: Apps) -> Discrepancy:
    kind, holder, adam_id = held
    app = apps.by_id.get(adam_id)
    return Discrepancy(
        difference=difference,
        counted="holders",
        adam_id=None if app is None else adam_id,
        name=app.name if app is not None else adam_id or None,
        serial_number=holder if kind == "device" else None,
        client_user_id=holder if kind == "user" else None,
        at_apple=at_apple,
        in_file=in_file,
    )


def _only_in_file(counted: str, count: int, *, adam_id: str | None, name: str) -> Discrepancy:
    return Discrepancy(
        difference=Mismatch.ONLY_IN_FILE, counted=counted, adam_id=adam_id, name=name, at_apple=0, in_file=count
    )
