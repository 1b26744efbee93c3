"""The memory of gates in this process: the twin of `RedisMemory`, for tests and simulations in virtual time."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.clock import Timer

from .memory import LIMITS, Admission, Closed, GateStatus, Grant, Limits, Message, Refusal, Request, Return

#: Turns of a gate's queue below the next rank.
_TURNS = 1_000_000_000

#: How often a waiting caller looks whether a permit was given back.
_LOOK_SECONDS = 0.05

#: A wait is doubled no more often than this.
_DOUBLINGS = 30
_PATIENCE_DOUBLINGS = 10

#: How long a gate stays closed before the next look, while its closings are not restored.
_UNRESTORED = 100


@dataclass
class _Gate:
    """One gate. Times are milliseconds."""

    #: id -> place in the queue
    parked: dict[str, int] = field(default_factory=dict)
    #: id -> when it is parked
    later: dict[str, int] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    #: id -> how often it was published
    sent: dict[str, int] = field(default_factory=dict)
    #: id -> when it counts as lost
    admitted: dict[str, int] = field(default_factory=dict)
    #: execution -> when its lease ends
    permits: dict[str, int] = field(default_factory=dict)
    #: id -> until when its answer may be being stored
    storing: dict[str, int] = field(default_factory=dict)
    #: The times of the last grants, newest first.
    grants: list[int] = field(default_factory=list)
    turn: int = 0
    closed_until: int = 0
    closings: int = 0
    step: int = 0
    holds: int = 0
    held_until: int = 0


@dataclass(frozen=True, kw_only=True)
class _Epoch:
    """An epoch of this memory: since when it has its data."""

    name: str
    opens: int
    is_restored: bool

    def __bytes__(self) -> bytes:
        return f"{self.name} {self.opens} {int(self.is_restored)}".encode()


class LocalMemory:
    """Gates that are kept in this process."""

    def __init__(self, timer: Timer, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self._timer = timer
        self._gates: dict[str, _Gate] = {}
        self._due: dict[str, float] = {}
        self._epoch: _Epoch | None = None

    def forget(self) -> None:
        """Lose everything, as a Redis does that is emptied."""
        self._gates.clear()
        self._due.clear()
        self._epoch = None

    def park(self, uid: str, messages: Sequence[Message], rank: int) -> Admission:
        """Park messages, each unless one of its id is parked, admitted or running; lower ranks come first."""
        gate = self._gate(uid)
        for message in messages:
            if message.id not in gate.messages:
                gate.turn += 1
                gate.messages[message.id] = message.payload
                gate.places[message.id] = gate.parked[message.id] = rank * _TURNS + gate.turn
        return self.admit(uid)

    def park_again(self, uid: str, message_id: str, delay: int) -> Admission:
        """Park the message of a running task for a while. It keeps its place."""
        gate = self._gate(uid)
        if gate.admitted.pop(message_id, None) is not None:
            gate.sent.pop(message_id, None)
            gate.storing.pop(message_id, None)
            if delay > 0:
                gate.later[message_id] = self._now() + delay
            else:
                gate.parked[message_id] = gate.places.get(message_id, 0)
        return self.admit(uid)

    def admit(self, uid: str) -> Admission:
        """Admit the messages that may run now."""
        gate, now, messages = self._gate(uid), self._now(), list[Message]()
        for message_id in _up_to(gate.later, now):
            del gate.later[message_id]
            gate.parked[message_id] = gate.places.get(message_id, 0)
        opens = self._shut_until(gate)
        if opens <= now:
            for message_id in _up_to(gate.admitted, now):
                self._publish(gate, message_id, messages)
            while gate.parked and len(gate.admitted) < self.limits.in_flight + self.limits.head_start:
                first = min(gate.parked, key=lambda one: (gate.parked[one], one))
                del gate.parked[first]
                self._publish(gate, first, messages)
        times = list(gate.later.values())
        if gate.admitted:
            times.append(max(min(gate.admitted.values()), opens))
        if opens > now and gate.parked:
            times.append(opens)
        return Admission(messages=messages, again_at=min(times, default=None))

    def finish(self, uid: str, message_id: str) -> Admission:
        """Forget a message whose task has ended."""
        _forget(self._gate(uid), message_id)
        return self.admit(uid)

    def take(self, uid: str, request: Request) -> Grant | Refusal:
        """Take a permit."""
        gate, now = self._gate(uid), self._now()
        _drop(gate.permits, now)
        _drop(gate.storing, now)
        if request.message_id:
            is_at_it = _lives(gate, request.twin) or request.message_id in gate.storing
            if is_at_it or request.message_id not in gate.messages:
                return Refusal(why="twin", wait=None)
            gate.parked.pop(request.message_id, None)
            gate.later.pop(request.message_id, None)
            gate.admitted[request.message_id] = now + self.limits.lease
        opens = self._shut_until(gate)
        if opens > now:
            return Refusal(why="shut", wait=opens - now)
        if len(gate.permits) >= self.limits.in_flight or _lives(gate, request.sole):
            return Refusal(why="full", wait=None)
        if request.rate > 0 and len(gate.grants) >= request.rate:
            left = request.window - (now - gate.grants[request.rate - 1])
            if left > 0:
                return Refusal(why="fast", wait=left)
        gate.grants = [now, *gate.grants][: max(request.rate, 256)]
        gate.permits[request.execution] = now + self.limits.lease
        return Grant(closings=gate.closings)

    def take_returned(self, uid: str, request: Request, seconds: float) -> Grant | Refusal:
        """Wait a moment, and try: that shows whether a permit was given back meanwhile."""
        self._timer.sleep(min(seconds, _LOOK_SECONDS))
        return self.take(uid, request)

    def give_back(self, uid: str, returned: Return) -> Closed:
        """Return a permit, and close the gate in the same step if the answer asks for that."""
        gate, now, wait = self._gate(uid), self._now(), returned.wait
        gate.permits.pop(returned.execution, None)
        if returned.message_id in gate.messages:
            gate.storing[returned.message_id] = now + returned.storing
        is_first = returned.closings == gate.closings
        if returned.closes:
            if is_first:
                gate.closings += 1
                gate.step += 1
            least = returned.least * 2 ** min(max(1, gate.step) - 1, _DOUBLINGS)
            wait = max(wait or 0, min(returned.longest, least))
        elif is_first:
            gate.step = 0
        if wait is None:
            return Closed(opens_at=None, left=0, step=gate.step)
        gate.closed_until = max(gate.closed_until, now + wait)
        opens = self._shut_until(gate)
        return Closed(opens_at=opens, left=max(0, opens - now), step=gate.step)

    def revoke(self, uid: str, executions: Sequence[str]) -> None:
        """Take back permits without a holder, and those whose return was not received."""
        for execution in executions:
            self._gate(uid).permits.pop(execution, None)

    def renew(self, uid: str, executions: Sequence[str], message_ids: Sequence[str]) -> None:
        """Renew permits, and the admission of tasks that are running."""
        gate, ends = self._gate(uid), self._now() + self.limits.lease
        gate.permits |= dict.fromkeys(executions, ends)
        for message_id in message_ids:
            if message_id in gate.messages and message_id not in gate.parked and message_id not in gate.later:
                gate.admitted[message_id] = ends

    def look(self, uid: str) -> GateStatus:
        """Look at a gate, and change nothing."""
        gate, now = self._gate(uid), self._now()
        return GateStatus(
            executions=[name for name, ends in gate.permits.items() if ends > now],
            waiting=len(gate.parked) + len(gate.later),
            admitted=len(gate.admitted),
            shut_seconds=max(0, self._shut_until(gate) - now) / 1000,
        )

    def ids(self, uid: str) -> Sequence[str]:
        """Return the ids of all messages that are parked, admitted or running."""
        return list(self._gate(uid).messages)

    def shut(self, uid: str, wait: int, step: int) -> int:
        """Close a gate for some seconds, after a number of closings in a row; return when it opens."""
        gate = self._gate(uid)
        gate.closed_until = max(gate.closed_until, self._now() + wait)
        gate.closings += 1
        gate.step = max(gate.step, step)
        return self._shut_until(gate)

    def hold(self, uid: str, least: int, longest: int) -> int:
        """Shut a gate because answers cannot be stored, longer each time; return when it opens."""
        gate, now = self._gate(uid), self._now()
        if self._shut_until(gate) <= now:
            times = gate.holds if now - gate.held_until < longest else 0
            gate.holds, gate.held_until = times + 1, now + min(longest, least * 2 ** min(times, _DOUBLINGS))
            gate.closed_until = max(gate.closed_until, gate.held_until)
        return self._shut_until(gate)

    def next_due(self) -> float | None:
        """Return when, by the timer, the next gate is to be looked at; None if none is."""
        return min(self._due.values()) / 1000 if self._due else None

    def due(self) -> Sequence[tuple[str, float]]:
        """Return the gates that are to be looked at now, each with the time that was set for it."""
        return [(uid, self._due[uid]) for uid in _up_to(self._due, self._now())]

    def wake(self, uid: str, at: int) -> None:
        """Queue a look at a gate for that moment at the latest."""
        self._due[uid] = min(at, self._due.get(uid, at) - 0.001)

    def touch(self, uid: str) -> None:
        """Queue a look at a gate now, unless one is queued."""
        self._due.setdefault(uid, 0)

    def reschedule(self, uid: str, seen: float, at: int | None) -> None:
        """Set when a gate is looked at next, unless that has changed since it was seen."""
        if self._due.get(uid) == seen:
            del self._due[uid]
            if at is not None:
                self._due[uid] = at

    def epoch(self) -> bytes | None:
        """Return when, and as which server, this memory was filled; None if it was not yet."""
        return None if self._epoch is None else bytes(self._epoch)

    def open_epoch(self) -> None:
        """Begin an epoch that has nothing to restore: no request is at Apple yet."""
        self._epoch = _Epoch(name=uuid.uuid4().hex, opens=0, is_restored=False)

    def note_restored(self, epoch: bytes) -> None:
        """Note that in this epoch the memory has the closings."""
        if self._epoch is not None and bytes(self._epoch) == epoch:
            self._epoch = _Epoch(name=self._epoch.name, opens=self._epoch.opens, is_restored=True)

    def _gate(self, uid: str) -> _Gate:
        return self._gates.setdefault(uid, _Gate())

    def _now(self) -> int:
        return round(self._timer.monotonic() * 1000)

    def _shut_until(self, gate: _Gate) -> int:
        if self._epoch is None:
            self._epoch = _Epoch(name=uuid.uuid4().hex, opens=self._now() + self.limits.lease, is_restored=False)
        unrestored = 0 if self._epoch.is_restored else self._now() + _UNRESTORED
        return max(self._epoch.opens, gate.closed_until, unrestored)

    def _publish(self, gate: _Gate, message_id: str, messages: list[Message]) -> None:
        if message_id not in gate.messages:
            _forget(gate, message_id)
            return
        times = gate.sent[message_id] = gate.sent.get(message_id, 0) + 1
        patience = self.limits.patience * 2 ** min(times - 1, _PATIENCE_DOUBLINGS)
        gate.admitted[message_id] = self._now() + patience
        messages.append(Message(id=message_id, payload=gate.messages[message_id]))


def _up_to(times: dict[str, int] | dict[str, float], now: int) -> list[str]:
    """Return the names whose time has come, in the order of their times."""
    return [name for at, name in sorted((at, name) for name, at in times.items()) if at <= now]


def _drop(times: dict[str, int], now: int) -> None:
    for name in _up_to(times, now):
        del times[name]


def _lives(gate: _Gate, beginning: str) -> bool:
    return bool(beginning) and any(one.startswith(beginning) for one in gate.permits)


def _forget(gate: _Gate, message_id: str) -> None:
    for kept in (gate.storing, gate.admitted, gate.messages, gate.places, gate.sent):
        kept.pop(message_id, None)
