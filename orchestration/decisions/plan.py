"""Plan: the steps from the locations that are kept to those that a file declares. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apple.client import ClientConfig
from apple.tokens import Token
from storage.ledger.streams import Stream
from storage.locations import Location

KINDS = ("delta", "full", "deep")

#: The intervals of one resource, in seconds, by kind; None is the default.
Every = Mapping[str, int | None]


class NameTaken(Exception):
    """Two locations would have one name."""


@dataclass(frozen=True, kw_only=True)
class DeclaredLocation:
    """A location as a file declares it, with the uId that its token is for."""

    uid: str
    name: str
    token: Token = field(repr=False)
    owner: str | None
    every: Mapping[str, Every]
    #: What Apple said of it, where it was asked.
    config: ClientConfig | None = None

    @property
    def resources(self) -> list[str]:
        """What of it is to be mirrored."""
        return list(self.every)


@dataclass(frozen=True, kw_only=True)
class KeptLocation:
    """A location as it is kept."""

    location: Location
    token: str = field(repr=False)
    streams: Sequence[Stream]


@dataclass(frozen=True, kw_only=True)
class PlanStep:
    """One thing to do, and how it is shown."""

    verb: str
    uid: str
    name: str
    words: str
    declared: DeclaredLocation | None = None
    resource: str | None = None
    every: Every = field(default_factory=dict)


def plan(declared: Sequence[DeclaredLocation], kept: Sequence[KeptLocation], *, prune: bool) -> list[PlanStep]:
    """Return the steps that make the kept locations what the file declares. Only `prune` removes anything."""
    known = {one.location.uid: one for one in kept}
    others = left_out(declared, kept)
    _refuse_taken(declared, [] if prune else others)
    steps = [_remove(one) for one in others] if prune else []
    for one in declared:
        old = known.get(one.uid)
        steps += _add(one) if old is None else _change(one, old)
    return steps


def _refuse_taken(declared: Sequence[DeclaredLocation], others: Sequence[Location]) -> None:
    names = {one.name: one.uid for one in others}
    for one in declared:
        if names.setdefault(one.name, one.uid) != one.uid:
            raise NameTaken(f"The name '{one.name}' would be that of {names[one.name]} and of {one.uid}.")


def left_out(declared: Sequence[DeclaredLocation], kept: Sequence[KeptLocation]) -> list[Location]:
    """Return the locations that a file does not declare."""
    wanted = {one.uid for one in declared}
    return [one.location for one in kept if one.location.uid not in wanted]


def _remove(one: Location) -> PlanStep:
    words = "watched no more; its token is erased, what was mirrored is kept"
    return PlanStep(verb="remove", uid=one.uid, name=one.name, words=words)


def _add(one: DeclaredLocation) -> list[PlanStep]:
    words = ", ".join(one.resources)
    added = PlanStep(verb="add", uid=one.uid, name=one.name, words=words, declared=one)
    timed = [_time(one, resource, every) for resource, every in one.every.items() if any(every.values())]
    return [added, *timed]


def _change(one: DeclaredLocation, old: KeptLocation) -> list[PlanStep]:
    steps = []
    location = old.location
    if location.name != one.name:
        words = f"'{location.name}' is called '{one.name}' from now on"
        steps.append(PlanStep(verb="rename", uid=one.uid, name=one.name, words=words))
    if old.token != one.token.text:
        words = f"another token, which expires on {one.token.expires:%Y-%m-%d}"
        steps.append(PlanStep(verb="rotate", uid=one.uid, name=one.name, words=words, declared=one))
    watched = {stream.resource: stream for stream in old.streams}
    if set(watched) != set(one.resources):
        words = _difference(watched, one.resources)
        steps.append(PlanStep(verb="watch", uid=one.uid, name=one.name, words=words, declared=one))
    for resource, every in one.every.items():
        now = {kind: getattr(watched.get(resource), f"{kind}_seconds", None) for kind in KINDS}
        if now != dict(every):
            steps.append(_time(one, resource, every))
    return steps


def _difference(watched: Mapping[str, Stream], wanted: Sequence[str]) -> str:
    more = [f"+{one}" for one in wanted if one not in watched]
    less = [f"-{one}" for one in watched if one not in wanted]
    return ", ".join(more + less)


def _time(one: DeclaredLocation, resource: str, every: Every) -> PlanStep:
    intervals = [f"{kind} {spell(every[kind])}" for kind in KINDS]
    words = f"{resource}: {', '.join(intervals)}"
    return PlanStep(verb="time", uid=one.uid, name=one.name, words=words, resource=resource, every=every)


def spell(seconds: int | None) -> str:
    """Return an interval as a file has it: `15m`, `6h`."""
    if seconds is None:
        return "as usual"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
