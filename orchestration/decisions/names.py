"""Naming: where the listing of an app is looked up next, together with which others, and when again. Pure."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from apple.listings import Storefront
from storage.listings import WantedListing

#: How many names one request asks for. It is more than one location has in most cases, and the service answers it.
BATCH = 50

#: A group that had no answer is asked for again in groups of a quarter: one bad id must not hide the others.
_SHRINK = 4

#: Where almost everything is sold, and where what is sold nowhere near may still be found.
_FALLBACK = "us"

#: The catalogues of what runs on a Mac, or on a television, alone.
_ELSEWHERE = ("macappstore", "atv9")

#: A listing is looked up again after a day, more or less, so that a thousand are not due at once.
_FRESH = timedelta(hours=24)
_SPREAD = 0.2

#: What no storefront has is looked up again after these, and then each week.
_MISSED = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24), timedelta(days=7))

#: What had no answer is asked for again after this; the gate of the service waits longer if it has trouble.
_FAILED = timedelta(minutes=1)
_FAILED_LIMIT = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one request asks for."""

    storefront: Storefront
    #: The uId of the location whose token shows it; empty without a token.
    owner: str
    wanted: Sequence[WantedListing]

    @property
    def adam_ids(self) -> list[str]:
        """Return the ids, each once."""
        return list(dict.fromkeys(one.adam_id for one in self.wanted))


def storefronts(wanted: WantedListing, countries: Sequence[str]) -> list[Storefront]:
    """Return where to look, in this order: at home, where it was found, where others have it, and in all catalogues.

    With a token there is one storefront: it shows what its own country's store has for its owner.
    """
    home = wanted.seen_from
    if wanted.owner:
        return [home]
    known = [] if wanted.found_at is None else [wanted.found_at]
    abroad = [Storefront(country=one, catalogue=home.catalogue) for one in (*countries, _FALLBACK)]
    others = [Storefront(country=home.country, catalogue=one) for one in _ELSEWHERE]
    return list(dict.fromkeys([home, *known, *abroad, *others]))


def next_storefront(wanted: WantedListing, countries: Sequence[str]) -> Storefront | None:
    """Return where to look next; None if everywhere was looked without success."""
    order = storefronts(wanted, countries)
    if wanted.tried is None or wanted.tried not in order:
        return order[0]
    return next(iter(order[order.index(wanted.tried) + 1 :]), None)


def choose_batch(due: Sequence[WantedListing], countries: Mapping[str, Sequence[str]]) -> Batch | None:
    """Return what to ask for next: what waits for the longest, and with it what is looked up at the same storefront."""
    where = {
        one: storefront
        for one in due
        if (storefront := next_storefront(one, countries.get(one.adam_id, ()))) is not None
    }
    if not where:
        return None
    first, storefront = next(iter(where.items()))
    size = max(1, BATCH // _SHRINK**first.failures)
    same = [
        one
        for one, other in where.items()
        if (other, one.owner, one.failures) == (storefront, first.owner, first.failures)
    ]
    ids: dict[str, None] = {}
    chosen = []
    for one in same:
        if one.adam_id in ids or len(ids) < size:
            ids[one.adam_id] = None
            chosen.append(one)
    return Batch(storefront=storefront, owner=first.owner, wanted=chosen)


def fresh_for(adam_id: str) -> timedelta:
    """Return for how long a listing that was found is not looked up again."""
    share = zlib.crc32(adam_id.encode()) / 2**32
    return _FRESH * (1 + _SPREAD * (2 * share - 1))


def missed_for(misses: int) -> timedelta:
    """Return for how long a listing is not looked up again that no storefront had, so many times in a row."""
    return _MISSED[min(misses, len(_MISSED)) - 1]


def failed_for(failures: int) -> timedelta:
    """Return when to ask again for what had no answer, so many times in a row."""
    return min(_FAILED_LIMIT, _FAILED * int(2 ** min(failures - 1, 10)))
