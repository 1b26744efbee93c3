"""What a queue does with what it is sent, seen at its gate: the same steps for Celery's queue and its twin in memory.

As a program, it drives the queue of the installation that the environment names, and prints what it saw.
"""

import json
from types import SimpleNamespace
from typing import Any

from orchestration.gate import Gate
from orchestration.queue import TaskQueue


def drive(queue: TaskQueue, gate: Gate) -> dict[str, Any]:
    """Send everything that can be sent, some of it twice, and note what the gates then hold."""
    words = {"name": "hq", "resource": "assignments", "kind": "full", "total": 21}
    crawl: Any = SimpleNamespace(uid="one", id=5, round=2, **words)
    chain: Any = SimpleNamespace(uid="two", id=6, round=0, **words)
    seen: dict[str, Any] = {}
    for _ in range(2):
        queue.seed(crawl)
    seen["seed"] = look(gate, "one", ["5.2.0"])
    for _ in range(2):
        queue.round(crawl, range(1, 21))
    seen["round"] = look(gate, "one", [f"5.2.{index}" for index in range(21)])
    for _ in range(2):
        queue.follow(chain, 7)
    seen["follow"] = look(gate, "two", ["6.0.7"])
    for _ in range(2):
        queue.sync("three")
        queue.refresh("three")
    seen["sync"] = look(gate, "three", ["sync.three", "refresh.three"])
    waited = queue.do_publishes_wait()
    queue.publish(crawl)
    seen["publish"] = [waited, queue.do_publishes_wait()]
    return seen


def look(gate: Gate, uid: str, ids: list[str]) -> dict[str, Any]:
    """Return how many messages a gate holds, and whether each of these is among them."""
    status = gate.look(uid)
    known = [gate.knows(uid, one) for one in ids]
    return {"admitted": status.admitted, "waiting": status.waiting, "known": all(known)}


if __name__ == "__main__":
    from tasks.services import services

    services().gate._memory.open_epoch()
    services().use_cases.closings.restore()
    print(json.dumps(drive(services().queue, services().gate)))  # noqa: T201 - this is a program
