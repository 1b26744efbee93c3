"""Parts: the signatures of the tasks of a chord.

Celery copies each three times on its way, deeply, with the callback of the chord that it carries. None of ours is
changed once it has its options, so the copies share what is in them.
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
        """Return a copy with options of its own."""
        del args, kwargs
        copy = Part(self, app=self._app)
        copy["options"] = {**self.options, **options}
        copy._type = self._type
        return copy
