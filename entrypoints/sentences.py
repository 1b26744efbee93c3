"""Sentences: changes as a person tells them, those of one app in one crawl together."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apple.texts import clean

if TYPE_CHECKING:
    from storage.listings import Listings
    from storage.mirror.feed import Change

#: How many holders or users a sentence names; the others are counted.
_NAMED = 4

#: How many changes are read before their names are looked up together.
_AT_ONCE = 1000

#: The pricing that is not told.
_USUAL = "STDQ"

_SIGNS = {"insert": "+", "delete": "-"}

#: What happened to a thing of a list, other than an assignment or a licence.
_DONE = {"insert": "added", "delete": "removed", "retire": "retired", "list": "listed as retired"}


@dataclass(kw_only=True)
class Group:
    """Changes that are told together."""

    first: "Change"
    #: The number of the last of them.
    seq: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    #: Some of those that it is about, by what happened.
    some: dict[str, list[str]] = field(default_factory=dict)

    def add(self, change: "Change", op: str, whom: str) -> None:
        """Add a change."""
        self.seq = max(self.seq, change.seq)
        self.counts[op] = self.counts.get(op, 0) + 1
        named = self.some.setdefault(op, [])
        if len(named) < _NAMED:
            named.append(whom)


def sentences(changes: "Iterable[Change]", listings: "Listings") -> Iterator[tuple["Group", str]]:
    """Yield groups of changes, each with its sentence. Those of one crawl follow each other in the feed."""
    crawl: list[Change] = []
    for change in changes:
        if crawl and (change.crawl != crawl[0].crawl or len(crawl) >= _AT_ONCE):
            yield from _of_crawl(crawl, listings)
            crawl = []
        crawl.append(change)
    yield from _of_crawl(crawl, listings)


def _of_crawl(crawl: "list[Change]", listings: "Listings") -> Iterator[tuple["Group", str]]:
    """Yield the groups of some changes of one crawl."""
    ids = {one for change in crawl if (one := _adam_id(change)) is not None}
    names = listings.names({change.uid for change in crawl}, ids) if ids else {}
    retired = _retired(crawl)
    groups: dict[Any, Group] = {}
    for change in crawl:
        whom, op = _whom(change), change.op
        if change.resource == "users" and change.key.get("clientUserId") in retired and op == "delete":
            continue  # it is told with the retired one
        if "retired" in change.key and op == "insert":
            user = (change.after or {}).get("clientUserId")
            op, whom = "retire" if user in retired else "list", str(user or whom)
        is_alone = op == "update" or change.resource == "assets"  # each of these has a sentence of its own
        same = (change.resource, _adam_id(change), change.seq if is_alone else "")
        group = groups.setdefault(same, Group(first=change))
        group.add(change, op, whom)
    for group in sorted(groups.values(), key=lambda one: one.seq):
        yield group, clean(_sentence(group, names))


def _retired(crawl: "list[Change]") -> set[Any]:
    """Return the users who left the list of the active, and came into that of the retired."""
    came = {(one.after or {}).get("clientUserId") for one in crawl if "retired" in one.key and one.op == "insert"}
    left = {one.key.get("clientUserId") for one in crawl if one.op == "delete" and "clientUserId" in one.key}
    return came & left


def _sentence(group: Group, names: Mapping[tuple[str, str], str]) -> str:
    change, adam_id = group.first, _adam_id(group.first)
    name = "" if adam_id is None else names.get((change.uid, adam_id), adam_id) + _pricing(change)
    if change.op == "update" and change.before and change.after:
        return f"{name or _whom(change)}: {_changed(change.before, change.after)}"
    if change.resource == "assets":
        owned = (change.after or change.before or {}).get("totalCount")
        return (
            f"{name}: new, {owned} owned" if change.op == "insert" else f"{name}: no longer there, {owned} were owned"
        )
    if adam_id is not None:
        parts = (
            f"{_SIGNS[op]}{count} {_assigned(change, count)}, {_listed(group, op)}"
            for op, count in group.counts.items()
        )
        return f"{name}: {'; '.join(parts)}"
    parts = (
        f"{count} {_called(change, count)} {_DONE.get(op, op)}: {_listed(group, op)}"
        for op, count in group.counts.items()
    )
    return "; ".join(parts)


def _called(change: "Change", count: int) -> str:
    """Return what the records of a list are called, one or several."""
    what = "administrators" if change.resource == "subscription-admins" else change.resource.replace("-", " ")
    return what.removesuffix("s") if count == 1 else what


def _pricing(change: "Change") -> str:
    """Return the pricing of an app in brackets, if it is not the usual one."""
    pricing = change.key.get("pricingParam", _USUAL)
    return "" if pricing == _USUAL else f" ({pricing})"


def _assigned(change: "Change", count: int) -> str:
    return "assigned" if change.resource == "assignments" else _called(change, count)


def _listed(group: Group, op: str) -> str:
    named, count = group.some[op], group.counts[op]
    return ", ".join(named) + (f" and {count - len(named)} more" if count > len(named) else "")


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = [name for name in {**after, **before} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_short(before.get(name))} -> {_short(after.get(name))}" for name in names)


def _adam_id(change: "Change") -> str | None:
    found = change.key.get("adamId", (change.after or change.before or {}).get("adamId"))
    return None if found is None else str(found)


def _whom(change: "Change") -> str:
    """Return whom a change is about: a device, a user, or whatever else identifies the record."""
    key = change.key
    holder = key.get("serialNumber") or key.get("clientUserId")
    return str(holder) if holder else " ".join(str(value) for name, value in key.items() if name != "pricingParam")


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
