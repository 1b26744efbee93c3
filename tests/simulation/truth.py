"""What Apple had, at every moment of a life, to compare with what the mirror and its feed say."""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any

from apple.records import apple_names
from apple.resources import RESOURCES
from simulator.location import SimulatedLocation
from simulator.renderer import Cut
from storage.mirror.feed import Change
from tests.support.cluster import canonical

#: Records that have no key of their own: many Retired ones may be alike.
_RETIRED = "Retired"


class Truth:
    """The history of each record of a location."""

    def __init__(self, apple: SimulatedLocation, resources: list[str]) -> None:
        self._apple = apple
        self._resources = resources
        #: By resource and key: what the record was, one state after the other; None while it was not there.
        self._history: dict[tuple[str, str], list[str | None]] = defaultdict(lambda: [None])
        self._known: dict[str, set[str]] = defaultdict(set)
        #: By resource and version: the records that there were.
        self.snapshots: dict[tuple[str, str], set[str]] = {}
        self.note(resources)

    def note(self, changed: Iterable[str]) -> None:
        """Note what Apple has now of resources that changed."""
        for resource in changed:
            records = {_key_of(resource, record): canonical(record) for record in self._records(resource)}
            known = self._known[resource]
            for key in known | set(records):
                states = self._history[resource, key]
                if states[-1] != records.get(key):
                    states.append(records.get(key))
            known |= set(records)
            version = self._apple.organisation.listings[resource].version
            self.snapshots[resource, version] = set(records.values())

    def check(self, changes: list[Change]) -> None:
        """Check that each record of the feed went through states that it had at Apple, in their order."""
        places: dict[tuple[str, str], int] = defaultdict(int)
        for change in changes:
            if "retired" in change.key:
                continue
            where = change.resource, _name_of(change.key)
            states = self._history.get(where, [None])
            wanted = None if change.after is None else canonical(change.after)
            later = [place for place in range(places[where] + 1, len(states)) if states[place] == wanted]
            assert later, f"change {change.seq} ({change.op} {where}) is of a state that Apple did not have then"
            places[where] = later[0]

    def records(self, resource: str) -> list[str]:
        """Return all records that Apple has now."""
        return sorted(canonical(json.loads(record)) for record in self._apple.rendering.records(Cut(resource)))

    def _records(self, resource: str) -> list[dict[str, Any]]:
        records = [json.loads(record) for record in self._apple.rendering.records(Cut(resource))]
        return [record for record in records if resource != "users" or record.get("status") != _RETIRED]


def _key_of(resource: str, record: dict[str, Any]) -> str:
    return _name_of({name: record[name] for name in _key_names(resource) if name in record})


@cache
def _key_names(resource: str) -> list[str]:
    described = RESOURCES[resource]
    names = apple_names(described.record)
    return [names[name] for name in described.key] or ["clientUserId"]


def _name_of(key: dict[str, Any]) -> str:
    return json.dumps({name: str(value) for name, value in key.items() if value is not None}, sort_keys=True)
