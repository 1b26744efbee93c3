"""The memory of gates in Redis: each step is a script in Lua, from the folder beside this file."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from .memory import LIMITS, Admission, Closed, GateStatus, Grant, Limits, Message, Refusal, Request, Return

_NAMES = ("park", "park_again", "admit", "finish", "take", "give_back", "renew", "look", "shut", "hold")

#: The parts of a location's keys, in the order in which `common.lua` names them.
_PARTS = ("parked", "later", "messages", "ranks", "sent", "admitted", "permits", "grants", "state", "wake", "keeping")

EPOCH_KEY = "gate:epoch"
DUE_KEY = "gates:due"


class RedisMemory:
    """The gates of one Redis."""

    def __init__(
        self, redis: Redis, limits: Limits = LIMITS, *, renewing: Redis | None = None, is_broker: bool = False
    ) -> None:
        self.limits = limits
        #: Whether the broker is this Redis: then the scripts put messages into its queues.
        self._is_broker = is_broker
        self._redis = redis
        #: Renewals must not wait behind other requests that hang.
        self._renewing = renewing or redis
        common = _read("common")
        self._scripts = {name: redis.register_script(common + _read(name)) for name in _NAMES}
        self._reschedule = redis.register_script(_read("reschedule"))
        self._wake = redis.register_script(_read("wake"))
        self._restored = redis.register_script(_read("restored"))

    def park(self, uid: str, messages: Sequence[Message], rank: int) -> Admission:
        """Park messages, each unless one of its id is parked, admitted or running; lower ranks come first."""
        parts = [part for message in messages for part in (message.id, _dump(message))]
        return _admission(self._run("park", uid, rank, *parts))

    def park_again(self, uid: str, message_id: str, delay: int) -> Admission:
        """Park the message of a running task for a while. It keeps its place."""
        return _admission(self._run("park_again", uid, message_id, delay))

    def admit(self, uid: str) -> Admission:
        """Admit the messages that may run now."""
        return _admission(self._run("admit", uid))

    def finish(self, uid: str, message_id: str) -> Admission:
        """Forget a message whose task has ended."""
        return _admission(self._run("finish", uid, message_id))

    def take(self, uid: str, request: Request) -> Grant | Refusal:
        """Take a permit."""
        return _taken(self._run("take", uid, *_parts(request)))

    def take_returned(self, uid: str, request: Request, seconds: float) -> Grant | Refusal:
        """Wait until a permit of the gate is given back, for this many seconds at most, and take one then.

        Both commands are sent at once: the server does the second as soon as the first is over.
        """
        keys, arguments = self._of(uid, _parts(request))
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.blpop([key_of(uid, "wake")], timeout=seconds)
            pipeline.evalsha(self._scripts["take"].sha, len(keys), *keys, *arguments)
            woken, answer = pipeline.execute(raise_on_error=False)
        if isinstance(answer, NoScriptError):  # the server was emptied while this one waited
            return self.take(uid, request)
        for error in (woken, answer):
            if isinstance(error, RedisError):
                raise error
        return _taken(answer)

    def give_back(self, uid: str, returned: Return) -> Closed:
        """Return a permit, and close the gate in the same step if the answer asks for that."""
        outcome = "closed" if returned.closes else "well"
        wait = -1 if returned.wait is None else returned.wait
        of_permit = (returned.execution, returned.closings, outcome)
        of_message = (returned.message_id, returned.storing)
        answer = self._run("give_back", uid, *of_permit, wait, returned.least, returned.longest, *of_message)
        opens, left, step = map(int, answer)
        return Closed(opens_at=opens or None, left=left, step=step)

    def revoke(self, uid: str, executions: Sequence[str]) -> None:
        """Take back permits without a holder, and those whose return was not received."""
        self._renewing.zrem(key_of(uid, "permits"), *executions)

    def renew(self, uid: str, executions: Sequence[str], message_ids: Sequence[str]) -> None:
        """Renew permits, and the admission of tasks that are running."""
        arguments = (len(executions), *executions, *message_ids)
        self._run("renew", uid, *arguments, client=self._renewing)

    def look(self, uid: str) -> GateStatus:
        """Look at a gate, and change nothing."""
        living, waiting, admitted, shut = self._run("look", uid)
        executions = [name.decode() for name in living]
        return GateStatus(executions=executions, waiting=waiting, admitted=admitted, shut_seconds=int(shut) / 1000)

    def ids(self, uid: str) -> Sequence[str]:
        """Return the ids of all messages that are parked, admitted or running."""
        names: Any = self._redis.hkeys(key_of(uid, "messages"))
        return [name.decode() for name in names]

    def shut(self, uid: str, wait: int, step: int) -> int:
        """Close a gate for some seconds, after a number of closings in a row; return when it opens."""
        return int(self._run("shut", uid, wait, step))

    def hold(self, uid: str, least: int, longest: int) -> int:
        """Shut a gate because answers cannot be stored, longer each time; return when it opens."""
        return int(self._run("hold", uid, least, longest))

    def due(self) -> Sequence[tuple[str, float]]:
        """Return the gates that are to be looked at now, each with the time that was set for it."""
        now: Any = self._redis.time()
        milliseconds = now[0] * 1000 + now[1] // 1000
        due: Any = self._redis.zrangebyscore(DUE_KEY, "-inf", milliseconds, withscores=True)
        return [(name.decode(), seen) for name, seen in due]

    def wake(self, uid: str, at: int) -> None:
        """Queue a look at a gate for that moment at the latest."""
        self._wake(keys=[DUE_KEY], args=[uid, at])

    def touch(self, uid: str) -> None:
        """Queue a look at a gate now, unless one is queued."""
        self._redis.zadd(DUE_KEY, {uid: 0}, nx=True)

    def reschedule(self, uid: str, seen: float, at: int | None) -> None:
        """Set when a gate is looked at next, unless that has changed since it was seen."""
        self._reschedule(keys=[DUE_KEY], args=[uid, seen, -1 if at is None else at])

    def epoch(self) -> bytes | None:
        """Return when, and as which server, this memory was filled; None if it was not yet."""
        known: Any = self._redis.get(EPOCH_KEY)
        return None if known is None else bytes(known)

    def open_epoch(self) -> None:
        """Begin an epoch that has nothing to restore: no request is at Apple yet."""
        info: Any = self._redis.info("server")
        self._redis.set(EPOCH_KEY, f"{info['run_id']} 0 0")

    def note_restored(self, epoch: bytes) -> None:
        """Note that in this epoch the memory has the closings."""
        self._restored(keys=[EPOCH_KEY], args=[epoch])

    def _run(self, name: str, uid: str, *arguments: Any, client: Redis | None = None) -> Any:
        keys, values = self._of(uid, arguments)
        return self._scripts[name](keys=keys, args=values, client=client)

    def _of(self, uid: str, arguments: Sequence[Any]) -> tuple[Sequence[str], list[Any]]:
        """Return the keys and the arguments of a script."""
        limits = (self.limits.in_flight, self.limits.head_start, self.limits.lease, self.limits.patience)
        return _keys_of(uid), [*limits, int(self._is_broker), *arguments]


#: So many locations have their keys at hand.
_KEYS_KEPT = 1024


@lru_cache(_KEYS_KEPT)
def _keys_of(uid: str) -> Sequence[str]:
    """Return the keys of every script, in the order of `common.lua`."""
    return (*(key_of(uid, part) for part in _PARTS), EPOCH_KEY)


def key_of(uid: str, part: str) -> str:
    """Return the name of a key; the braces keep all keys of one location in one slot of a cluster."""
    return f"gate:{{{uid}}}:{part}"


def _dump(message: Message) -> str:
    """Return a message as the scripts read it: with the queue before it if they are to hand it over."""
    return f"!{message.queue}\n{message.payload}" if message.queue else message.payload


def _load(message_id: str, text: str) -> Message:
    if not text.startswith("!"):
        return Message(id=message_id, payload=text)
    queue, _, payload = text[1:].partition("\n")
    return Message(id=message_id, payload=payload, queue=queue)


def _admission(result: list[Any]) -> Admission:
    again = int(result[0])
    pairs = zip(result[1::2], result[2::2], strict=True)
    messages = [_load(name.decode(), payload.decode()) for name, payload in pairs]
    return Admission(messages=messages, again_at=None if again < 0 else again)


def _parts(request: Request) -> tuple[Any, ...]:
    of_message = (request.execution, request.message_id)
    return (*of_message, request.rate, request.window, request.sole, request.twin)


def _taken(answer: list[Any]) -> Grant | Refusal:
    if answer[0]:
        return Grant(closings=answer[1])
    return Refusal(why=answer[2].decode(), wait=None if answer[1] < 0 else answer[1])


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text() + "\n"
