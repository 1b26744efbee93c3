"""Health: what is the matter with a token, a stream or the installation. Pure.

One sentence each, the same on every surface. The advice on it is not from here: it speaks of commands.
"""

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

#: How many days before a token's end it is reported as expiring, ever more urgently.
WARN_DAYS = (30, 14, 7, 1)

#: How many assets whose counts disagree get a sentence each.
SHOWN = 3

#: The scheduler did nothing for this long: it does not run, or no worker does its chores.
STILL = timedelta(minutes=1)

#: A token that expires within this many days is a warning, or critical, for monitoring.
_ALARM_DAYS = 14
_CRITICAL_DAYS = 1

#: After the first torn crawl another follows at once; this many in a row are worth a warning.
_TORN = 2


class Alarm(IntEnum):
    """The verdict for monitoring, with the numbers of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, kw_only=True)
class Health:
    """How something stands: a state, a sentence if there is something to say, and how bad it is."""

    state: str
    words: str | None = None
    alarm: Alarm = Alarm.OK
    #: The error or the state that there may be advice on.
    about: str | None = None
    #: Of a token that expires: within which of the warnings' days.
    within_days: int | None = None


def of_token(location: Location, now: datetime) -> Health:
    """Return the standing of a location's token."""
    if location.state is not LocationState.VALID:
        words, error = _REFUSALS[location.state]
        about = error if location.problem is None else location.error
        return Health(state=location.state, words=location.problem or words, alarm=Alarm.CRITICAL, about=about)
    left = location.token_expires - now
    if left <= timedelta():
        words, error = _REFUSALS[LocationState.EXPIRED]
        return Health(state=LocationState.EXPIRED, words=words, alarm=Alarm.CRITICAL, about=error)
    within = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if not within:
        return Health(state=LocationState.VALID)
    words = f"The token expires in {_days(left)}, on {location.token_expires:%Y-%m-%d}."
    alarm = _of_days(within[-1])
    return Health(state="expiring", words=words, alarm=alarm, about="expiring", within_days=within[-1])


def _of_days(within: int) -> Alarm:
    if within > _ALARM_DAYS:
        return Alarm.OK
    return Alarm.CRITICAL if within <= _CRITICAL_DAYS else Alarm.WARNING


def of_stream(verdict: StreamFreshness) -> Health:
    """Return the standing of a stream."""
    location, stream = verdict.location, verdict.stream
    if location.state is not LocationState.VALID:
        return Health(state=location.state, words=stream.problem, alarm=Alarm.CRITICAL, about=stream.error)
    alarm = _ALARMS[verdict.freshness]
    if stream.problem:
        return Health(state="failing", words=stream.problem, alarm=max(alarm, Alarm.WARNING), about=stream.error)
    if stream.held_deletes:
        words = f"{stream.held_deletes} deletes are held, since they would take most of it."
        return Health(state="held", words=words, alarm=max(alarm, Alarm.WARNING), about="held")
    if verdict.freshness is not Freshness.FRESH:
        return Health(state=verdict.freshness, words=_late(verdict), alarm=alarm, about="late")
    if stream.full_wanted == Reason.TORN:
        is_stubborn = stream.torn_fulls >= _TORN
        return Health(state="torn", words=_torn(stream), alarm=Alarm.WARNING if is_stubborn else Alarm.OK)
    return Health(state="new" if stream.seen_at is None else verdict.freshness)


def of_counts(disagreements: Sequence[Disagreement]) -> list[str]:
    """Return a sentence for each asset whose count and list disagree at Apple; of many, for the first ones."""
    shown = [_of_count(one, one.last) for one in disagreements[:SHOWN] if one.last is not None]
    rest = len(disagreements) - SHOWN
    return (
        shown
        if rest <= 0
        else [*shown, f"{rest} more assets are counted and listed differently: `status --json` has all."]
    )


def _of_count(one: Disagreement, last: Look) -> str:
    numbers = (
        f"Apple counts {one.counted} assignments of asset {one.adam_id} {one.pricing_param} and lists {one.listed}"
    )
    times = "once" if last.attempts == 1 else f"{last.attempts} times"
    return f"{numbers}; looked into {times}, and again after {last.again_at:%Y-%m-%d %H:%M} UTC."


def _late(verdict: StreamFreshness) -> str:
    was = "Never in step" if verdict.stream.seen_at is None else f"Last in step {spell_age(verdict.age)} ago"
    return f"{was}, and due every {spell_age(verdict.limit)}."


def _torn(stream: Stream) -> str:
    words = "The data changed too often while they were read: removals wait for the next full crawl"
    if stream.full_after is None or stream.torn_fulls < _TORN:
        return words + ", which the next sync makes."
    return words + f", from {stream.full_after:%Y-%m-%d %H:%M} UTC on (torn {stream.torn_fulls} times in a row)."


def _days(left: timedelta) -> str:
    if left < timedelta(days=1):
        return "less than a day"
    return "1 day" if left.days == 1 else f"{left.days} days"


_ALARMS = {Freshness.FRESH: Alarm.OK, Freshness.LATE: Alarm.WARNING, Freshness.FAILING: Alarm.CRITICAL}

#: The sentence for a state for which no other was stored, and the error that it stands for.
_REFUSALS = {
    LocationState.EXPIRED: ("The token's date has passed.", "TokenExpired"),
    LocationState.REVOKED: ("The token was revoked.", "TokenRevoked"),
    LocationState.WRONG: ("Apple does not know the token.", "TokenWrong"),
    LocationState.FOREIGN: ("Another service manages the location.", "OtherOwner"),
}


def of_scheduler(ticked_at: datetime | None, now: datetime) -> Health:
    """Return how the scheduler stands: syncs start automatically while it sends its chores and a worker does them."""
    if ticked_at is None:
        return Health(state="never", words="No scheduler runs.", about="never")
    if now - ticked_at <= STILL:
        return Health(state="running")
    ago = spell_age(now - ticked_at)
    return Health(state="still", words=f"No automatic syncs: the scheduler last ran {ago} ago.", about="still")


def of_notices(unhandled: int, since: datetime | None, now: datetime) -> Health:
    """Return how the notices stand: whether any waits for longer than handling it takes."""
    if since is None or now - since <= STILL:
        return Health(state="handled")
    words = f"{unhandled} notices have been waiting since {since:%Y-%m-%d %H:%M} UTC."
    return Health(state="unhandled", words=words, alarm=Alarm.WARNING, about="unhandled")
