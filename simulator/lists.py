"""One list of records in Apple's order: what is in it, in which state it is, and what changed since another state."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Where = Literal["front", "end", "random"]


@dataclass(slots=True)
class ListedRecord:
    """One record as it stands on a page, and the move with which it last changed."""

    record: bytes
    moved: int = 0


@dataclass(kw_only=True)
class RecordList:
    """The records of one resource."""

    dice: random.Random
    make: Callable[[], bytes]
    entries: list[ListedRecord] = field(default_factory=list)
    #: How often the data changed, and the name that each state was given. The names have no order.
    move: int = 0
    version: str = ""
    versions: dict[str, int] = field(default_factory=dict)
    removed: list[ListedRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the first state."""
        self._name()

    def fill(self, count: int) -> None:
        """Fill the list with a number of records."""
        self.entries = [ListedRecord(self.make()) for _ in range(count)]

    def insert(self, where: Where) -> None:
        """Add a new record at a place."""
        place = {"front": 0, "end": len(self.entries), "random": self.dice.randint(0, len(self.entries))}[where]
        self.entries.insert(place, ListedRecord(self.make(), self.move + 1))

    def remove(self, where: Where) -> bytes:
        """Remove the record at a place."""
        last = len(self.entries) - 1
        gone = self.entries.pop({"front": 0, "end": last, "random": self.dice.randint(0, last)}[where])
        self.removed.append(ListedRecord(gone.record, self.move + 1))
        return gone.record

    def drop(self, head: bytes) -> None:
        """Remove all records that begin with a text."""
        self.removed += [ListedRecord(one.record, self.move + 1) for one in self.entries if one.record.startswith(head)]
        self.entries = [one for one in self.entries if not one.record.startswith(head)]

    def pick(self) -> int:
        """Return a random place."""
        return self.dice.randrange(len(self.entries))

    def replace(self, place: int, record: bytes, *, quietly: bool = False) -> None:
        """Replace the record at a place; quietly means that no list of changes shows it."""
        moved = self.entries[place].moved if quietly else self.move + 1
        self.entries[place] = ListedRecord(record, moved)

    def touch(self, *, all_of_it: bool = False) -> None:
        """Move on to a new state."""
        self.move += 1
        if all_of_it:
            for entry in self.entries:
                entry.moved = self.move
        self._name()

    def since(self, move: int, *, with_removed: bool) -> list[bytes]:
        """List what changed after a state; a record that is gone looks like any other."""
        gone = [entry.record for entry in self.removed if entry.moved > move] if with_removed else []
        return gone + [entry.record for entry in self.entries if entry.moved > move]

    def forget_versions(self) -> None:
        """Let all states that were named so far expire."""
        self.versions = {}
        self._name()

    def _name(self) -> None:
        self.version = f"{self.dice.getrandbits(32):08x}-5a7b-11eb-b9e4-{self.dice.getrandbits(48):012x}"
        self.versions[self.version] = self.move
