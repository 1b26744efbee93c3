"""Alerts: what people are told of, and in which words. Pure.

Each thing has a key, and is said once as long as it stands. A step of a token's end is never said again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from storage.alerts import Alert, AlertMessage, AppCount, Purchase
from storage.channels import AlertChannel
from storage.locations import Location
from storage.states import LocationState

from .freshness import Freshness, StreamFreshness
from .health import Health, of_stream

#: A message has no more lines of one rule.
_LINES = 20

#: And no longer title.
_TITLE = 200


class Rule(StrEnum):
    """What people may be told of."""

    TOKEN_REFUSED = "token-refused"  # noqa: S105 - no secret
    TOKEN_ENDS = "token-ends"  # noqa: S105 - no secret
    DELETES_HELD = "deletes-held"
    LATE = "late"
    APP_OUT = "app-out"
    APP_LOW = "app-low"
    LICENCES_GAINED = "licences-gained"
    IN_STEP_AGAIN = "in-step-again"


#: What each rule is about, for lists and documents, in the order in which a message has them.
ABOUT: Mapping[Rule, str] = {
    Rule.TOKEN_REFUSED: "a token that was revoked, is wrong, or belongs to another service",
    Rule.TOKEN_ENDS: "a token that ends within 30, 14, 7 or 1 days, or has ended: each step once",
    Rule.DELETES_HELD: "deletes that are held until somebody accepts them",
    Rule.LATE: "a location that is not in step for its interval",
    Rule.APP_OUT: "an app of which no licence is left, of at least 10 owned",
    Rule.APP_LOW: "an app of which few licences are left, of at least 10 owned",
    Rule.LICENCES_GAINED: "licences that were gained: a purchase arrived",
    Rule.IN_STEP_AGAIN: "a location that was late or refused, and is in step again",
}

#: These happen, and do not stand: they end at once.
_EVENTS = {Rule.LICENCES_GAINED, Rule.IN_STEP_AGAIN}

#: Of these, the end is told as well.
_RECOVERS = {Rule.LATE, Rule.TOKEN_REFUSED}


@dataclass(frozen=True, kw_only=True)
class Scarcity:
    """When few licences of an app are left: of at least so many owned, no more than so many per cent."""

    least: int = 10
    percent: int = 5


def of_location(location: Location, token: Health, verdicts: Sequence[StreamFreshness]) -> Iterator[Alert]:
    """Yield what stands of a location. The words are without advice."""
    uid, name = location.uid, location.name
    if token.state == LocationState.EXPIRED or token.within_days is not None:
        step = token.within_days or 0
        key = f"{Rule.TOKEN_ENDS}:{uid}:{location.token_expires:%Y-%m-%d}:{step}"
        yield Alert(key=key, rule=Rule.TOKEN_ENDS, uid=uid, words=f"{name}: {token.words}")
    elif token.words:
        key = f"{Rule.TOKEN_REFUSED}:{uid}:{token.state}"
        yield Alert(key=key, rule=Rule.TOKEN_REFUSED, uid=uid, words=f"{name}: {token.words}")
    if location.state is not LocationState.VALID:
        return
    late = [one for one in verdicts if one.freshness is not Freshness.FRESH]
    if late:
        lists = ", ".join(one.stream.resource for one in late)
        problem = next((one.stream.problem for one in late if one.stream.problem), None)
        words = f"{name} {lists}: {problem or of_stream(late[0]).words}"
        yield Alert(key=f"{Rule.LATE}:{uid}", rule=Rule.LATE, uid=uid, words=words)
    for one in verdicts:
        if one.stream.held_deletes:
            words = f"{name} {one.stream.resource}: {one.stream.held_deletes:,} deletes are held."
            yield Alert(
                key=f"{Rule.DELETES_HELD}:{uid}:{one.stream.resource}", rule=Rule.DELETES_HELD, uid=uid, words=words
            )


def of_apps(apps: Iterable[AppCount], scarcity: Scarcity, standing: Mapping[str, str]) -> Iterator[Alert]:
    """Yield the apps that run out. One that was told of stands until twice as many are left: it does not flicker."""
    for one in apps:
        app = f"{one.uid}:{one.adam_id}:{one.pricing}"
        out, low = f"{Rule.APP_OUT}:{app}", f"{Rule.APP_LOW}:{app}"
        is_few = one.available * 100 <= one.total * scarcity.percent
        if one.available == 0 or (out in standing and is_few):
            words = f"{one.place}: no licence of {one.name} is left of {one.total:,}."
            yield Alert(key=out, rule=Rule.APP_OUT, uid=one.uid, words=words)
        if is_few or low in standing:
            words = f"{one.place}: {one.available:,} of {one.total:,} licences of {one.name} are left."
            yield Alert(key=low, rule=Rule.APP_LOW, uid=one.uid, words=words)


def of_purchases(purchases: Iterable[Purchase]) -> Iterator[Alert]:
    """Yield the licences that were gained."""
    for one in purchases:
        words = f"{one.place}: {one.after - one.before:,} licences of {one.name} arrived, {one.after:,} are owned now."
        yield Alert(key=f"{Rule.LICENCES_GAINED}:{one.seq}", rule=Rule.LICENCES_GAINED, uid=one.uid, words=words)


@dataclass(frozen=True, kw_only=True)
class News:
    """What changed of what stands: what begins, what ends, and what people are told."""

    begun: Sequence[Alert]
    ended: Sequence[str]
    told: Sequence[Alert]


def news(now: Sequence[Alert], standing: Mapping[str, str], names: Mapping[str, str]) -> News:
    """Compare what stands now with what was told. The names are those of the locations, by their uIds."""
    keys = {one.key for one in now}
    begun = [one for one in now if one.key not in standing]
    # A step of a token's end stays told for ever: the next token has keys of its own.
    ended = [key for key, rule in standing.items() if key not in keys and rule != Rule.TOKEN_ENDS]
    recovered = {key.split(":")[1]: key for key in ended if standing[key] in _RECOVERS}
    troubled = {one.uid for one in now if one.rule in _RECOVERS or one.key.endswith(":0")}  # 0: the token has ended
    again = [
        Alert(key=key, rule=Rule.IN_STEP_AGAIN, uid=uid, words=f"{names[uid]}: in step again.")
        for uid, key in recovered.items()
        if uid in names and uid not in troubled
    ]
    silent = {f"{Rule.APP_LOW}:{one.key.partition(':')[2]}" for one in begun if one.rule == Rule.APP_OUT}
    told = [one for one in begun if one.key not in silent]  # an app that is out is not told to be low as well
    return News(begun=[one for one in begun if one.rule not in _EVENTS], ended=ended, told=[*told, *again])


def compose(channel: AlertChannel, told: Sequence[Alert]) -> AlertMessage | None:
    """Return the message that tells a channel of some alerts; None if none of them is for it."""
    mine = [
        one
        for one in told
        if (channel.rules is None or one.rule in channel.rules) and (channel.uids is None or one.uid in channel.uids)
    ]
    if not mine:
        return None
    lines: list[str] = []
    for rule in ABOUT:
        of_rule = [one.words for one in mine if one.rule == rule]
        lines += of_rule[:_LINES]
        if len(of_rule) > _LINES:
            lines.append(f"and {len(of_rule) - _LINES:,} more of this kind ({rule}).")
    title = lines[0][:_TITLE] if len(lines) == 1 else f"Pageturner: {len(mine):,} things to know"
    return AlertMessage(channel=channel.name, title=title, body="\n".join(lines))
