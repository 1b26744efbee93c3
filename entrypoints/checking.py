"""Checking: the state of everything in one line and one number, for cron, Nagios and readiness probes."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import typer

from apple.texts import clean
from orchestration.freshness import Freshness, Verdict, judge, spell_age

from .exits import KNOWN, explain
from .printing import give, give_json

if TYPE_CHECKING:
    from tasks.house import House

#: So many are named in the line; the others are counted.
_NAMED = 3


class Alarm(IntEnum):
    """What monitoring makes of it. These are the numbers that Nagios and its heirs expect."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Everything, judged."""

    verdicts: Sequence[Verdict]

    @property
    def bad(self) -> list[Verdict]:
        """What is not as it should be, the worst first."""
        bad = [one for one in self.verdicts if one.needs_person or one.freshness is not Freshness.FRESH]
        return sorted(bad, key=lambda one: (not one.needs_person, one.freshness is not Freshness.FAILING, -one.age))

    @property
    def alarm(self) -> Alarm:
        """How bad it is."""
        if any(one.needs_person or one.freshness is Freshness.FAILING for one in self.verdicts):
            return Alarm.CRITICAL
        return Alarm.WARNING if self.bad else Alarm.OK

    @property
    def oldest(self) -> timedelta:
        """How old the oldest stream is."""
        return max((one.age for one in self.verdicts), default=timedelta())

    def words(self) -> str:
        """Say it in one line, with the numbers that monitoring draws after a bar."""
        locations = len({one.location.id for one in self.verdicts})
        numbers = f"streams={len(self.verdicts)} bad={len(self.bad)} oldest={int(self.oldest.total_seconds())}s"
        if not self.verdicts:
            return f"PAGETURNER OK - no locations yet | {numbers}"
        new = sum(one.stream.seen_at is None for one in self.verdicts)
        if not self.bad:
            words = f"{len(self.verdicts) - new} streams of {locations} locations in step"
            more = f", {new} not read yet" if new else ""
            return f"PAGETURNER OK - {words}{more}, the oldest of {spell_age(self.oldest)} ago | {numbers}"
        named = "; ".join(_told(one) for one in self.bad[:_NAMED])
        more = f"; {len(self.bad) - _NAMED} more" if len(self.bad) > _NAMED else ""
        return f"PAGETURNER {self.alarm.name} - {named}{more} | {numbers}"


def look(house: "House", now: datetime, max_age: timedelta | None = None) -> Checked:
    """Judge every stream there is."""
    verdicts: list[Verdict] = []
    streams = house.streams.by_location()
    for location in house.locations.watched():
        verdicts += judge(location, streams.get(location.id, []), house.intervals, now, max_age)
    return Checked(verdicts=verdicts)


def check(house: "House", now: datetime, max_age: timedelta | None, *, json: bool) -> None:
    """Give the verdict, and end with its number."""
    checked = look(house, now, max_age)
    if json:
        bad = [_described(one) for one in checked.bad]
        seconds = int(checked.oldest.total_seconds())
        give_json({"as_of": now, "verdict": checked.alarm.name.lower(), "oldest_seconds": seconds, "bad": bad})
    else:
        give(checked.words())
    if checked.alarm:
        raise typer.Exit(checked.alarm)


@contextlib.contextmanager
def unknown() -> Iterator[None]:
    """Turn what keeps the verdict from being found into a verdict of its own."""
    try:
        yield
    except KNOWN as error:
        give(f"PAGETURNER UNKNOWN - {clean(explain(error)[0])}")
        raise typer.Exit(Alarm.UNKNOWN) from None


def _told(one: Verdict) -> str:
    name = f"{clean(one.location.name).replace('|', '/')} {one.stream.resource}"
    if one.needs_person:
        return f"{name} needs a person (token {one.location.state})"
    was = "was never in step" if one.stream.seen_at is None else f"last in step {spell_age(one.age)} ago"
    return f"{name} {was}, limit {spell_age(one.limit)}"


def _described(one: Verdict) -> dict[str, Any]:
    return {
        "location": one.location.name,
        "uid": one.location.uid,
        "resource": one.stream.resource,
        "freshness": one.freshness,
        "age_seconds": int(one.age.total_seconds()),
        "limit_seconds": int(one.limit.total_seconds()),
        "needs_person": one.needs_person,
    }
