"""One process of an installation in memory: the use cases of production, wired to the twins."""

from dataclasses import dataclass

from apple.client import Client
from storage.clock import VirtualClock
from storage.store import Store

from ..decisions.timetable import Intervals
from ..gate import Gate
from ..gate.local_memory import LocalMemory
from ..use_cases import Dependencies, UseCases, wire
from .queue import MemoryBroker, MemoryQueue, MemoryWorker

#: No request takes longer in virtual time.
_LONGEST_REQUEST = 60.0


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the processes of an installation share."""

    store: Store
    apple: Client
    memory: LocalMemory
    broker: MemoryBroker
    clock: VirtualClock
    intervals: Intervals
    #: The language in which apps are named; None where no names are looked up.
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryProcess:
    """One process: its gate, its use cases, and its worker."""

    gate: Gate
    use_cases: UseCases
    worker: MemoryWorker


def start_process(around: Surroundings) -> MemoryProcess:
    """Start a process: it holds no permit and runs no task yet, and knows Apple's limits."""
    gate = Gate(around.memory, longest_request=_LONGEST_REQUEST, timer=around.clock)
    queue = MemoryQueue(around.broker, gate)
    needs = Dependencies(
        store=around.store,
        gate=gate,
        queue=queue,
        apple=around.apple,
        timer=around.clock,
        intervals=around.intervals,
        language=around.language,
    )
    use_cases = wire(needs)
    use_cases.closings.restore()
    use_cases.limits.keep_fresh()
    return MemoryProcess(gate=gate, use_cases=use_cases, worker=MemoryWorker(around.broker, gate, use_cases))
