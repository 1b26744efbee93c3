"""The check: the state of everything in one line and one exit status, for cron, Nagios and readiness probes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import typer

from advice import explain
from apple.texts import clean
from orchestration.decisions.age import spell_age
from orchestration.decisions.health import Alarm
from orchestration.decisions.overview import Overview, Problem

from ..statuses import KNOWN
from ..terminal import write, write_json

#: How many problems the line names; it counts the others.
_NAMED = 3


def check(overview: Overview, *, json: bool) -> None:
    """Print the verdict, and exit with its number."""
    if json:
        bad = [_described(one) for one in overview.troubles]
        verdict, seconds = overview.alarm.name.lower(), int(overview.oldest.total_seconds())
        write_json({"as_of": overview.now, "verdict": verdict, "oldest_seconds": seconds, "bad": bad})
    else:
        write(summarise(overview))
    if overview.alarm:
        raise typer.Exit(overview.alarm)


def summarise(overview: Overview) -> str:
    """Return the verdict in one line, followed by a bar and the numbers that monitoring draws."""
    verdicts, troubles = overview.verdicts, overview.troubles
    numbers = f"streams={len(verdicts)} bad={len(troubles)} oldest={int(overview.oldest.total_seconds())}s"
    if troubles:
        named = "; ".join(clean(one.sentence).rstrip(".").replace("|", "/") for one in troubles[:_NAMED])
        more = f"; {len(troubles) - _NAMED} more" if len(troubles) > _NAMED else ""
        return f"PAGETURNER {overview.alarm.name} - {named}{more} | {numbers}"
    if not verdicts:
        return f"PAGETURNER OK - no locations yet | {numbers}"
    new = sum(one.stream.seen_at is None for one in verdicts)
    words = f"{len(verdicts) - new} streams of {len(overview.locations)} locations in step"
    more = f", {new} not read yet" if new else ""
    return f"PAGETURNER OK - {words}{more}, the oldest {spell_age(overview.oldest)} ago | {numbers}"


@contextlib.contextmanager
def unknown() -> Iterator[None]:
    """Turn an error that prevents a verdict into the verdict UNKNOWN."""
    try:
        yield
    except KNOWN as error:
        write(f"PAGETURNER UNKNOWN - {clean(explain(error))}")
        raise typer.Exit(Alarm.UNKNOWN) from None


def _described(one: Problem) -> dict[str, Any]:
    location, verdict = one.location, one.verdict
    return {
        "alarm": one.alarm.name.lower(),
        "problem": one.words,
        "location": None if location is None else location.name,
        "uid": None if location is None else location.uid,
        "resource": None if verdict is None else verdict.stream.resource,
        "freshness": None if verdict is None else verdict.freshness,
        "age_seconds": None if verdict is None else int(verdict.age.total_seconds()),
        "limit_seconds": None if verdict is None else int(verdict.limit.total_seconds()),
    }
