"""Parts: the signatures of the tasks of a chord.

Celery copies each three times on its way, deeply, with the callback of the chord that it carries, so that whoever made
it may send it again. Ours are sent once, and thousands of them may be in memory at a time: each is its own copy.
"""

from typing import Any

from celery import Task
from celery.canvas import Signature


class Part(Signature):
    """The signature of one task of a chord; it takes no more arguments."""

    @classmethod
    def of(cls, task: Task, args: tuple[Any, ...], task_id: str, words: str) -> "Part":
        """Return the signature of a task with its arguments, its id, and what Flower shows of them."""
        options = {"task_id": task_id, "argsrepr": words}
        part = cls(task.name, args=args, options=options, immutable=True, app=task.app)
        part._type = task
        return part

    def clone(self, args: Any = None, kwargs: Any = None, **options: Any) -> "Part":
        """Return the part itself, with more options."""
        del args, kwargs
        self.options.update(options)
        return self
