"""The declaration: make the kept locations what a file declares."""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from apple.client import ClientConfig
from orchestration.decisions.plan import DeclaredLocation, KeptLocation, NameTaken, PlanStep, left_out, plan
from storage.locations import Location

from ..exits import Exit, Failure
from ..terminal import say, write, write_json
from .context import wake, with_gate
from .locations_file import LocationEntry, read_file

if TYPE_CHECKING:
    from tasks.services import Services

#: How many new tokens are checked with Apple at a time: each has a gate of its own.
_AT_ONCE = 16

_SIGNS = {"add": "+", "remove": "-"}


def apply_file(file: Path, *, is_dry: bool, prune: bool, is_sure: bool, json: bool) -> bool:
    """Show the steps from what is kept to what the file declares, and unless this is a dry run, do them.

    Return whether there were any.
    """
    entries = read_file(file)
    with with_gate() as services:
        kept = _kept(services)
        declared = _identify(services, entries, kept)
        others = left_out(declared, kept)
        try:
            steps = plan(declared, kept, prune=prune)
        except NameTaken as error:
            raise Failure(f"{file}: {error}", Exit.USAGE) from None
        _show(steps, [] if prune else others, json=json)
        if prune and not (is_sure or is_dry) and len(others) * 2 > len(kept):
            words = f"That would take out {len(others)} of {len(kept)} locations; nothing was done."
            raise Failure(f"{words} If it is meant to be, say so with --yes.", Exit.PERSON)
        if not is_dry:
            _do_all(services, steps)
    if not json:
        done = "would be done; nothing was" if is_dry else "done"
        count = "1 step" if len(steps) == 1 else f"{len(steps):,} steps"
        say(f"{count} {done}." if steps else "All is as the file says.")
    return bool(steps)


def _kept(services: "Services") -> list[KeptLocation]:
    streams = services.store.streams.by_location()
    return [
        KeptLocation(location=one, token=services.store.locations.token(one).text, streams=streams.get(one.id, []))
        for one in services.store.locations.watched()
    ]


def _identify(
    services: "Services", entries: Sequence[LocationEntry], kept: Sequence[KeptLocation]
) -> list[DeclaredLocation]:
    """Find the location of each entry: by its token if that is kept, else by asking Apple."""
    by_token = {one.token: one.location for one in kept}
    names = {one.location.uid: one.location.name for one in kept}

    def find(entry: LocationEntry) -> Location | ClientConfig:
        return by_token.get(entry.token.text) or _ask(services, entry, names)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        whose = list(pool.map(find, entries))
    declared: list[DeclaredLocation] = []
    for entry, found in zip(entries, whose, strict=True):
        if entry.uid not in {None, found.uid}:
            raise Failure(f"{entry.file} opens location {found.uid}, and not {entry.uid}.", Exit.USAGE)
        taken = {one.name for one in declared} | {name for uid, name in names.items() if uid != found.uid}
        name = entry.name or names.get(found.uid) or _free(found.name or found.uid, found.uid, taken)
        config = found if isinstance(found, ClientConfig) else None
        declared.append(
            DeclaredLocation(
                uid=found.uid, name=name, token=entry.token, owner=found.owner, every=entry.every, config=config
            )
        )
    _refuse_twice(declared)
    return declared


def _ask(services: "Services", entry: LocationEntry, names: dict[str, str]) -> ClientConfig:
    if entry.token.is_expired(datetime.now(UTC)):
        words = f"The token in {entry.file} expired on {entry.token.expires:%Y-%m-%d}: download a new one from Apple."
        raise Failure(words, Exit.PERSON)
    return services.use_cases.token_checker.ask(entry.token, entry.uid if entry.uid in names else None)


def _free(name: str, uid: str, taken: set[str]) -> str:
    """Return a name that no other location has: at Apple, several may have the same."""
    return f"{name} {uid}" if name in taken else name


def _refuse_twice(declared: Sequence[DeclaredLocation]) -> None:
    seen: dict[str, str] = {}
    for one in declared:
        if one.uid in seen:
            words = f"'{seen[one.uid]}' and '{one.name}' are the same location, {one.uid}: one entry is enough."
            raise Failure(words, Exit.USAGE)
        seen[one.uid] = one.name


def _show(steps: Sequence[PlanStep], others: Sequence[Location], *, json: bool) -> None:
    if json:
        given = [{"do": one.verb, "uid": one.uid, "name": one.name, "what": one.words} for one in steps]
        write_json({"steps": given, "not_declared": [{"uid": one.uid, "name": one.name} for one in others]})
        return
    for sign, verb, of, words in _folded(steps):
        write(f"{sign} {verb:<6} {of}: {words}")
    if others:
        names = _named([f"{other.name} ({other.uid})" for other in others])
        write(f"  keep   {names}: not in the file; --prune would stop watching what is not")


#: So many steps of one kind are shown each for itself; of more, those that are alike are one line.
_ALONE = 5

#: And so many lines of one kind.
_LINES = 20


def _folded(steps: Sequence[PlanStep]) -> Iterator[tuple[str, str, str, str]]:
    """Yield a line for each step: sign, verb, what it is about, and its words; steps that are alike share one."""
    by_verb: dict[str, list[PlanStep]] = {}
    for step in steps:
        by_verb.setdefault(step.verb, []).append(step)
    for verb, mine in by_verb.items():
        alike: dict[str, list[str]] = {}
        for place, step in enumerate(mine):
            key = step.words if len(mine) > _ALONE else f"{place} {step.words}"
            alike.setdefault(key, []).append(f"{step.name} ({step.uid})")
        sign = _SIGNS.get(verb, "~")
        for key, names in itertools.islice(alike.items(), _LINES):
            yield sign, verb, _named(names), key if len(mine) > _ALONE else key.partition(" ")[2]
        if len(alike) > _LINES:
            rest = sum(map(len, itertools.islice(alike.values(), _LINES, None)))
            yield sign, verb, f"{rest:,} more", "--json names them"


def _named(names: Sequence[str]) -> str:
    """Return names, of many the first ones and how many more there are."""
    if len(names) <= _ALONE:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3:,} more"


def _do_all(services: "Services", steps: Sequence[PlanStep]) -> None:
    """Do the steps: what gives up its name first, then all new names at once, then the rest."""
    renamed = {step.uid: step.name for step in steps if step.verb == "rename"}
    for step in steps:
        if step.verb == "remove":
            services.store.locations.remove(step.name)
    services.store.locations.rename(renamed)
    rest = [step for step in steps if step.verb not in {"remove", "rename"}]
    for uid, mine in itertools.groupby(rest, lambda step: step.uid):
        for step in mine:
            _do(services, step)
        wake(services, uid)


def _do(services: "Services", step: PlanStep) -> None:
    locations, declared = services.store.locations, step.declared
    match step.verb, declared:
        case "time", _:
            locations.time(step.uid, step.resource or "", step.every)
        case "add", DeclaredLocation():
            added = locations.add(declared.name, declared.uid, declared.token, declared.owner, declared.resources)
            if declared.config is not None:
                services.use_cases.token_checker.note(added, declared.config)
        case "rotate", DeclaredLocation():
            locations.rotate(declared.name, declared.token)
        case "watch", DeclaredLocation():
            locations.watch(declared.name, declared.resources)
