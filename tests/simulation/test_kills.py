"""A process is killed at every place between two uses of the database: whatever it was about to do, another does it."""

from dataclasses import dataclass

import pytest

from .life import Life

#: Lives without events. Their seeds read assignments and a chain of cursors, assets with assignments, and batches.
SEEDS = (3, 2, 12)

#: Every n-th place, from another first one for each seed.
_STRIDE = 5


@dataclass
class KilledLife(Life):
    """A life without events, in which a process is killed at its n-th use of the database."""

    is_eventful: bool = False
    kill_at: int = 0
    uses: int = 0
    doomed: int | None = None

    def _pause(self) -> None:
        if self.scheduler.current is not None:
            self.uses += 1
            if self.uses == self.kill_at:
                self.doomed = self.scheduler.current.process
        super()._pause()

    def _step(self) -> bool:
        doomed, self.doomed = self.doomed, None
        if doomed is not None:
            self.kill(doomed)
        return super()._step()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kill_between_any_two_writes(seed):
    """At each of the places, the sync comes to its end all the same, and everything is exact."""
    undisturbed = KilledLife(seed)
    undisturbed.live()
    assert undisturbed.uses > 60
    for place in range(1 + seed % _STRIDE, undisturbed.uses, _STRIDE):
        KilledLife(seed, kill_at=place).live()
