"""Flower's settings, for `celery -A tasks flower --conf=tasks/flower.py`: each row reads as a page and its result."""

from typing import Any

tasks_columns = "name,args,state,result,received,runtime,uuid"

_PREFIX = "pageturner."


def format_task(task: Any) -> Any:
    """Show what a task does without our own name before it, and of one that failed why, where others have a result."""
    task.name = (task.name or "").removeprefix(_PREFIX)
    if task.exception:
        task.result = task.exception
    return task
