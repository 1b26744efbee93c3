"""Daily life: the data change by themselves, as they do at an organisation at work."""

import asyncio
import random
from collections.abc import Callable, Sequence

from .location import SimulatedLocation
from .trouble import DataChange
from .world import World


class DailyLife:
    """Changes the data of a world, a little and often."""

    def __init__(self, world: World, every: float, seed: int) -> None:
        self._world = world
        #: The seconds between two changes.
        self._every = every
        self._dice = random.Random(seed)  # noqa: S311 - data for a simulator, not a secret

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            await asyncio.sleep(self._every)
            self.step()

    def step(self) -> SimulatedLocation:
        """Let something happen at one of the locations, and return it."""
        location = self._dice.choice(list(self._world.locations.values()))
        [happen] = self._dice.choices(list(_EVENTS), weights=list(_EVENTS.values()))
        location.apply(list(happen(self._dice)))
        return location


def _handed_out(dice: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="assignments", insert=dice.randint(1, 8), where="random")]


def _taken_back(dice: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="assignments", remove=dice.randint(1, 3), where="random")]


def _bought(dice: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="assets", buy=dice.choice([10, 25, 50, 100]))]


def _somebody_came(dice: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="users", insert=dice.randint(1, 3), where="end")]


def _somebody_changed(_: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="users", update=1)]


def _somebody_left(_: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="users", retire=1)]


def _subscribed(dice: random.Random) -> Sequence[DataChange]:
    return [DataChange(resource="subscription-assignments", insert=dice.randint(1, 2), where="end")]


#: What happens, and how often beside the others.
_EVENTS: dict[Callable[[random.Random], Sequence[DataChange]], int] = {
    _handed_out: 8,
    _taken_back: 4,
    _bought: 1,
    _somebody_came: 2,
    _somebody_changed: 2,
    _somebody_left: 1,
    _subscribed: 1,
}
