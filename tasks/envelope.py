"""Envelopes: messages of gated tasks as a Redis broker keeps them, so that the gate's own script can hand them over.

A message is published in two steps: it is parked at its gate, and much later, mostly by another process, let through.
If the broker is the Redis that has the gates, the script that lets it through puts it into its queue as well: that
saves what Celery does for each message, and a round trip. What is put there was made by Celery and kombu, with their
own code, when the message was parked. They make the first message of a chord, and the first that a thread sends of any
other task; the others differ in some fields.

With any other broker, the gate returns the message to whoever called it, who publishes it through Celery; also one that
was parked by a process of another broker.
"""

import base64
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from celery import Task
from celery.utils.saferepr import saferepr
from kombu.utils.json import dumps, loads

from orchestration.gate import Message

from .broker import GATED, capturing
from .services import services


@dataclass(frozen=True, kw_only=True)
class _Envelope:
    """A message as Celery made it, to make others from."""

    task: str
    options: dict[str, Any]
    queue: str
    #: The message in JSON, and after each piece of it the name of the field that stands there.
    pieces: Sequence[str]
    #: The last part of a body: what is to happen after the task.
    embedded: str

    def fits(self, task: Task, options: dict[str, Any]) -> bool:
        """Return whether another message differs only in what is its own: both are of one chord, or both of none."""
        if task.name != self.task or options.keys() != self.options.keys():
            return False
        return all(
            one is options[name] or (isinstance(one, str) and one == options[name])
            for name, one in self.options.items()
            if name not in _OWN
        )

    def write(self, task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any]) -> str:
        """Return another message, with a line break where the rest of its delivery tag belongs."""
        body = f"[{dumps(args)}, {dumps(kwargs) if kwargs else '{}'}, {self.embedded}]"
        words = options.get("argsrepr")
        if words is None:
            words = saferepr(args, task.app.amqp.argsrepr_maxsize, maxlevels=task.app.conf.task_repr_maxlevels)
        fields = {
            "id": json.dumps(task_id),
            "group_index": json.dumps(options.get("group_index")),
            "argsrepr": json.dumps(words),
            "root_id": json.dumps(options.get("root_id")),
            "parent_id": json.dumps(options.get("parent_id")),
            "body": f'"{base64.b64encode(body.encode()).decode()}"',
            "tag": f'"{GATED}\n"',
        }
        return "".join(fields[part] if place % 2 else part for place, part in enumerate(self.pieces))


#: The options that each message has of its own.
_OWN = frozenset({"group_index", "argsrepr", "root_id", "parent_id"})

#: With these, a message carries a moment that Celery computed: no other is made from it.
_TIMED = frozenset({"countdown", "eta", "expires"})

#: The last message of each task that Celery made in this thread, to make others from. No header may differ that is not
#: named here: those of traces would, which is why Sentry adds none.
_made = threading.local()

#: What stands in a message, while it is cut, for what will stand there; in no message otherwise.
_MARK = uuid4().hex
_FIELD = re.compile(f'"{_MARK}([a-z_]+)"')


def seal(task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any], producer: Any = None) -> Message:
    """Return the message of a gated task as it waits at its gate."""
    if not services().settings.is_redis_broker:
        payload = dumps({"task": task.name, "args": args, "kwargs": kwargs, "options": options})
        return Message(id=task_id, payload=payload)
    if not options.get("group_id"):
        options = {**_lineage(task, task_id), **options}
    known: dict[str, _Envelope] = vars(_made)
    envelope = known.get(task.name)
    if envelope is None or kwargs or not envelope.fits(task, options):
        envelope = _make(task, args, kwargs, task_id, options, producer)
        if not kwargs and _TIMED.isdisjoint(options):
            known[task.name] = envelope
    return Message(id=task_id, payload=envelope.write(task, args, kwargs, task_id, options), queue=envelope.queue)


def unseal(message: Message) -> dict[str, Any]:
    """Return the task of a message as it came from its gate, with its arguments and its options."""
    if not message.queue:
        parts: dict[str, Any] = loads(message.payload)
        return parts
    envelope = loads(message.payload.replace("\n", ""))
    headers = envelope["headers"]
    args, kwargs, embedded = loads(base64.b64decode(envelope["body"]).decode())
    carried = {
        "group_id": "group",
        "group_index": "group_index",
        "root_id": "root_id",
        "parent_id": "parent_id",
        "argsrepr": "argsrepr",
    }
    options = {name: headers[header] for name, header in carried.items()}
    return {
        "task": headers["task"],
        "args": args,
        "kwargs": kwargs,
        "options": {**options, "chord": embedded["chord"], "queue": message.queue},
    }


def _lineage(task: Task, task_id: str) -> dict[str, Any]:
    """Return which tasks a message of no chord follows from, as Celery would find out."""
    parent = task.app.current_worker_task
    if parent is None:
        return {"root_id": task_id, "parent_id": None}
    return {"root_id": parent.request.root_id or parent.request.id, "parent_id": parent.request.id}


def _make(task: Task, args: Any, kwargs: Any, task_id: str, options: dict[str, Any], producer: Any) -> _Envelope:
    with capturing() as messages:
        Task.apply_async(task, args, kwargs, task_id=task_id, producer=producer, add_to_parent=False, **options)
    [(queue, message)] = messages
    embedded = dumps(loads(base64.b64decode(message["body"]).decode())[2])
    pieces = _cut(message, task_id, is_part=bool(options.get("group_id")))
    return _Envelope(task=task.name, options=options, queue=queue, pieces=pieces, embedded=embedded)


def _cut(message: dict[str, Any], task_id: str, *, is_part: bool) -> Sequence[str]:
    """Cut a message at the fields that differ in each of its chord, or in each that is of none."""
    own = {name: f"{_MARK}{name}" for name in ("id", "group_index", "argsrepr")}
    if not is_part:
        own |= {name: f"{_MARK}{name}" for name in ("root_id", "parent_id")}
    elif message["headers"]["root_id"] == task_id:  # each is the root of what follows from it
        own["root_id"] = own["id"]
    properties = message["properties"] | {"correlation_id": own["id"], "delivery_tag": f"{_MARK}tag"}
    if "argsrepr" in properties:  # kombu adds the options that it does not know
        properties["argsrepr"] = own["argsrepr"]
    marked = message | {"body": f"{_MARK}body", "headers": message["headers"] | own, "properties": properties}
    return _FIELD.split(dumps(marked))
