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
from datetime import UTC, datetime
from typing import Any

from redis import Redis

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

#: The wait after a SlowDown that names none, doubled by each closing in a row.
BACKOFF_SECONDS = 1.0
BACKOFF_LIMIT_SECONDS = 300.0


class NotNow(Exception):
    """No permit now; `seconds` says when to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No permit for {seconds:.1f} s.")
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message that may go to the broker now."""

    id: str
    payload: str


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A gate as it stands."""

    in_flight: int
    waiting: int
    admitted: int
    shut_seconds: float


@dataclass(frozen=True, kw_only=True)
class Server:
    """The Redis that the gates are kept in."""

    name: str
    version: str
    #: What it does when its memory is full.
    policy: str
    is_durable: bool
    now: datetime


@dataclass(kw_only=True)
class Permit:
    """The right to one request, for one execution; renewed until `ends`."""

    location: str
    execution: str
    closings: int
    ends: float
    #: Set by the holder when Apple asked for fewer requests, with the wait that it named.
    slow_down: bool = field(default=False)
    retry_after: float | None = field(default=None)


class Gate:
    """All gates of one Redis, as one process sees them."""

    def __init__(self, redis: Redis, *, longest_request: float, lease: float = LEASE_SECONDS) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._longest = longest_request
        self._common = [IN_FLIGHT_LIMIT, HEAD_START, int(lease * 1000), int(PATIENCE_SECONDS * 1000)]
        self._lock = threading.Lock()
        self._permits: dict[str, Permit] = {}
        self._started: dict[str, str] = {}

    def park(self, location: str, message: Message, rank: int) -> list[Message]:
        """Park a message, once by its id, and give what may go to the broker now."""
        return self._park(location, message.id, rank, 0.0, message.payload, "0")

    def park_again(self, location: str, message_id: str, delay: float) -> list[Message]:
        """Park the message of a running task for a while; its place in the queue stays."""
        self._forget(message_id)
        return self._park(location, message_id, 0, delay, "", "1")

    def finish(self, location: str, message_id: str) -> list[Message]:
        """Note that a task has ended, and give what may go to the broker in its place."""
        self._forget(message_id)
        return _messages(self._run("finish", location, message_id))

    @contextmanager
    def permit(
        self, location: str, message_id: str = "", *, rate: int = 0, wait: float = WAIT_SECONDS, sole: str = ""
    ) -> Iterator[Permit]:
        """Hold a permit for the length of the block; NotNow where none comes free in time, or the gate is shut.

        Of those that name the same `sole`, one at a time has a permit, however often a message is delivered.
        """
        permit = self._take(location, message_id, sole, wait, rate)
        try:
            yield permit
        finally:
            with self._lock:
                self._permits.pop(permit.execution, None)
            self._give_back(permit)

    def pump(self) -> list[Message]:
        """Look after the gates that are due, and give what may go to the broker."""
        now: Any = self._redis.time()
        due: Any = self._redis.zrangebyscore(DUE_KEY, "-inf", now[0] * 1000 + now[1] // 1000, withscores=True)
        messages = []
        for name, seen in due:
            location = name.decode()
            result = self._run("admit", location)
            self._scripts.reschedule(location, seen, int(result[0]))
            messages += _messages(result)
        return messages

    def renew(self) -> None:
        """Renew the permits and tasks that live in this process; a request past its deadline is not renewed."""
        now = time.monotonic()
        living: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        with self._lock:
            for permit in self._permits.values():
                if now < permit.ends:
                    living[permit.location][0].append(permit.execution)
            for message_id, location in self._started.items():
                living[location][1].append(message_id)
        for location, (executions, ids) in living.items():
            self._run("renew", location, len(executions), *executions, *ids)

    def look(self, location: str) -> Sight:
        """See how a gate stands."""
        in_flight, waiting, admitted, shut = self._run("look", location)
        return Sight(in_flight=in_flight, waiting=waiting, admitted=admitted, shut_seconds=int(shut) / 1000)

    def knows(self, location: str, prefix: str, *, but: str = "") -> bool:
        """Tell whether a message whose id begins so is parked or admitted."""
        names: Any = self._redis.hkeys(key_of(location, "messages"))
        ids = (one.decode() for one in names)
        return any(one.startswith(prefix) and one != but for one in ids)

    def touch(self, location: str) -> None:
        """Have a gate looked at, in case nobody else remembers to."""
        self._redis.zadd(DUE_KEY, {location: 0}, nx=True)

    def redis_answers(self) -> bool:
        """Ask Redis for a sign of life; its own error says that there is none."""
        return bool(self._redis.ping())

    def server(self) -> Server:
        """See what kind of Redis this is, and whether it may lose what it is given."""
        info: Any = self._redis.info()
        now: Any = self._redis.time()
        return Server(
            name="Valkey" if info.get("server_name") == "valkey" else "Redis",
            version=str(info.get("valkey_version", info.get("redis_version", "?"))),
            policy=str(info.get("maxmemory_policy", "")),
            is_durable=bool(info.get("aof_enabled", 0)),
            now=datetime.fromtimestamp(now[0] + now[1] / 1e6, UTC),
        )

    def open_epoch(self) -> None:
        """Say that this Redis, which was started empty just now, remembers all there is: nobody is at Apple yet."""
        self._redis.set(EPOCH_KEY, 0)

    def start(self, location: str, message_id: str) -> None:
        """Note that a task runs here, so that its message is not taken for lost."""
        with self._lock:
            self._started[message_id] = location

    def _take(self, location: str, message_id: str, sole: str, wait: float, rate: int) -> Permit:
        execution = f"{sole}{uuid.uuid4().hex}"
        window = int(RATE_WINDOW_SECONDS * 1000)
        until = time.monotonic() + wait
        while True:
            answer = self._run("take", location, execution, message_id, rate, window, sole)
            if answer[0]:
                ends = time.monotonic() + self._longest
                permit = Permit(location=location, execution=execution, closings=answer[1], ends=ends)
                with self._lock:
                    self._permits[execution] = permit
                return permit
            left = until - time.monotonic()
            self._await(location, answer, left)

    def _await(self, location: str, answer: list[Any], left: float) -> None:
        seconds, is_full = answer[1] / 1000, answer[2] == b"full"
        if is_full and left > 0:
            self._redis.blpop([key_of(location, "wake")], timeout=min(max(left, 0.01), _BLOCK_SECONDS))
        elif not is_full and seconds <= left:
            time.sleep(seconds)
        else:
            raise NotNow(0.0 if is_full else seconds)

    def _give_back(self, permit: Permit) -> None:
        wait = -1 if permit.retry_after is None else int(permit.retry_after * 1000)
        limits = (int(BACKOFF_SECONDS * 1000), int(BACKOFF_LIMIT_SECONDS * 1000))
        slow = int(permit.slow_down)
        opens = self._run("give_back", permit.location, permit.execution, permit.closings, slow, wait, *limits)
        if int(opens):
            self._redis.zadd(DUE_KEY, {permit.location: int(opens)}, lt=True)

    def _park(self, location: str, message_id: str, rank: int, delay: float, payload: str, again: str) -> list[Message]:
        arguments = (message_id, rank, int(delay * 1000), payload, again)
        result = self._run("park", location, *arguments)
        if int(result[0]) >= 0:
            self._redis.zadd(DUE_KEY, {location: int(result[0])}, lt=True)
        return _messages(result)

    def _forget(self, message_id: str) -> None:
        with self._lock:
            self._started.pop(message_id, None)

    def _run(self, name: str, location: str, *arguments: Any) -> Any:
        return self._scripts.run(name, location, *self._common, *arguments)


def _messages(result: list[Any]) -> list[Message]:
    pairs = zip(result[1::2], result[2::2], strict=True)
    return [Message(id=name.decode(), payload=payload.decode()) for name, payload in pairs]
