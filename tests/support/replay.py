"""Replaying the feed: what it tells, applied to nothing, is the mirror."""

import collections
import json
from collections.abc import Iterable
from typing import Any

from storage.mirror.feed import Change


def replay(changes: Iterable[Change]) -> "collections.Counter[str]":
    """Apply changes one after the other; one that does not fit what is there was told twice, or never was true."""
    state: dict[str, dict[str, Any]] = {}
    for change in changes:
        key = json.dumps(change.key, sort_keys=True)
        assert state.get(key) == change.before, f"change {change.seq} begins with what is not there"
        assert change.before != change.after, f"change {change.seq} changes nothing"
        if change.after is None:
            del state[key]
        else:
            state[key] = change.after
    records: collections.Counter[str] = collections.Counter()
    for record in state.values():
        own = {name: value for name, value in record.items() if name != "copies"}
        records[json.dumps(own, sort_keys=True)] += record.get("copies", 1)
    return records
