"""The gated task: sending it parks its message at the gate of a location, which publishes it when it may run.

So workers never wait, a location has a handful of messages in the broker however many pages it has, and all locations
share the workers fairly. The first argument of a gated task is the location's uId.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from celery import Task
from celery.exceptions import Ignore
from celery.utils import uuid
from kombu.exceptions import OperationalError

from advice import explain
from orchestration.decisions.ended import Ended
from orchestration.decisions.retry import Postponed
from orchestration.gate import AlreadyRunning, Message
from orchestration.log_context import about
from storage.errors import StorageError
from storage.states import Cause, Trouble

from .crowd import present
from .envelope import seal, unseal
from .outages import AWAY, outages
from .queue import depths
from .services import services
from .shown import Shown

log = logging.getLogger(__name__)

#: When a task that found a server away tries again.
AWAY_SECONDS = 5.0
_AWAY = Postponed(seconds=AWAY_SECONDS)

#: After this, messages that a broker did not take are published again.
BROKER_SECONDS = 1.0

#: How many chores of the scheduler may wait for a worker: some of each kind.
_CHORES_WAITING = 10

#: Options of the caller's process, which do not belong into a message.
_NOT_CARRIED = ("add_to_parent", "connection", "router", "result_cls")


class GatedTask(Task):
    """A task whose message is parked at a gate, when it is sent or postponed. Its first argument is the uId."""

    abstract = True
    #: The place of its messages in a gate's queue: lower comes first.
    rank = 0

    def apply_async(
        self,
        args: Any = None,
        kwargs: Any = None,
        task_id: str | None = None,
        producer: Any = None,
        **options: Any,
    ) -> Any:
        """Park the message instead of publishing it, once by its id."""
        task_id = task_id or uuid()
        carried = {name: value for name, value in options.items() if name not in _NOT_CARRIED}
        message = seal(self, args, kwargs, task_id, carried, producer)
        crowd = present()
        if crowd is None:
            self._park(args[0], [message], producer)
        else:
            crowd.add(message, partial(self._park, args[0]), producer)
        return self.AsyncResult(task_id)

    def _park(self, uid: str, messages: Sequence[Message], producer: Any) -> None:
        publish(services().gate.park(uid, messages, self.rank), producer)

    def __call__(self, *args: Any, **kwargs: Any) -> Shown:
        """Run the task. It never fails its chord: an error is in the ledger, or the message is parked again."""
        names = ("location", "crawl", "round", "page")
        with about(**dict(zip(names, args, strict=False))):
            return self._run(*args, **kwargs)

    def _run(self, *args: Any, **kwargs: Any) -> Shown:
        gate, uid, message_id = services().gate, args[0], self.request.id
        gate.start(uid, message_id)
        outcome = self._attempt(message_id, args, kwargs)
        if isinstance(outcome, Postponed):
            self._park_again(uid, message_id, outcome.seconds)
        try:
            publish(gate.finish(uid, message_id))
        except AWAY as error:  # its work is in the ledger; its admission lapses
            outages.note(error)
        if isinstance(outcome, Ended) and outcome.is_failure:
            self._show_failure(outcome)
        return Shown(outcome)

    def _show_failure(self, outcome: Ended) -> NoReturn:
        """Have Flower show a failure. The task counts in its chord all the same, so Celery must not know of it."""
        try:
            self.backend.mark_as_done(self.request.id, None, request=self.request, store_result=False)
            self.send_event("task-failed", retry=False, exception=outcome.words, traceback="")
        except AWAY as error:  # the ledger has why
            outages.note(error)
        raise Ignore

    def _attempt(self, message_id: str, args: Any, kwargs: Any) -> Postponed | Ended | None:
        """Run; return when to come again, or what the task came to, well or not."""
        try:
            outcome: Postponed | Ended | None = self.run(*args, **kwargs)
        except AlreadyRunning:  # the other execution does the rest of this message
            services().gate.leave(message_id)
            raise Ignore from None
        except AWAY as error:
            outages.note(error)
            return _AWAY
        except StorageError as error:
            return self._give_up(message_id, args, error)
        except Exception as error:  # the outermost handler: a bug fails its crawl, and not the whole chord
            log.exception("%s: a bug.", message_id)
            return self._give_up(message_id, args, error)
        return outcome

    def _give_up(self, message_id: str, args: Any, error: Exception) -> Postponed | Ended:
        try:
            self.give_up(args, error)
        except AWAY as away:
            outages.note(away)
            return _AWAY
        except Exception:  # the message must leave the gate all the same
            log.exception("%s: could not be given up.", message_id)
        return Ended(words=cause_of(error).reason, is_failure=True)

    def give_up(self, args: Any, error: Exception) -> None:
        """Fail the crawl because its task raised an error that does not pass by itself."""
        services().use_cases.crawl_tasks.fail(args[1], cause_of(error))

    def _park_again(self, uid: str, message_id: str, seconds: float) -> NoReturn:
        try:
            publish(services().gate.park_again(uid, message_id, seconds))
        except AWAY as error:  # tend finds that the page is missing, and requests it again
            outages.note(error)
        raise Ignore


class LocationTask(GatedTask):
    """A gated task about a whole location, and no crawl of it: a failure is logged, and the scheduler tries again."""

    abstract = True

    def give_up(self, args: Any, error: Exception) -> None:
        """Log what a person has to mend; a bug is logged already."""
        if isinstance(error, StorageError):
            log.error("Location %s: %s", args[0], explain(error))


class SyncTask(LocationTask):
    """The task that opens a sync: after an error its location rests, and no other."""

    abstract = True

    def give_up(self, args: Any, error: Exception) -> None:
        """Let the location rest."""
        super().give_up(args, error)
        services().use_cases.syncer.rest(args[0])


class ChoreTask(Task):
    """A chore of the scheduler: if it fails, the next does its work."""

    abstract = True
    throws = AWAY
    #: Its messages have a queue of their own.
    queue = "clock"
    #: A monitor of tasks would show little else: how the scheduler stands is in `status` and the metrics.
    send_events = False

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the chore, unless chores wait already: without workers they would pile up."""
        if depths().get(self.queue, 0) < _CHORES_WAITING:
            return super().apply_async(*args, **options)
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run the task."""
        try:
            self.run(*args, **kwargs)
        except AWAY as error:
            outages.note(error)


class CrawlTask(Task):
    """A task whose first argument is a crawl. A bug fails the crawl; if a server is away, tend sends it again."""

    abstract = True
    throws = AWAY  # no bug, and not to be reported

    def __call__(self, *args: Any, **kwargs: Any) -> Shown:
        """Run the task, with every line about its crawl."""
        with about(crawl=args[0]):
            try:
                return Shown(self.run(*args, **kwargs))
            except AWAY as error:  # tend sends it again
                outages.note(error)
                return Shown(Ended(words=f"comes again: {explain(error)}"))

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Fail the crawl in the ledger."""
        del task_id, kwargs, einfo
        services().use_cases.crawl_tasks.fail(args[0], cause_of(exc))


