"""Orphans: licences held by devices and people that an organisation does not know any more. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

_Item = TypeVar("_Item")

#: How much Apple takes back at once: so many assets, of so many devices or users.
MOST_ASSETS = 25
MOST_HOLDERS = 1_000


class Gone(StrEnum):
    """Why a holder counts as gone."""

    UNKNOWN_DEVICE = "unknown device"
    LEFT = "left"
    RETIRED = "retired user"
    UNKNOWN_USER = "unknown user"


#: Why a user counts as gone, by what the view of leavers says.
GONE = {"retired": Gone.RETIRED, "unknown": Gone.UNKNOWN_USER}


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A licence, and who holds it."""

    #: The uId and the name of the location, and the number and the name of the app or book.
    uid: str
    place: str
    adam_id: str
    name: str
    pricing: str
    serial_number: str | None
    client_user_id: str | None
    email: str | None
    as_of: datetime | None


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Whom an organisation knows: None where nobody said which there are. Serial numbers are in capitals."""

    serial_numbers: Collection[str] | None = None
    #: The clientUserIds and the addresses of the people, in small letters.
    user_ids: Collection[str] | None = None
    emails: Collection[str] | None = None

    def judge(self, holding: Holding, retired: Mapping[tuple[str, str], Gone]) -> Gone | None:
        """Return why the holder of a licence is gone; None if it is known, or if nothing can be said of it."""
        if holding.serial_number is not None:
            is_known = self.serial_numbers is None or holding.serial_number.upper() in self.serial_numbers
            return None if is_known else Gone.UNKNOWN_DEVICE
        user = holding.uid, holding.client_user_id or ""
        return retired.get(user) or self._judge_user(holding)

    def _judge_user(self, holding: Holding) -> Gone | None:
        """Compare what both the holder and the organisation's people have; a user without an address may be anybody."""
        pairs = ((holding.client_user_id, self.user_ids), (holding.email, self.emails))
        known = [name.lower() in names for name, names in pairs if name and names is not None]
        return Gone.LEFT if known and not any(known) else None


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """A licence whose holder is gone."""

    holding: Holding
    reason: Gone
    #: Whether the licence can be taken back; None where Apple does not say.
    revocable: bool | None


def orphans(
    holdings: Iterable[Holding],
    roster: Roster,
    retired: Mapping[tuple[str, str], Gone],
    revocable: Mapping[tuple[str, str, str], bool | None],
) -> Iterator[Orphan]:
    """Yield the licences whose holders are gone. The user lists of the locations say who was retired."""
    for one in holdings:
        reason = roster.judge(one, retired)
        if reason is not None:
            asset = one.uid, one.adam_id, one.pricing
            yield Orphan(holding=one, reason=reason, revocable=revocable.get(asset))


def batches(found: Iterable[Orphan]) -> Iterator[dict[str, Any]]:
    """Yield the requests that would take these licences back, each of them as Apple takes it.

    A request names assets and holders, and concerns each of the assets of each of the holders. So holders share a
    request only if they hold the same assets: nothing is asked for that is not in the list.
    """
    held: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}
    for one in found:
        if one.revocable is not False:
            holding = one.holding
            kind = "serialNumbers" if holding.serial_number is not None else "clientUserIds"
            holder = holding.serial_number or holding.client_user_id or ""
            key = holding.place, holding.uid, kind, holder
            held.setdefault(key, set()).add((holding.adam_id, holding.pricing))
    alike: dict[tuple[str, str, str, tuple[tuple[str, str], ...]], list[str]] = {}
    for (place, uid, kind, holder), assets in held.items():
        alike.setdefault((place, uid, kind, tuple(sorted(assets))), []).append(holder)
    for (place, uid, kind, assets_of_all), holders in alike.items():
        for some_assets in _slices(assets_of_all, MOST_ASSETS):
            for some in _slices(sorted(holders), MOST_HOLDERS):
                yield _batch(place, uid, kind, some_assets, some)


def _slices(whole: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def _batch(
    place: str, uid: str, kind: str, assets: Sequence[tuple[str, str]], holders: Sequence[str]
) -> dict[str, Any]:
    named = [{"adamId": adam_id, "pricingParam": pricing} for adam_id, pricing in assets]
    return {"location": place, "location_uid": uid, "body": {"assets": named, kind: list(holders)}}
