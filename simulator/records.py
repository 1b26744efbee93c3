"""Records of every kind, with made-up values in the shape that Apple documents."""

import base64
import json
import random
from typing import Any

_PLATFORMS = (["iOS"], ["iOS", "macOS"], ["macOS"], ["iOS", "tvOS", "visionOS"])
_SUBSCRIPTIONS_FROM = 6_450_000_000
_OTHER_HOLDERS = 1_000_000

#: The Adam ids of assets: the first, and how far apart they are.
_FIRST_ADAM_ID, _ADAM_ID_STEP = 361_285_480, 7_919


def app_number(adam_id: str) -> int | None:
    """Return which of the assets an Adam id is of; None if of none."""
    if not adam_id.isascii() or not adam_id.isdecimal():
        return None
    number, rest = divmod(int(adam_id) - _FIRST_ADAM_ID, _ADAM_ID_STEP)
    return number if rest == 0 and number >= 0 else None


def encode(record: dict[str, Any]) -> bytes:
    """Return one record as it stands on a page."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def make_token(uid: str, name: str, serial: int, expires: str) -> str:
    """Make the text of a content token in Apple's form."""
    inner = {"token": f"simulated-{uid}-{serial}", "expDate": expires, "orgName": name}
    return base64.b64encode(json.dumps(inner).encode()).decode()


