"""Triage: what of an installation needs a person, what is late and mends itself, and what is in step. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from apple.errors import AppleError, Away, SlowDown, Stale
from storage.states import LocationState

from .freshness import Freshness
from .health import Alarm, Health
from .overview import LocationView, Overview, StreamView


class Remedy(StrEnum):
    """What the console itself can do about something."""

    NONE = "none"
    ACCEPT = "accept"  #: let held deletes through, or a new owner
    SYNC = "sync"  #: try again now


@dataclass(frozen=True, kw_only=True)
class Matter:
    """One thing that is not as it should be."""

    alarm: Alarm
    #: What happened, and what to do about it.
    words: str
    #: The location's name and uId; None for what is of the whole installation.
    place: str | None = None
    uid: str | None = None
    #: The lists that it is about; empty for the whole location.
    resources: Sequence[str] = ()
    #: Since when; None where that is not known.
    since: datetime | None = None
    #: When it is tried again.
    next_at: datetime | None = None
    remedy: Remedy = Remedy.NONE


@dataclass(frozen=True, kw_only=True)
class Triage:
    """An installation, sorted by who has to do something."""

    needs_you: Sequence[Matter]
    late: Sequence[Matter]
    #: How many locations have nothing to say of, and how many of them were not read yet.
    in_step: int
    new: int


def triage(overview: Overview, since: Mapping[str, datetime]) -> Triage:
    """Sort what is not as it should be, the worst first; `since` says from when on locations were refused."""
    needs_you, late = [*_of_installation(overview)], list[Matter]()
    in_step = new = 0
    for one in overview.locations:
        mine, others = _of_location(one, overview, since)
        needs_you += mine
        late += others
        if not mine and not others:
            is_new = any(stream.stream.seen_at is None for stream in one.streams)
            in_step, new = in_step + (not is_new), new + is_new
    return Triage(needs_you=sorted(needs_you, key=_rank), late=sorted(late, key=_rank), in_step=in_step, new=new)


def _rank(matter: Matter) -> tuple[int, str]:
    return -matter.alarm, matter.place or ""


def _of_installation(overview: Overview) -> Iterator[Matter]:
    for words in overview.outages.values():
        yield Matter(alarm=Alarm.CRITICAL, words=words)
    if overview.notices.words:
        yield Matter(alarm=overview.notices.alarm, words=overview.notices.words)
    if overview.locations and overview.scheduler.words:
        yield Matter(alarm=Alarm.WARNING, words=overview.scheduler.words, since=overview.ticked_at)


def _of_location(
    one: LocationView, overview: Overview, since: Mapping[str, datetime]
) -> tuple[list[Matter], list[Matter]]:
    """Return what of a location needs a person, and what is late."""
    location = one.location
    place, uid = location.name, location.uid
    needs_you, late = list[Matter](), list[Matter]()
    if one.token.words:
        is_foreign = location.state is LocationState.FOREIGN
        refused = None if location.state is LocationState.VALID else since.get(uid)
        needs_you.append(
            Matter(
                alarm=one.token.alarm,
                words=one.token.words,
                place=place,
                uid=uid,
                since=refused,
                remedy=Remedy.ACCEPT if is_foreign else Remedy.NONE,
            )
        )
    if location.state is not LocationState.VALID:
        return needs_you, late
    goes_on = overview.is_scheduler_running
    for words, streams in _alike(one.streams).items():
        standing, first = streams[0].standing, streams[0]
        matter = Matter(
            alarm=max(stream.standing.alarm for stream in streams),
            words=words,
            place=place,
            uid=uid,
            resources=[stream.stream.resource for stream in streams],
            since=_since(first),
            next_at=_next(first, one) if goes_on else None,
            remedy=Remedy.ACCEPT if standing.state == "held" else Remedy.SYNC,
        )
        (needs_you if _needs_person(standing) else late).append(matter)
    return needs_you, late


def _alike(streams: Sequence[StreamView]) -> dict[str, list[StreamView]]:
    """Return the streams of which there is something to say, those of which the same is said together."""
    found: dict[str, list[StreamView]] = {}
    for one in streams:
        if one.standing.words:
            found.setdefault(one.standing.words, []).append(one)
    return found


def _needs_person(standing: Health) -> bool:
    if standing.state == "held":
        return True
    return standing.state == "failing" and not mends_itself(standing.about)


def mends_itself(error: str | None) -> bool:
    """Return whether trouble with an error of this name may end without a person."""
    return error is None or error in _PASSING


def _since(view: StreamView) -> datetime | None:
    stream = view.stream
    if view.standing.state == "held":
        return stream.held_at
    return None if view.standing.state == "torn" else stream.seen_at


def _next(view: StreamView, one: LocationView) -> datetime | None:
    """Return when a stream is read next: not while its gate is shut."""
    due, shut = view.stream.due_at, None if one.closing is None else one.closing.until
    if view.verdict.freshness is Freshness.FRESH and due is None:
        return shut
    return due if shut is None or (due is not None and due > shut) else shut


def _with_derived(kind: type[AppleError]) -> Iterator[str]:
    yield kind.__name__
    for derived in kind.__subclasses__():
        yield from _with_derived(derived)


#: The errors that end by themselves, and those that a later crawl meets with what it then knows.
_PASSING = {*_with_derived(Away), *_with_derived(SlowDown), *_with_derived(Stale), "NoPermit", "DatabaseAway", "late"}