def cause_of(error: Exception) -> Cause:
    """Return why a crawl fails whose task raised an error: only a person can mend it, or it is a bug of ours."""
    name = type(error).__name__
    if isinstance(error, StorageError):
        return Cause(reason=str(error), trouble=Trouble.PERSON, error=name)
    return Cause(reason=f"A bug ({name}): please report it with the worker's log.", trouble=Trouble.BUG, error=name)


def publish(messages: Sequence[Message], producer: Any = None) -> None:
    """Publish what the gate let through.

    With the producer of the caller, where there is one: taking a second one while holding the first froze sixteen
    threads for ever.
    """
    waiting = list(messages)
    try:
        while waiting:
            _publish(waiting[0], producer)
            waiting.pop(0)
    except OperationalError:  # a message that the broker did not take waits at its gate
        for message in waiting:
            uid = unseal(message)["args"][0]
            services().gate.shut(uid, BROKER_SECONDS)  # otherwise another would be let through in its place
            services().gate.park_again(uid, message.id, BROKER_SECONDS)
        raise


def _publish(message: Message, producer: Any) -> None:
    from . import registered_app  # a message of another process may be of any task

    parts = unseal(message)
    Task.apply_async(
        registered_app().tasks[parts["task"]],
        parts["args"],
        parts["kwargs"],
        task_id=message.id,
        producer=producer,
        add_to_parent=False,
        **parts["options"],
    )