class RecordMaker:
    """Makes one record after the other; no two have the same identity, unless Apple's may."""

    def __init__(self, dice: random.Random, assets: int) -> None:
        self._dice = dice
        self._made: dict[str, int] = {}
        self._assets = [self.asset() for _ in range(assets)]
        self._assigned = self._assets

    def number(self, what: str) -> int:
        """Return the next number."""
        self._made[what] = self._made.get(what, -1) + 1
        return self._made[what]

    def first_assets(self) -> list[bytes]:
        """Return the assets that assignments are made of."""
        return self._assets

    def asset(self) -> bytes:
        """Make an app or a book without assignments."""
        number = self.number("assets")
        spare = self._dice.randrange(5_000)
        is_book = number % 12 == 11  # noqa: PLR2004 - one in twelve
        return encode(
            {
                "adamId": str(_FIRST_ADAM_ID + number * _ADAM_ID_STEP),
                "pricingParam": "PLUS" if number % 10 == 9 else "STDQ",  # noqa: PLR2004 - one in ten
                "productType": "Book" if is_book else "App",
                "assignedCount": 0,
                "availableCount": spare,
                "retiredCount": 0,
                "totalCount": spare,
                "deviceAssignable": not is_book,
                "revocable": not is_book,
                "supportedPlatforms": _PLATFORMS[number % len(_PLATFORMS)],
            }
        )

    def forget_asset(self, head: bytes) -> None:
        """Make no more assignments of a removed asset; the last asset stays."""
        if len(self._assigned) > 1:
            self._assigned = [asset for asset in self._assigned if not asset.startswith(head)]

    def assignment(self) -> bytes:
        """Make an assignment of one of the first assets, to a device or a user."""
        number = self.number("assignments")
        asset = json.loads(self._assigned[number % len(self._assigned)])
        is_whole = len(self._assigned) == len(self._assets)  # then each holder in turn gets each asset
        holder = number // len(self._assets) if is_whole else _OTHER_HOLDERS + number
        kept_by_user = holder % 8 == 7  # noqa: PLR2004 - one in eight
        assignee = {"clientUserId": f"user-{holder:06d}"} if kept_by_user else {"serialNumber": f"F9FX{holder:08X}"}
        return encode({"adamId": asset["adamId"], "pricingParam": asset["pricingParam"], **assignee})

    def user(self) -> bytes:
        """Make a user; some are old rows of a neighbour."""
        number = self.number("users")
        place = number % 40
        if place in {19, 38, 39}:  # the last two are alike in every field
            owner = number - place + min(place - 1, 37)
            return encode({"clientUserId": f"user-{owner:06d}", "email": "old@example.com", "status": "Retired"})
        active: dict[str, Any] = {"clientUserId": f"user-{number:06d}", "email": f"user{number}@example.com"}
        if number % 3:
            return encode(active | {"status": "Associated", "idHash": f"h{number:x}"})
        return encode(active | {"status": "Registered", "inviteCode": f"i{number:x}"})

    def subscription(self) -> bytes:
        """Make a subscription; every other one has no parent."""
        number = self.number("subscriptions")
        taken, free = self._dice.randrange(50), self._dice.randrange(50)
        assigned, available = {"renewing": taken, "expiring": number % 3}, {"renewing": free, "expiring": 0}
        total = {kind: assigned[kind] + available[kind] for kind in assigned}
        return encode(
            {
                "parentAdamId": 361_285_480 + number if number % 2 else None,
                "adamId": _SUBSCRIPTIONS_FROM + number,
                "status": ("ACTIVE", "PAUSED", "INACTIVE")[number % 3],
                "periodEndDate": f"2031-{number % 12 + 1:02d}-01",
                "counts": {"assigned": assigned, "available": available, "total": total},
            }
        )

    def subscription_assignment(self) -> bytes:
        """Make an assignment of a subscription."""
        number = self.number("subscription-assignments")
        adam_id = _SUBSCRIPTIONS_FROM + number % 7
        return encode({"adamId": adam_id, "clientUserId": f"user-{number:06d}", "renewing": number % 4 > 0})

    def subscription_admin(self) -> bytes:
        """Make an administrator of a subscription."""
        number = self.number("subscription-admins")
        return encode({"adamId": _SUBSCRIPTIONS_FROM + number % 7, "clientUserId": f"user-{number:06d}"})

    def license(self) -> bytes:
        """Make a licence of the legacy service: every third is not assigned."""
        number = self.number("licenses")
        adam_id = _FIRST_ADAM_ID + number % 50 * _ADAM_ID_STEP
        licence: dict[str, Any] = {
            "licenseId": 900_000 + number,
            "licenseIdStr": str(900_000 + number),
            "adamId": adam_id,
            "adamIdStr": str(adam_id),
            "pricingParam": "STDQ",
            "productTypeId": 8,
            "productTypeName": "Application",
            "isIrrevocable": False,
        }
        if number % 3 == 0:
            return encode(licence | {"status": "Available"})
        if number % 3 == 1:
            return encode(licence | {"status": "Associated", "serialNumber": f"C0{number:08X}"})
        user = {"userId": 7_000 + number, "userIdStr": str(7_000 + number), "clientUserIdStr": f"user-{number:06d}"}
        return encode(licence | {"status": "Associated", **user, "itsIdHash": f"h{number:x}"})

    def legacy_asset(self) -> bytes:
        """Make an app or a book as the legacy service counts it."""
        number = self.number("legacy-assets")
        taken, spare = self._dice.randrange(90), self._dice.randrange(90)
        return encode(
            {
                "adamIdStr": str(_FIRST_ADAM_ID + number * _ADAM_ID_STEP),
                "pricingParam": "PLUS" if number % 10 == 9 else "STDQ",  # noqa: PLR2004 - one in ten
                "productTypeId": 10 if number % 5 == 0 else 8,
                "productTypeName": "Publication" if number % 5 == 0 else "Application",
                "isIrrevocable": number % 5 == 0,
                "deviceAssignable": number % 5 > 0,
                "assignedCount": taken,
                "availableCount": spare,
                "retiredCount": 0,
                "totalCount": taken + spare,
            }
        )

    def legacy_user(self) -> bytes:
        """Make a user as the legacy service shows it."""
        number = self.number("legacy-users")
        user: dict[str, Any] = {"userId": 7_000 + number, "clientUserIdStr": f"user-{number:06d}"}
        user |= {"email": f"user{number}@example.com"}
        if number % 4 == 3:  # noqa: PLR2004 - one in four
            return encode(user | {"status": "Retired"})
        if number % 4:
            return encode(user | {"status": "Associated", "itsIdHash": f"h{number:x}"})
        invited = {"inviteCode": f"i{number:x}", "inviteUrl": f"https://example.com/invite/{number:x}"}
        return encode(user | {"status": "Registered", **invited})
