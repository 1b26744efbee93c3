"""The scheduler of a life: actors that take turns in virtual time, in an order that dice decide."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet

from storage.clock import VirtualClock


class Killed(BaseException):
    """The life is over; what an actor that was killed was about to do is of no consequence."""


@dataclass(eq=False)
class Actor:
    """A piece of work that gives way at every use of the database and at every request."""

    work: Callable[[], None]
    #: The number of the process that it runs in.
    process: int
    wakes: float = 0.0
    #: Ends its request at Apple, if it has one: with the process, its connections are closed.
    hang_up: Callable[[], None] = lambda: None
    error: BaseException | None = None
    greenlet: greenlet = field(init=False)

    def __post_init__(self) -> None:
        self.greenlet = greenlet(self._run)

    def _run(self) -> None:
        try:
            self.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised again by the scheduler
            self.error = error


class Scheduler(VirtualClock):
    """Runs actors one at a time, each until it pauses."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self._main = getcurrent()
        #: The actor that runs now; None outside of any.
        self.current: Actor | None = None
        self.actors: list[Actor] = []
        #: Actors of processes that were killed: they are never resumed.
        self._killed: list[Actor] = []

    def spawn(self, work: Callable[[], None], process: int) -> None:
        """Begin a piece of work in a process."""
        self.actors.append(Actor(work, process, wakes=self.monotonic()))

    def pause(self) -> None:
        """Let another actor run before this one goes on."""
        if self.current is not None:
            self._main.switch()

    def sleep(self, seconds: float) -> None:
        """Wait in virtual time; outside of any actor, time passes for all."""
        if self.current is None:
            super().sleep(seconds)
        else:
            self.current.wakes = self.monotonic() + seconds
            self._main.switch()

    def travel(self, seconds: float, hang_up: Callable[[], None]) -> None:
        """Wait for Apple."""
        if self.current is None:
            self.sleep(seconds)
            return
        actor = self.current
        actor.hang_up = hang_up
        self.sleep(seconds)
        actor.hang_up = lambda: None

    def runnable(self) -> list[Actor]:
        """Return the actors whose time has come."""
        return [actor for actor in self.actors if actor.wakes <= self.monotonic()]

    def resume(self, actor: Actor) -> None:
        """Let an actor run until it pauses or ends."""
        self.current = actor
        try:
            actor.greenlet.switch()
        finally:
            self.current = None
        if actor.greenlet.dead:
            self.actors.remove(actor)
            if actor.error is not None:
                raise actor.error

    def kill(self, process: int) -> None:
        """Kill a process: its actors stop where they are."""
        killed = [actor for actor in self.actors if actor.process == process]
        self.actors = [actor for actor in self.actors if actor.process != process]
        self._killed += killed
        for actor in killed:
            actor.hang_up()

    def end(self) -> None:
        """End the life: what was left in the middle is unwound, now that it changes nothing any more."""
        for actor in [*self.actors, *self._killed]:
            if actor.greenlet:
                actor.greenlet.throw(Killed)
        self.actors, self._killed = [], []
