"""The gate, as one process sees it: park, admit, take a permit, give it back, renew.

Admission and permit are two things. Admission bounds how many messages of a location are in the broker; it is a record,
held until the task ends. A permit is the right to one request now: a short lease, taken right before the request and
given back when the body is in. One lease for both collapses when the queue outlasts it.
"""

import math
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from storage.clock import SystemTimer, Timer

from .memory import Admission, GateMemory, GateStatus, Grant, Message, Refusal, Request, Return

#: A living process renews three times in a lease.
RENEWAL_SECONDS = 5.0

#: A task that has started waits this long for its permit; then it parks itself and leaves the worker's slot.
WAIT_SECONDS = 1.0

#: The longest single wait on a connection: well below its own time-out.
_BLOCK_SECONDS = 1.0

#: The rate is kept over a window this much longer than a second, since Apple counts by its own clock.
RATE_WINDOW_SECONDS = 1.2

#: The least wait after an answer that closes the gate. It doubles with each closing in a row: up to the first limit if
#: Apple asks for fewer requests, up to the second if it is away.
BACKOFF_SECONDS = 1.0
SLOW_LIMIT_SECONDS = 300.0
AWAY_LIMIT_SECONDS = 15.0

#: The longest wait while what Apple answers cannot be stored.
HOLD_LIMIT_SECONDS = 60.0

#: How long a task may work before its request, and after it. One that takes longer is not renewed any more: then its
#: message is published again, and another worker takes it.
TASK_SECONDS = 8.0


class NoPermit(Exception):
    """No permit in time: the gate is shut for some seconds; or, if they are 0, five requests are in flight."""

    def __init__(self, seconds: float) -> None:
        is_shut = seconds > 0
        super().__init__(
            f"The location's gate is shut for {seconds:.0f} s."
            if is_shut
            else "Five requests of the location are in flight."
        )
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class GateTraffic:
    """Where the messages of a crawl are, and how its gate stands."""

    status: GateStatus
    #: The ids of those that have a request at Apple, and of those that wait for their turn or for a worker.
    at_apple: AbstractSet[str]
    waiting: AbstractSet[str]


class AlreadyRunning(Exception):
    """Another execution of the message is at Apple, stores the answer, or is done: it does what this one would."""


@dataclass(kw_only=True)
class Permit:
    """The right to one request, for one execution; renewed until `ends`."""

    uid: str
    message_id: str
    execution: str
    closings: int
    ends: float
    #: Set by the holder: whether the gate is to be closed, for how long at least, and at most if Apple names no wait,
    #: and the wait that it named.
    closes: bool = field(default=False)
    least: float = field(default=BACKOFF_SECONDS)
    limit: float = field(default=SLOW_LIMIT_SECONDS)
    retry_after: float | None = field(default=None)
    #: Set when the permit is given back: for how long the gate stays shut, and how many times in a row it was closed.
    shut_seconds: float = field(default=0.0)
    step: int = field(default=0)


@dataclass(kw_only=True)
class _Started:
    """A message whose task runs in this process, once or several times."""

    uid: str
    times: int
    #: Until when it counts as running.
    ends: float


