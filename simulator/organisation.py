"""The data of one simulated location: made from a seed, changed on demand, and exact about what it holds."""

import base64
import json
import random
from dataclasses import dataclass
from typing import Any, Literal

Where = Literal["front", "end", "random"]

_PLATFORMS = (["iOS"], ["iOS", "macOS"], ["macOS"], ["iOS", "tvOS", "visionOS"])


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a location holds, and how many records Apple puts on a page."""

    assets: int = 60
    assignments: int = 60_000
    users: int = 5_000
    page_size: int = 100


def encode(record: dict[str, Any]) -> bytes:
    """Write one record as it stands on a page."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def make_token(uid: str, name: str, serial: int, expires: str) -> str:
    """Make the text of a content token in Apple's form."""
    inner = {"token": f"simulated-{uid}-{serial}", "expDate": expires, "orgName": name}
    return base64.b64encode(json.dumps(inner).encode()).decode()


class Organisation:
    """Every record of one location, each as the bytes that stand on a page, in Apple's order."""

    def __init__(self, uid: str, name: str, size: Size, seed: int) -> None:
        self.uid = uid
        self.name = name
        self.size = size
        self.owner: dict[str, str] | None = None
        self._random = random.Random(f"{seed}/{uid}")  # noqa: S311 - data for a simulator, not a secret
        self._made = dict.fromkeys(("assignments", "users", "emails"), -1)
        self._moves = 0
        self._assets = [self._asset(number) for number in range(size.assets)]
        self._by_id = {asset["adamId"]: asset for asset in self._assets}
        self._lists = {
            "assignments": [self._assignment() for _ in range(size.assignments)],
            "users": [self._user() for _ in range(size.users)],
        }
        self._random.shuffle(self._lists["assignments"])
        self.versions = {name: self._version() for name in ("assets", "assignments", "users")}

    def records(self, resource: str) -> list[bytes]:
        """Give the records of a resource in their present order."""
        if resource == "assets":
            return [encode(asset) for asset in self._assets]
        return self._lists[resource]

    def insert(self, resource: str, count: int, where: Where) -> None:
        """Add new records at a place."""
        listing = self._lists[resource]
        make = {"assignments": self._assignment, "users": self._user}[resource]
        for _ in range(count):
            place = {"front": 0, "end": len(listing), "random": self._random.randint(0, len(listing))}[where]
            listing.insert(place, make())

    def remove(self, resource: str, count: int, where: Where) -> None:
        """Take records away from a place."""
        listing = self._lists[resource]
        for _ in range(min(count, len(listing))):
            last = len(listing) - 1
            gone = listing.pop({"front": 0, "end": last, "random": self._random.randint(0, last)}[where])
            if resource == "assignments":
                self._count(json.loads(gone), -1)

    def update(self, resource: str, count: int) -> None:
        """Change fields that are not part of a record's identity; assignments have none, so theirs get a new owner."""
        listing = self._lists[resource]
        for _ in range(min(count, len(listing))):
            place = self._random.randrange(len(listing))
            if resource == "assignments":
                self._count(json.loads(listing[place]), -1)
                listing[place] = self._assignment()
            else:
                listing[place] = encode(
                    json.loads(listing[place]) | {"email": f"new{self._next('emails')}@example.com"}
                )

    def retire(self, count: int) -> None:
        """Retire users: each stays in the list as one more Retired row of its clientUserId."""
        listing = self._lists["users"]
        for _ in range(count):
            place = self._random.randrange(len(listing))
            listing[place] = encode(json.loads(listing[place]) | {"status": "Retired"})

    def shuffle(self, resource: str) -> None:
        """Put the records in another order, which moves them across pages."""
        self._random.shuffle(self._lists[resource])

    def touch(self, resource: str) -> None:
        """Move the version: a write happened. Assignments are counted in the assets, so those move with them."""
        self.versions[resource] = self._version()
        if resource == "assignments":
            self.versions["assets"] = self._version()

    def _version(self) -> str:
        self._moves += 1
        return f"{self._random.getrandbits(32):08x}-5a7b-11eb-b9e4-{self._moves:012x}"

    def _next(self, what: str) -> int:
        self._made[what] += 1
        return self._made[what]

    def _asset(self, number: int) -> dict[str, Any]:
        spare = self._random.randrange(5_000)
        return {
            "adamId": str(361_285_480 + number * 7_919),
            "pricingParam": "PLUS" if number % 10 == 9 else "STDQ",  # noqa: PLR2004 - one in ten
            "productType": "Book" if number % 12 == 11 else "App",  # noqa: PLR2004 - one in twelve
            "assignedCount": 0,
            "availableCount": spare,
            "retiredCount": 0,
            "totalCount": spare,
            "deviceAssignable": number % 12 != 11,  # noqa: PLR2004 - books are not
            "revocable": number % 12 != 11,  # noqa: PLR2004 - as above
            "supportedPlatforms": _PLATFORMS[number % len(_PLATFORMS)],
        }

    def _assignment(self) -> bytes:
        number = self._next("assignments")
        asset = self._assets[number % len(self._assets)]
        holder = number // len(self._assets)
        kept_by_user = holder % 8 == 7  # noqa: PLR2004 - one in eight
        assignee = {"clientUserId": f"user-{holder:06d}"} if kept_by_user else {"serialNumber": f"F9FX{holder:08X}"}
        record = {"adamId": asset["adamId"], "pricingParam": asset["pricingParam"], **assignee}
        self._count(record, +1)
        return encode(record)

    def _count(self, assignment: dict[str, Any], step: int) -> None:
        asset = self._by_id[assignment["adamId"]]
        asset["assignedCount"] += step
        asset["totalCount"] += step

    def _user(self) -> bytes:
        number = self._next("users")
        place = number % 40
        if place in {19, 38, 39}:  # old rows of a neighbour; the last two are alike in every field
            owner = number - place + min(place - 1, 37)
            old = {"clientUserId": f"user-{owner:06d}", "email": "old@example.com", "status": "Retired"}
            return encode(old)
        active: dict[str, Any] = {"clientUserId": f"user-{number:06d}", "email": f"user{number}@example.com"}
        if number % 3:
            return encode(active | {"status": "Associated", "idHash": f"h{number:x}"})
        return encode(active | {"status": "Registered", "inviteCode": f"i{number:x}"})
