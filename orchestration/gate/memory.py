"""The protocol of the gates' memory: messages that wait, are admitted or are at Apple, and gates that are shut.

Each method is atomic, however many processes use the memory. `RedisMemory` runs each as a script in
the server, so that all processes of all hosts share it. `LocalMemory` keeps everything in this process. Both pass the
same tests. All times are milliseconds by the memory's own clock: the clocks of hosts differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: Apple: do not submit more than five requests simultaneously.
IN_FLIGHT_LIMIT = 5

#: Messages beyond the five that are with a worker already when a permit is given back.
HEAD_START = 2

#: A dead process is noticed after this; a living one renews three times in it.
LEASE_SECONDS = 15.0

#: A message that no worker has started by then is published again (and may then wait twice as long).
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that hold for every gate of a memory."""

    in_flight: int = IN_FLIGHT_LIMIT
    head_start: int = HEAD_START
    lease: int = int(LEASE_SECONDS * 1000)
    patience: int = int(PATIENCE_SECONDS * 1000)


#: The limits that were measured.
LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message that may go to the broker now."""

    id: str
    payload: str
    #: The queue that it is put into when it is let through, if the memory is the broker's server: then with a delivery
    #: tag in the place of the payload's line break. Empty if whoever lets it through publishes it.
    queue: str = ""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The messages that a step admitted."""

    messages: Sequence[Message]
    #: When the gate must be looked at again; None if there is nothing to wait for.
    again_at: int | None


@dataclass(frozen=True, kw_only=True)
class GateStatus:
    """How a gate stands."""

    #: The names of those that have a permit.
    executions: Sequence[str]
    waiting: int
    admitted: int
    shut_seconds: float

    @property
    def in_flight(self) -> int:
        """How many requests are at Apple."""
        return len(self.executions)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for a permit, by one execution of a task."""

    execution: str
    #: The message whose task sends it; empty if no message's.
    message_id: str
    #: Requests a second that Apple allows, and over how long a window they are counted; 0 for any number.
    rate: int
    window: int
    #: Of the executions whose names begin with this, one at a time has a permit; empty for any number.
    sole: str
    #: How the names of executions of the same message begin; empty if no message's.
    twin: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A permit is granted. The number of closings so far tells later whether another was closed meanwhile."""

    closings: int


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """No permit, and why: `full`, `shut`, `fast` (Apple's rate), or `twin` (the message has one)."""

    why: str
    #: For how many milliseconds at least; None: until a permit is given back.
    wait: int | None


@dataclass(frozen=True, kw_only=True)
class Return:
    """A permit that is given back, and whether its answer closes the gate."""

    execution: str
    message_id: str
    #: For how long the answer may take to be stored.
    storing: int
    #: The closings when the permit was granted.
    closings: int
    #: Whether the answer closes the gate; for how long Apple wants that, and the least and the longest wait otherwise.
    closes: bool
    wait: int | None
    least: int
    longest: int


@dataclass(frozen=True, kw_only=True)
class Closed:
    """How a gate stands after a permit was given back."""

    #: When it opens, if it was shut by this.
    opens_at: int | None
    #: In how long that is, and how many times in a row it was closed.
    left: int
    step: int


class GateMemory(Protocol):
    """The memory of all gates. A gate is named by the uId of its location."""

    limits: Limits

    def park(self, uid: str, messages: Sequence[Message], rank: int) -> Admission:
        """Park messages, each unless one of its id is parked, admitted or running; lower ranks come first."""

    def park_again(self, uid: str, message_id: str, delay: int) -> Admission:
        """Park the message of a running task for a while. It keeps its place."""

    def admit(self, uid: str) -> Admission:
        """Admit the messages that may run now."""

    def finish(self, uid: str, message_id: str) -> Admission:
        """Forget a message whose task has ended."""

    def take(self, uid: str, request: Request) -> Grant | Refusal:
        """Take a permit."""

    def take_returned(self, uid: str, request: Request, seconds: float) -> Grant | Refusal:
        """Wait until a permit of the gate is given back, for this many seconds at most, and take one then."""

    def give_back(self, uid: str, returned: Return) -> Closed:
        """Return a permit, and close the gate in the same step if the answer asks for that."""

    def revoke(self, uid: str, executions: Sequence[str]) -> None:
        """Take back permits without a holder, and those whose return was not received."""

    def renew(self, uid: str, executions: Sequence[str], message_ids: Sequence[str]) -> None:
        """Renew permits, and the admission of tasks that are running."""

    def look(self, uid: str) -> GateStatus:
        """Look at a gate, and change nothing."""

    def ids(self, uid: str) -> Sequence[str]:
        """Return the ids of all messages that are parked, admitted or running."""

    def shut(self, uid: str, wait: int, step: int) -> int:
        """Close a gate for some seconds, after a number of closings in a row; return when it opens."""

    def hold(self, uid: str, least: int, longest: int) -> int:
        """Shut a gate because answers cannot be stored, longer each time; return when it opens."""

    def due(self) -> Sequence[tuple[str, float]]:
        """Return the gates that are to be looked at now, each with the time that was set for it."""

    def wake(self, uid: str, at: int) -> None:
        """Queue a look at a gate for that moment at the latest."""

    def touch(self, uid: str) -> None:
        """Queue a look at a gate now, unless one is queued."""

    def reschedule(self, uid: str, seen: float, at: int | None) -> None:
        """Set when a gate is looked at next, unless that has changed since it was seen."""

    def epoch(self) -> bytes | None:
        """Return when, and as which server, this memory was filled; None if it was not yet."""

    def open_epoch(self) -> None:
        """Begin an epoch that has nothing to restore: no request is at Apple yet."""

    def note_restored(self, epoch: bytes) -> None:
        """Note that in this epoch the memory has the closings."""