class Gate:
    """All gates of one memory, as one process sees them."""

    def __init__(self, memory: GateMemory, *, longest_request: float, timer: Timer | None = None) -> None:
        self._memory = memory
        self._timer = timer or SystemTimer()
        self._longest = longest_request
        self._lock = threading.Lock()
        self._permits: dict[str, Permit] = {}
        #: Executions that may hold a permit although the reply that granted it was lost.
        self._orphans: set[tuple[str, str]] = set()
        self._started: dict[str, _Started] = {}

    def park(self, uid: str, messages: Sequence[Message], rank: int) -> Sequence[Message]:
        """Park messages, each once by its id, and return what the caller is to publish now."""
        return self._let_through(uid, self._memory.park(uid, messages, rank))

    def park_again(self, uid: str, message_id: str, delay: float) -> Sequence[Message]:
        """Park the message of a running task for a while; it keeps its place in the queue."""
        self.leave(message_id)
        self._revoke_orphans()
        return self._let_through(uid, self._memory.park_again(uid, message_id, _milliseconds(delay)))

    def finish(self, uid: str, message_id: str) -> Sequence[Message]:
        """Note that a task has ended, and return what may go to the broker in its place."""
        self.leave(message_id)
        return self._memory.finish(uid, message_id).messages

    @contextmanager
    def permit(
        self, uid: str, message_id: str = "", *, rate: int = 0, wait: float = WAIT_SECONDS, sole: str = ""
    ) -> Iterator[Permit]:
        """Hold a permit for the length of the block; raise NoPermit if none is free in time, or the gate is shut.

        The permit is a lease in the memory, under a name of its own for this execution. `renew`, in another thread,
        renews it as long as this block runs, so a process that dies loses it after one lease. It is given back
        together with what the answer said of the gate, in one step: there is no moment in which another request could
        be sent between a 429 and the closing. Example: a worker is frozen for half a minute with a permit. The
        lease lapses, a copy of the message gets a permit and stores the page; when the first one wakes while its
        request is still at Apple, `renew` takes its permit up again, so that six are never counted as five.

        Of the executions that name the same `sole`, one at a time has a permit, however often a message is delivered.
        Raises AlreadyRunning if another execution of the message has one, stores its answer, or is done.
        """
        permit = self._take(uid, message_id, sole, wait, rate)
        try:
            yield permit
        finally:
            with self._lock:
                self._permits.pop(permit.execution, None)
            self._believe(message_id, self._timer.monotonic() + TASK_SECONDS)
            self._give_back(permit)

    def pump(self) -> list[Message]:
        """Admit messages at the gates that are due; return the messages for the broker."""
        messages: list[Message] = []
        for uid, seen in self._memory.due():
            admission = self._memory.admit(uid)
            self._memory.reschedule(uid, seen, admission.again_at)
            messages += admission.messages
        return messages

    def renew(self) -> None:
        """Renew the permits and tasks that live in this process, except those that take longer than they may."""
        for uid, (executions, ids) in self._living().items():
            self._memory.renew(uid, executions, ids)
            with self._lock:
                over = [one for one in executions if one not in self._permits]
            if over:  # it was given back meanwhile, and nothing else would remove it
                self._memory.revoke(uid, over)
        self._revoke_orphans()

    def look(self, uid: str) -> GateStatus:
        """Look at a gate."""
        return self._memory.look(uid)

    def traffic(self, uid: str, prefix: str) -> GateTraffic:
        """Return where the messages are whose ids begin with a prefix: the pages of one crawl."""
        status = self._memory.look(uid)
        named = (_message_of(execution) for execution in status.executions)
        at_apple = {one for one in named if one.startswith(prefix)}
        known = {one for one in self._memory.ids(uid) if one.startswith(prefix)}
        return GateTraffic(status=status, at_apple=at_apple, waiting=known - at_apple)

    def knows(self, uid: str, prefix: str, *, but: str = "") -> bool:
        """Return whether a message is parked or admitted whose id begins with the prefix, other than one."""
        return any(one.startswith(prefix) and one != but for one in self._memory.ids(uid))

    def touch(self, uid: str) -> None:
        """Queue a look at a gate, in case no other is queued."""
        self._memory.touch(uid)

    def shut(self, uid: str, seconds: float, step: int = 0) -> None:
        """Close a gate for some seconds, as Apple asked, after a number of closings in a row."""
        self._memory.wake(uid, self._memory.shut(uid, _milliseconds(seconds), step))

    def hold(self, uid: str) -> None:
        """Let a location wait because what Apple answers cannot be stored, longer each time."""
        longest = int(HOLD_LIMIT_SECONDS * 1000)
        self._memory.wake(uid, self._memory.hold(uid, int(BACKOFF_SECONDS * 1000), longest))

    def unrestored(self) -> bytes | None:
        """Return the epoch in which the memory has no closings from the database yet; None if it has them.

        Until it has them, its gates are shut.
        """
        known = self._memory.epoch()
        if known is None:
            self.look("")  # the first look begins the epoch
            known = self._memory.epoch()
        return None if known is None or known.endswith(b" 1") else known

    def note_restored(self, unrestored: bytes) -> None:
        """Note that the memory has the closings, unless it lost its data again meanwhile."""
        self._memory.note_restored(unrestored)

    def start(self, uid: str, message_id: str) -> None:
        """Note that a task runs here, so that its message does not count as lost."""
        with self._lock:
            started = self._started.setdefault(message_id, _Started(uid=uid, times=0, ends=0.0))
            started.times += 1
            started.ends = self._timer.monotonic() + TASK_SECONDS

    def leave(self, message_id: str) -> None:
        """Note that a task runs here no longer; another execution of its message may."""
        with self._lock:
            started = self._started.get(message_id)
            if started is not None:
                started.times -= 1
                if not started.times:
                    del self._started[message_id]

    def _take(self, uid: str, message_id: str, sole: str, wait: float, rate: int) -> Permit:
        twin = f"{sole}|{message_id}|" if message_id else ""  # see `_message_of`
        request = Request(
            execution=f"{twin or sole + '|'}{uuid.uuid4().hex}",
            message_id=message_id,
            rate=rate,
            window=int(RATE_WINDOW_SECONDS * 1000),
            sole=sole and f"{sole}|",
            twin=twin,
        )
        until = self._timer.monotonic() + wait
        answer = self._ask(uid, request, 0.0)
        while True:
            match answer:
                case Grant(closings=closings):
                    return self._keep(uid, request, closings)
                case Refusal(why="twin"):
                    raise AlreadyRunning
                case Refusal() as refusal:
                    answer = self._ask(uid, request, self._until_free(refusal, until - self._timer.monotonic()))

    def _ask(self, uid: str, request: Request, wait: float) -> Grant | Refusal:
        """Take a permit, at once or when one is given back; wait so long at most."""
        try:
            if wait > 0:
                return self._memory.take_returned(uid, request, wait)
            return self._memory.take(uid, request)
        except RedisError:  # the permit may have been granted all the same
            self._orphan(uid, request.execution)
            raise

    def _keep(self, uid: str, request: Request, closings: int) -> Permit:
        ends = self._timer.monotonic() + self._longest
        permit = Permit(
            uid=uid, message_id=request.message_id, execution=request.execution, closings=closings, ends=ends
        )
        with self._lock:
            self._permits[permit.execution] = permit
        self._believe(permit.message_id, ends)
        return permit

    def _until_free(self, refusal: Refusal, left: float) -> float:
        """Return how long to wait for a permit that is given back, having waited for what has a time of its own.

        Raises NoPermit if none can be free in time.
        """
        if refusal.wait is None:
            if left <= 0:
                raise NoPermit(0.0)
            return min(max(left, 0.01), _BLOCK_SECONDS)
        if refusal.wait / 1000 > left:
            raise NoPermit(refusal.wait / 1000)
        self._timer.sleep(refusal.wait / 1000)
        return 0.0

    def _give_back(self, permit: Permit) -> None:
        returned = Return(
            execution=permit.execution,
            message_id=permit.message_id,
            storing=int(TASK_SECONDS * 1000),
            closings=permit.closings,
            closes=permit.closes,
            wait=None if permit.retry_after is None else _milliseconds(permit.retry_after),
            least=int(permit.least * 1000),
            longest=int(permit.limit * 1000),
        )
        try:
            closed = self._memory.give_back(permit.uid, returned)
        except RedisError:  # neither the answer nor the closing is lost with it
            self._orphan(permit.uid, permit.execution)
            permit.shut_seconds = max(permit.least, permit.retry_after or 0.0) if permit.closes else 0.0
            return
        if closed.opens_at is not None:
            self._memory.wake(permit.uid, closed.opens_at)
        permit.shut_seconds, permit.step = closed.left / 1000, closed.step

    def _living(self) -> dict[str, tuple[list[str], list[str]]]:
        now = self._timer.monotonic()
        living: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        with self._lock:
            for permit in self._permits.values():
                if now < permit.ends:
                    living[permit.uid][0].append(permit.execution)
            for message_id, started in self._started.items():
                if now < started.ends:
                    living[started.uid][1].append(message_id)
        return living

    def _orphan(self, uid: str, execution: str) -> None:
        with self._lock:
            self._orphans.add((uid, execution))

    def _revoke_orphans(self) -> None:
        """Revoke permits without a holder: until they expire, their messages would count as running."""
        with self._lock:
            orphans = list(self._orphans)
        for uid, execution in orphans:
            self._memory.revoke(uid, [execution])
            with self._lock:
                self._orphans.discard((uid, execution))

    def _believe(self, message_id: str, ends: float) -> None:
        """Let the task of a message count as running until then."""
        with self._lock:
            if message_id in self._started:
                self._started[message_id].ends = ends

    def _let_through(self, uid: str, admission: Admission) -> Sequence[Message]:
        if admission.again_at is not None:
            self._memory.wake(uid, admission.again_at)
        return admission.messages


def _milliseconds(seconds: float) -> int:
    """Return a wait in milliseconds, rounded up: what comes a moment too early would be sent away to wait again."""
    return math.ceil(seconds * 1000)


def _message_of(execution: str) -> str:
    """Return the id of the message of an execution, from its name; empty if it is no message's."""
    _, _, rest = execution.partition("|")
    return rest.rpartition("|")[0]
