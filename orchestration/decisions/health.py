"""Standing: what is the matter with a location's token or a stream, and what a person can do about it. Pure.

One sentence each, the same on every surface.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from storage.ledger.streams import Stream
from storage.locations import Location
from storage.mirror.counts import Disagreement, Look
from storage.states import LocationState, Reason

from .age import spell_age
from .freshness import Freshness, StreamFreshness

#: Days before a token's end on which it is time to say so, ever more urgently.
WARN_DAYS = (30, 14, 7, 1)

#: How many assets whose counts disagree get a sentence each.
TOLD = 3


#: A token that expires within this many days is a warning, or critical, for monitoring.
_ALARM_DAYS = 14
_CRITICAL_DAYS = 1

#: The first reading that is torn is followed by another at once.
_TORN = 2


class Alarm(IntEnum):
    """What monitoring makes of it. These are the numbers that Nagios and its heirs expect."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, kw_only=True)
class Health:
    """How something stands: a word, a sentence where there is something to say, and how bad it is."""

    state: str
    words: str | None = None
    alarm: Alarm = Alarm.OK
    #: Of a token that expires: within which of the warnings' days.
    within_days: int | None = None


def of_token(location: Location, now: datetime) -> Health:
    """Return the standing of a location's token."""
    if location.state is not LocationState.VALID:
        words = location.problem or _untold(location, location.state)
        return Health(state=location.state, words=words, alarm=Alarm.CRITICAL)
    left = location.token_expires - now
    if left <= timedelta():
        return Health(state=LocationState.EXPIRED, words=_untold(location, LocationState.EXPIRED), alarm=Alarm.CRITICAL)
    within = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if not within:
        return Health(state=LocationState.VALID)
    words = f"The token expires in {_days(left)}, on {location.token_expires:%Y-%m-%d}: renew it at Apple."
    words = f"{words} {rotating(location.name)}"
    return Health(state="expiring", words=words, alarm=_of_days(within[-1]), within_days=within[-1])


def _of_days(within: int) -> Alarm:
    if within > _ALARM_DAYS:
        return Alarm.OK
    return Alarm.CRITICAL if within <= _CRITICAL_DAYS else Alarm.WARNING


def of_stream(verdict: StreamFreshness) -> Health:
    """Return the standing of a stream."""
    location, stream = verdict.location, verdict.stream
    if location.state is not LocationState.VALID:
        return Health(state=location.state, words=stream.problem, alarm=Alarm.CRITICAL)
    alarm = _ALARMS[verdict.freshness]
    if stream.problem:
        return Health(state="failing", words=stream.problem, alarm=max(alarm, Alarm.WARNING))
    if stream.held_deletes:
        words = (
            f"{stream.held_deletes} deletes are held, since they would take most of it: sync again to confirm them, "
        )
        words += f"or let them through with `pageturner accept {shlex.quote(location.name)}`."
        return Health(state="held", words=words, alarm=max(alarm, Alarm.WARNING))
    if verdict.freshness is not Freshness.FRESH:
        return Health(state=verdict.freshness, words=_late(verdict), alarm=alarm)
    if stream.full_wanted == Reason.TORN:
        is_stubborn = stream.torn_fulls >= _TORN
        return Health(state="torn", words=_torn(stream), alarm=Alarm.WARNING if is_stubborn else Alarm.OK)
    return Health(state="new" if stream.seen_at is None else verdict.freshness)


def of_counts(disagreements: Sequence[Disagreement]) -> list[str]:
    """Return a sentence for each asset whose count and list disagree at Apple; of many, for the first ones."""
    told = [_of_count(one, one.last) for one in disagreements[:TOLD] if one.last is not None]
    rest = len(disagreements) - TOLD
    return told if rest <= 0 else [*told, f"{rest} more assets are counted and listed differently: status --json."]


def _of_count(one: Disagreement, last: Look) -> str:
    numbers = (
        f"Apple counts {one.counted} assignments of asset {one.adam_id} {one.pricing_param} and lists {one.listed}"
    )
    times = "once" if last.attempts == 1 else f"{last.attempts} times"
    return f"{numbers}; looked into {times}, and again from {last.again_at:%Y-%m-%d %H:%M} UTC on."


def _late(verdict: StreamFreshness) -> str:
    was = "Never in step" if verdict.stream.seen_at is None else f"Last in step {spell_age(verdict.age)} ago"
    return f"{was}, and due every {spell_age(verdict.limit)}: are `pageturner beat` and `pageturner worker` running?"


def _torn(stream: Stream) -> str:
    words = "The data changed too often while it was read: removals wait for the next full crawl"
    if stream.full_after is None or stream.torn_fulls < _TORN:
        return words + ", which the next sync makes."
    return words + f", from {stream.full_after:%Y-%m-%d %H:%M} UTC on (torn {stream.torn_fulls} times in a row)."


def _days(left: timedelta) -> str:
    if left < timedelta(days=1):
        return "less than a day"
    return "1 day" if left.days == 1 else f"{left.days} days"


_ALARMS = {Freshness.FRESH: Alarm.OK, Freshness.LATE: Alarm.WARNING, Freshness.FAILING: Alarm.CRITICAL}

#: The sentence for a state for which no other was noted.
_UNTOLD = {
    LocationState.EXPIRED: "The token's date has passed: download a new one from Apple.",
    LocationState.REVOKED: "The token was revoked: download the newest one from Apple.",
    LocationState.WRONG: "Apple does not know the token: download the newest one from Apple.",
    LocationState.FOREIGN: "Another service manages the location: if that is meant to be, `pageturner accept NAME`.",
}


def rotating(name: str) -> str:
    """Return the command that puts a newer token into effect."""
    return f"Then: `pageturner locations rotate {shlex.quote(name)} FILE`."


def _untold(location: Location, state: LocationState) -> str:
    words = _UNTOLD[state]
    return words if state is LocationState.FOREIGN else f"{words} {rotating(location.name)}"
