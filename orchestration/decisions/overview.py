"""Overview: what is known of an installation at one moment, and how bad it is. Every surface shows this one. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.closings import Closing
from storage.ledger.progress import ProgressReport
from storage.ledger.streams import Stream
from storage.locations import Location
from storage.mirror.counts import Disagreement
from storage.states import CrawlState, LocationState

from .freshness import StreamFreshness
from .health import Alarm, Health, of_counts, of_stream, of_token

#: A crawl without a sign of life for this long is not being read at the moment.
SILENCE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class CrawlActivity:
    """A crawl that is under way, and whether a worker is at it."""

    #: `reading`, `publishing`, `waiting` (it goes on by itself) or `stopped` (no worker runs).
    state: str
    pages: int
    total: int | None
    crawl_id: int


@dataclass(frozen=True, kw_only=True)
class LocationFacts:
    """The facts about a location that are not stored with it and its streams."""

    #: The crawls under way, by their resources.
    reports: Mapping[str, ProgressReport]
    counts: Sequence[Disagreement]
    closing: Closing | None


@dataclass(frozen=True, kw_only=True)
class StreamView:
    """A stream as it stands."""

    verdict: StreamFreshness
    standing: Health
    reading: CrawlActivity | None

    @property
    def stream(self) -> Stream:
        """The stream."""
        return self.verdict.stream


@dataclass(frozen=True, kw_only=True)
class LocationView:
    """A location as it stands, with its streams."""

    location: Location
    token: Health
    streams: Sequence[StreamView]
    counts: Sequence[Disagreement]
    #: Until when its gate is shut, if it is.
    closing: Closing | None

    @property
    def is_bad(self) -> bool:
        """Whether there is anything to say of it, other than that its counts do not agree at Apple."""
        return bool(self.token.words) or any(one.standing.words for one in self.streams)

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each of its problems; lists that have one in common share it."""
        name = self.location.name
        if self.token.words:
            yield f"{name}: {self.token.words}"
        found: dict[str, list[str]] = {}
        for one in self.streams:
            if one.standing.words and one.standing.words != self.token.words:
                found.setdefault(one.standing.words, []).append(one.stream.resource)
        for words, resources in found.items():
            yield f"{name} {', '.join(resources)}: {words}"
        for words in of_counts(self.counts):
            yield f"{name} assignments: {words}"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is not as it should be."""

    alarm: Alarm
    words: str
    location: Location | None = None
    #: None if the problem is of the whole location, or of the whole installation.
    verdict: StreamFreshness | None = None

    @property
    def sentence(self) -> str:
        """The problem, with the location and the resource that it is about."""
        names = [] if self.location is None else [self.location.name]
        names += [] if self.verdict is None else [self.verdict.stream.resource]
        return f"{' '.join(names)}: {self.words}" if names else self.words


@dataclass(frozen=True, kw_only=True)
class Overview:
    """An installation as it stands."""

    now: datetime
    locations: Sequence[LocationView]
    #: When the scheduler last ran; None if it never did.
    ticked_at: datetime | None
    scheduler: Health
    notices: Health
    #: The servers that workers cannot reach, by name, with the error of each.
    outages: Mapping[str, str]

    @property
    def is_scheduler_running(self) -> bool:
        """Whether syncs start automatically."""
        return self.scheduler.words is None

    @property
    def verdicts(self) -> list[StreamFreshness]:
        """Every stream, judged."""
        return [stream.verdict for one in self.locations for stream in one.streams]

    @property
    def oldest(self) -> timedelta:
        """How old the oldest stream is."""
        return max((one.age for one in self.verdicts), default=timedelta())

    @property
    def troubles(self) -> list[Problem]:
        """What is not as it should be, the worst first, and nothing twice."""
        return sorted(self._troubles(), key=lambda one: (-one.alarm, one.verdict is not None))

    @property
    def alarm(self) -> Alarm:
        """How bad it is."""
        return max((one.alarm for one in self.troubles), default=Alarm.OK)

    def _troubles(self) -> Iterator[Problem]:
        for words in self.outages.values():
            yield Problem(alarm=Alarm.CRITICAL, words=words)
        if self.notices.words:
            yield Problem(alarm=self.notices.alarm, words=self.notices.words)
        for one in self.locations:
            if one.token.alarm:
                yield Problem(alarm=one.token.alarm, words=one.token.words or one.token.state, location=one.location)
            if one.location.state is not LocationState.VALID:
                continue
            for stream in one.streams:
                standing = stream.standing
                if standing.alarm:
                    words = standing.words or standing.state
                    yield Problem(alarm=standing.alarm, words=words, location=one.location, verdict=stream.verdict)

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each problem, in the order of the locations, and none twice."""
        for one in self.locations:
            yield from one.notes()
        yield from self.outages.values()
        if self.locations and self.scheduler.words:
            yield self.scheduler.words


def view(
    location: Location,
    verdicts: Sequence[StreamFreshness],
    now: datetime,
    seen: LocationFacts,
    *,
    is_scheduler_running: bool,
) -> LocationView:
    """Return a location as it stands, with every stream judged."""
    views = []
    for verdict in verdicts:
        report = seen.reports.get(verdict.stream.resource)
        goes_on = is_scheduler_running or seen.closing is not None
        reading = None if report is None else _activity(report, now, goes_on=goes_on)
        views.append(StreamView(verdict=verdict, standing=of_stream(verdict), reading=reading))
    token = of_token(location, now)
    return LocationView(location=location, token=token, streams=views, counts=seen.counts, closing=seen.closing)


def _activity(report: ProgressReport, now: datetime, *, goes_on: bool) -> CrawlActivity:
    state = "waiting" if goes_on else "stopped"
    if report.state is CrawlState.SETTLED:
        state = "publishing"
    elif now - report.heard_at <= SILENCE:
        state = "reading"
    return CrawlActivity(state=state, pages=report.pages, total=report.total, crawl_id=report.crawl_id)
