"""The gate's doors: park, admit, take, give back, renew.

Admission and permit are two things. Admission bounds how many messages of a location are in the broker; it is a record,
held until the task ends. A permit is the right to one request now: a short lease, taken right before the request and
given back when the body is in. One lease for both collapses when the queue outlasts it.
"""

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from .scripts import DUE_KEY, EPOCH_KEY, Scripts, key_of

#: Apple's word: do not submit more than five requests simultaneously.
IN_FLIGHT_LIMIT = 5

#: Messages beyond the five that are already with a worker when a permit comes free.
HEAD_START = 2

#: A dead process is noticed after this; a living one renews three times in it.
LEASE_SECONDS = 15.0
RENEWAL_SECONDS = 5.0

#: A message that no worker has started by then is published again (and may then wait twice as long).
PATIENCE_SECONDS = 15.0

#: A task that has started waits this long for its permit; then it parks itself and leaves the worker's slot.
WAIT_SECONDS = 1.0

#: A connection is not waited on for longer at a time: well below any time-out of its own.
_BLOCK_SECONDS = 1.0

#: Apple counts a second by its own clock; the grants of this much longer window stay within it.
RATE_WINDOW_SECONDS = 1.2

#: The least wait after an answer that closes the gate, doubled by each closing in a row: of one that asks for fewer
#: requests up to the first limit, of one that says that Apple is away up to the second.
BACKOFF_SECONDS = 1.0
SLOW_LIMIT_SECONDS = 300.0
AWAY_LIMIT_SECONDS = 15.0

#: The longest wait where what Apple answers cannot be kept.
HOLD_LIMIT_SECONDS = 60.0

#: A task may be at work for so long before its request, and after it. One that hangs is not renewed any more: then its
#: message is published again, and somebody else's.
TASK_SECONDS = 8.0


class NoPermit(Exception):
    """No permit now; `seconds` says when to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No permit for {seconds:.1f} s.")
        self.seconds = seconds


class AlreadyRunning(Exception):
    """A copy of the message asks Apple just now, or stores the answer, or is through: it does what this one would."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message that may go to the broker now."""

    id: str
    payload: str


@dataclass(frozen=True, kw_only=True)
class GateState:
    """A gate as it stands."""

    in_flight: int
    waiting: int
    admitted: int
    shut_seconds: float


@dataclass(kw_only=True)
class Permit:
    """The right to one request, for one execution; renewed until `ends`."""

    uid: str
    message_id: str
    execution: str
    closings: int
    ends: float
    #: Set by the holder: that the gate is to be closed, for how long at most where Apple names no wait, and the wait
    #: that it named.
    closes: bool = field(default=False)
    limit: float = field(default=SLOW_LIMIT_SECONDS)
    retry_after: float | None = field(default=None)
    #: Known once it was given back: for how long the gate stays shut, and how often in a row it was closed.
    shut_seconds: float = field(default=0.0)
    step: int = field(default=0)


@dataclass(kw_only=True)
class _Started:
    """A message that is being worked on in this process, however often."""

    uid: str
    times: int
    #: Until when it is believed to be at work.
    ends: float


