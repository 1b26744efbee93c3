"""The data of one simulated location: made from a seed, changed on demand, and exact about what it holds."""

import json
import random
from functools import partial
from typing import Any

from .catalogue import CATALOGUE, Size
from .lists import ListedRecord, RecordList, Where
from .records import RecordMaker, encode


class Organisation:
    """Every record of one location, each as the bytes that stand on a page, in Apple's order."""

    def __init__(self, uid: str, name: str, size: Size, seed: int) -> None:
        self.uid = uid
        self.name = name
        self.size = size
        self.owner: dict[str, str] | None = None
        #: The country of its store.
        self.country = "US"
        dice = random.Random(f"{seed}/{uid}")  # noqa: S311 - data for a simulator, not a secret
        maker = RecordMaker(dice, size.of("assets"))
        self._maker = maker
        self.listings = {
            name: RecordList(dice=dice, make=partial(listed.make, maker)) for name, listed in CATALOGUE.items()
        }
        self._fill()

    def adam_ids(self) -> set[str]:
        """Return what it has."""
        return {json.loads(entry.record)["adamId"] for entry in self.listings["assets"].entries}

    def insert(self, resource: str, count: int, where: Where) -> None:
        """Add new records at a place; no assignments where there is nothing to assign."""
        if resource == "assignments" and not self.listings["assets"].entries:
            return
        for _ in range(count):
            self.listings[resource].insert(where)
        if resource == "assignments":
            self._count()

    def remove(self, resource: str, count: int, where: Where) -> None:
        """Remove records from a place; with an asset go its assignments."""
        listing = self.listings[resource]
        for _ in range(min(count, len(listing.entries))):
            gone = listing.remove(where)
            if resource == "assets":
                head = b',"'.join(gone.split(b',"', 2)[:2]) + b","
                self.listings["assignments"].drop(head)
                self._maker.forget_asset(head)
        if resource == "assignments":
            self._count()

    def update(self, resource: str, count: int) -> None:
        """Change fields that are not part of a record's identity; assignments have none, so theirs get a new owner."""
        listing = self.listings[resource]
        for _ in range(min(count, len(listing.entries))):
            if CATALOGUE[resource].changeable is None:
                listing.remove("random")
                listing.insert("random")
            else:
                place = listing.pick()
                listing.replace(place, self._changed(resource, listing.entries[place].record))
        if resource == "assignments":
            self._count()

    def retire(self, resource: str, count: int, *, quietly: bool = False) -> None:
        """Retire users: each stays in the list as one more Retired row of its clientUserId."""
        listing = self.listings[resource]
        for _ in range(min(count, len(listing.entries))):
            place = listing.pick()
            record = json.loads(listing.entries[place].record) | {"status": "Retired"}
            listing.replace(place, encode(record), quietly=quietly)

    def buy(self, count: int) -> None:
        """Buy more licences of one of the assets."""
        assets = self.listings["assets"]
        if not assets.entries:
            return
        place = assets.pick()
        asset = json.loads(assets.entries[place].record)
        more = {name: asset[name] + count for name in ("availableCount", "totalCount")}
        assets.replace(place, encode(asset | more))

    def shuffle(self, resource: str) -> None:
        """Shuffle the records, which moves them across pages."""
        listing = self.listings[resource]
        listing.dice.shuffle(listing.entries)

    def touch(self, resource: str) -> None:
        """Move the version: a write happened. Assets and assignments move together, for the ones count the others."""
        together = ("assets", "assignments")
        for name in together if resource in together else (resource,):
            self.listings[name].touch()

    def _fill(self) -> None:
        for name, listing in self.listings.items():
            listing.fill(0 if name == "assets" else self.size.of(name))
        self.shuffle("assignments")
        self.listings["assets"].entries = [ListedRecord(record) for record in self._maker.first_assets()]
        self._count()

    def _changed(self, resource: str, record: bytes) -> bytes:
        old: dict[str, Any] = json.loads(record)
        field, number = CATALOGUE[resource].changeable or "", self._maker.number("changes")
        before = old.get(field)
        if isinstance(before, bool):
            return encode(old | {field: not before})
        return encode(old | {field: number if isinstance(before, int) else f"changed-{number}@example.com"})

    def _count(self) -> None:
        """Count the assignments of each asset: what is not assigned is left, and none is assigned without a licence."""
        counts: dict[bytes, int] = {}
        for entry in self.listings["assignments"].entries:
            head = entry.record.split(b',"', 2)  # adamId and pricingParam come first
            counts[head[0] + head[1]] = counts.get(head[0] + head[1], 0) + 1
        assets = self.listings["assets"]
        for place, entry in enumerate(assets.entries):
            head = entry.record.split(b',"', 2)
            asset = json.loads(entry.record)
            count = counts.get(head[0] + head[1], 0)
            if asset["assignedCount"] != count:
                total = max(asset["totalCount"], count + asset["retiredCount"])
                left = total - count - asset["retiredCount"]
                counted = {"assignedCount": count, "availableCount": left, "totalCount": total}
                assets.replace(place, encode(asset | counted))
