"""Envelopes: messages of gated tasks as a Redis broker keeps them, so that the gate's own script can hand them over.

A message is published in two steps: it is parked at its gate, and much later, mostly by another process, let through.
If the broker is the Redis that has the gates, the script that lets it through puts it into its queue as well: that
saves what Celery does for each message, and a round trip. What is put there was made by Celery and kombu, with their
own code, when the message was parked. Of a chord they make the first message; the others differ in five fields.

With any other broker, the gate returns the message to whoever called it, who publishes it through Celery; also one that
was parked by a process of another broker.
"""

import base64
import threading
from dataclasses import dataclass
from typing import Any

from celery import Task
from celery.utils.saferepr import saferepr
from kombu.utils.json import dumps, loads

from orchestration.gate import Message

from .broker import GATED, capturing
from .services import services


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    """A message of a chord as Celery made it, to make the others from."""

    options: dict[str, Any]
    task_id: str
    queue: str
    message: dict[str, Any]
    #: The last part of a body: what is to happen after the task, which is the same for the whole chord.
    embedded: str

    def fits(self, task: Task, options: dict[str, Any]) -> bool:
        """Return whether a message is of the same chord."""
        if task.name != self.message["headers"]["task"] or not options.get("group_id"):
            return False
        return options.keys() == self.options.keys() and all(
            one is options[name] or (isinstance(one, str) and one == options[name])
            for name, one in self.options.items()
            if name != "group_index"
        )

    def parts(self, task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any]) -> tuple[str, str]:
        """Return another message of the chord: what stands before its delivery tag, and what stands after it."""
        root = self.message["headers"]["root_id"]
        headers = self.message["headers"] | {
            "id": task_id,
            "group_index": options.get("group_index"),
            "argsrepr": saferepr(args, task.app.amqp.argsrepr_maxsize, maxlevels=task.app.conf.task_repr_maxlevels),
            "root_id": task_id if root == self.task_id else root,
        }
        body = f"[{dumps(args)}, {dumps(kwargs or {})}, {self.embedded}]"
        properties = self.message["properties"] | {"correlation_id": task_id}
        body = base64.b64encode(body.encode()).decode()
        return _cut(self.message | {"body": body, "headers": headers, "properties": properties})


#: The last message that Celery made in this thread.
_last = threading.local()


def seal(task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any], producer: Any = None) -> Message:
    """Return the message of a gated task as it waits at its gate."""
    if not services().settings.is_redis_broker:
        payload = dumps({"task": task.name, "args": args, "kwargs": kwargs, "options": options})
        return Message(id=task_id, payload=payload)
    envelope: _Envelope | None = getattr(_last, "envelope", None)
    if envelope is None or not envelope.fits(task, options):
        envelope = _last.envelope = _make(task, args, kwargs, task_id, options, producer)
    before, after = envelope.parts(task, args, kwargs, task_id, options)
    return Message(id=task_id, payload=f"{before}\n{after}", queue=envelope.queue)


def unseal(message: Message) -> dict[str, Any]:
    """Return the task of a message as it came from its gate, with its arguments and its options."""
    if not message.queue:
        parts: dict[str, Any] = loads(message.payload)
        return parts
    envelope = loads(message.payload.replace("\n", ""))
    headers = envelope["headers"]
    args, kwargs, embedded = loads(base64.b64decode(envelope["body"]).decode())
    carried = {"group_id": "group", "group_index": "group_index", "root_id": "root_id", "parent_id": "parent_id"}
    options = {name: headers[header] for name, header in carried.items()}
    return {
        "task": headers["task"],
        "args": args,
        "kwargs": kwargs,
        "options": {**options, "chord": embedded["chord"], "queue": message.queue},
    }


def _make(task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any], producer: Any) -> _Envelope:
    with capturing() as messages:
        Task.apply_async(task, args, kwargs, task_id=task_id, producer=producer, add_to_parent=False, **options)
    [(queue, message)] = messages
    body = base64.b64decode(message["body"]).decode()
    return _Envelope(
        options=options,
        task_id=task_id,
        queue=queue,
        message=message,
        embedded=dumps(loads(body)[2]),
    )


def _cut(message: dict[str, Any]) -> tuple[str, str]:
    """Write a message without the end of its delivery tag: each delivery has one of its own."""
    before, after = dumps(message).split(message["properties"]["delivery_tag"])
    return before + GATED, after