class Gate:
    """All gates of one Redis, as one process sees them."""

    def __init__(
        self, redis: Redis, *, longest_request: float, lease: float = LEASE_SECONDS, renewing: Redis | None = None
    ) -> None:
        self._redis = redis
        #: Renewals wait for nobody: where the others' connections wait long for an answer, theirs must not.
        self._renewing = renewing or redis
        self._scripts = Scripts(redis)
        self._longest = longest_request
        self._common = [IN_FLIGHT_LIMIT, HEAD_START, int(lease * 1000), int(PATIENCE_SECONDS * 1000)]
        self._lock = threading.Lock()
        self._permits: dict[str, Permit] = {}
        #: Executions that may have a permit in Redis, whose answer was lost on the way, and that do not ask.
        self._orphans: set[tuple[str, str]] = set()
        self._started: dict[str, _Started] = {}

    def park(self, uid: str, message: Message, rank: int) -> list[Message]:
        """Park a message, once by its id, and give what may go to the broker now."""
        return self._park(uid, message.id, rank, 0.0, message.payload, "0")

    def park_again(self, uid: str, message_id: str, delay: float) -> list[Message]:
        """Park the message of a running task for a while; its place in the queue stays."""
        self.leave(message_id)
        self._disown(self._redis)
        return self._park(uid, message_id, 0, delay, "", "1")

    def finish(self, uid: str, message_id: str) -> list[Message]:
        """Note that a task has ended, and give what may go to the broker in its place."""
        self.leave(message_id)
        return _messages(self._run("finish", uid, message_id))

    @contextmanager
    def permit(
        self, uid: str, message_id: str = "", *, rate: int = 0, wait: float = WAIT_SECONDS, sole: str = ""
    ) -> Iterator[Permit]:
        """Hold a permit for the length of the block; NoPermit where none comes free in time, or the gate is shut.

        Of those that name the same `sole`, one at a time has a permit, however often a message is delivered.
        """
        permit = self._take(uid, message_id, sole, wait, rate)
        try:
            yield permit
        finally:
            with self._lock:
                self._permits.pop(permit.execution, None)
            self._believe(message_id, time.monotonic() + TASK_SECONDS)
            self._give_back(permit)

    def pump(self) -> list[Message]:
        """Look after the gates that are due, and give what may go to the broker."""
        now: Any = self._redis.time()
        due: Any = self._redis.zrangebyscore(DUE_KEY, "-inf", now[0] * 1000 + now[1] // 1000, withscores=True)
        messages = []
        for name, seen in due:
            uid = name.decode()
            result = self._run("admit", uid)
            self._scripts.reschedule(uid, seen, int(result[0]))
            messages += _messages(result)
        return messages

    def renew(self) -> None:
        """Renew the permits and tasks that live in this process, but for those that take longer than they may."""
        for uid, (executions, ids) in self._living().items():
            arguments = (*self._common, len(executions), *executions, *ids)
            self._scripts.run("renew", uid, *arguments, client=self._renewing)
            with self._lock:
                over = [one for one in executions if one not in self._permits]
            if over:  # it was given back between the two: nobody else would take it away again
                self._redis.zrem(key_of(uid, "permits"), *over)
        self._disown(self._renewing)

    def _living(self) -> dict[str, tuple[list[str], list[str]]]:
        now = time.monotonic()
        living: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        with self._lock:
            for permit in self._permits.values():
                if now < permit.ends:
                    living[permit.uid][0].append(permit.execution)
            for message_id, started in self._started.items():
                if now < started.ends:
                    living[started.uid][1].append(message_id)
        return living

    def look(self, uid: str) -> GateState:
        """See how a gate stands."""
        in_flight, waiting, admitted, shut = self._run("look", uid)
        return GateState(in_flight=in_flight, waiting=waiting, admitted=admitted, shut_seconds=int(shut) / 1000)

    def knows(self, uid: str, prefix: str, *, but: str = "") -> bool:
        """Tell whether a message whose id begins so is parked or admitted."""
        names: Any = self._redis.hkeys(key_of(uid, "messages"))
        ids = (one.decode() for one in names)
        return any(one.startswith(prefix) and one != but for one in ids)

    def touch(self, uid: str) -> None:
        """Have a gate looked at, in case nobody else remembers to."""
        self._redis.zadd(DUE_KEY, {uid: 0}, nx=True)

    def shut(self, uid: str, seconds: float, step: int = 0) -> None:
        """Shut a gate for so long, since Apple wanted that; and how often in a row it did."""
        self._scripts.wake(uid, int(self._run("shut", uid, int(seconds * 1000), step)))

    def hold(self, uid: str) -> None:
        """Let a location wait, since what Apple answers cannot be kept: the longer, the more often that is so."""
        limits = (int(BACKOFF_SECONDS * 1000), int(HOLD_LIMIT_SECONDS * 1000))
        self._scripts.wake(uid, int(self._run("hold", uid, *limits)))

    def open_epoch(self) -> None:
        """Say that this Redis, which was started empty just now, knows who is at Apple: nobody yet."""
        info: Any = self._redis.info("server")
        self._redis.set(EPOCH_KEY, f"{info['run_id']} 0 0")

    def untold(self) -> bytes | None:
        """Name what this Redis is to be told, which is what Apple asked for; None where it was. Until then it shuts."""
        known: Any = self._redis.get(EPOCH_KEY)
        if known is None:
            self.look("")  # whoever looks at a gate first begins the epoch
            known = self._redis.get(EPOCH_KEY)
        return None if known is None or known.endswith(b" 1") else bytes(known)

    def note_told(self, untold: bytes) -> None:
        """Note that this Redis was told what Apple asked for, unless it forgot that again meanwhile."""
        self._scripts.tell(untold)

    def start(self, uid: str, message_id: str) -> None:
        """Note that a task runs here, so that its message is not taken for lost."""
        with self._lock:
            started = self._started.setdefault(message_id, _Started(uid=uid, times=0, ends=0.0))
            started.times += 1
            started.ends = time.monotonic() + TASK_SECONDS

    def leave(self, message_id: str) -> None:
        """Note that a task runs here no longer; its message may still be somebody's."""
        with self._lock:
            started = self._started.get(message_id)
            if started is not None:
                started.times -= 1
                if not started.times:
                    del self._started[message_id]

    def _take(self, uid: str, message_id: str, sole: str, wait: float, rate: int) -> Permit:
        twin = f"{sole}|{message_id}|" if message_id else ""
        execution = f"{twin or sole + '|'}{uuid.uuid4().hex}"
        window = int(RATE_WINDOW_SECONDS * 1000)
        until = time.monotonic() + wait
        while True:
            try:
                answer = self._run("take", uid, execution, message_id, rate, window, sole and f"{sole}|", twin)
            except RedisError:
                self._orphan(uid, execution)
                raise
            if answer[0]:
                ends = time.monotonic() + self._longest
                found = Permit(uid=uid, message_id=message_id, execution=execution, closings=answer[1], ends=ends)
                with self._lock:
                    self._permits[execution] = found
                self._believe(message_id, ends)
                return found
            if answer[2] == b"twin":
                raise AlreadyRunning
            left = until - time.monotonic()
            self._await(uid, answer, left)

    def _await(self, uid: str, answer: list[Any], left: float) -> None:
        seconds, is_full = answer[1] / 1000, answer[2] == b"full"
        if is_full and left > 0:
            self._redis.blpop([key_of(uid, "wake")], timeout=min(max(left, 0.01), _BLOCK_SECONDS))
        elif not is_full and seconds <= left:
            time.sleep(seconds)
        else:
            raise NoPermit(0.0 if is_full else seconds)

    def _give_back(self, permit: Permit) -> None:
        wait = -1 if permit.retry_after is None else int(permit.retry_after * 1000)
        limits = (int(BACKOFF_SECONDS * 1000), int(permit.limit * 1000))
        outcome = "closed" if permit.closes else "well"
        mine = (permit.execution, permit.closings, outcome)
        try:
            storing = (permit.message_id, int(TASK_SECONDS * 1000))
            opens, left, step = map(int, self._run("give_back", permit.uid, *mine, wait, *limits, *storing))
        except RedisError:  # the answer that came under it is not lost with it, nor what Apple wants
            self._orphan(permit.uid, permit.execution)
            permit.shut_seconds = max(BACKOFF_SECONDS, permit.retry_after or 0.0) if permit.closes else 0.0
            return
        if opens:
            self._scripts.wake(permit.uid, opens)
        permit.shut_seconds, permit.step = left / 1000, step

    def _orphan(self, uid: str, execution: str) -> None:
        with self._lock:
            self._orphans.add((uid, execution))

    def _disown(self, redis: Redis) -> None:
        """Give back what nobody has: until it lapses, its message would be taken for a copy of itself."""
        with self._lock:
            orphans = list(self._orphans)
        for uid, execution in orphans:
            redis.zrem(key_of(uid, "permits"), execution)
            with self._lock:
                self._orphans.discard((uid, execution))

    def _believe(self, message_id: str, ends: float) -> None:
        """Believe that the task of a message is at work until then."""
        with self._lock:
            if message_id in self._started:
                self._started[message_id].ends = ends

    def _park(self, uid: str, message_id: str, rank: int, delay: float, payload: str, again: str) -> list[Message]:
        arguments = (message_id, rank, int(delay * 1000), payload, again)
        result = self._run("park", uid, *arguments)
        if int(result[0]) >= 0:
            self._scripts.wake(uid, int(result[0]))
        return _messages(result)

    def _run(self, name: str, uid: str, *arguments: Any) -> Any:
        return self._scripts.run(name, uid, *self._common, *arguments)


def _messages(result: list[Any]) -> list[Message]:
    pairs = zip(result[1::2], result[2::2], strict=True)
    return [Message(id=name.decode(), payload=payload.decode()) for name, payload in pairs]
