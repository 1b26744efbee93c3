"""All simulated locations, and the switches that they share."""

from dataclasses import dataclass, field
from typing import Any

from .catalogue import Size
from .location import SimulatedLocation, make_simulated_location
from .switches import Switches
from .traffic import LookupTraffic

#: Switches that only say how Apple answers, not what its records look like.
_ANSWERS_ALONE = {
    *("latency", "jitter", "rate", "beyond_end", "errors", "urls", "removals", "retirements", "notices"),
    *("metadata", "artwork"),
}


@dataclass(kw_only=True)
class World:
    """All locations behind one origin."""

    switches: Switches
    locations: dict[str, SimulatedLocation] = field(default_factory=dict)
    #: What the metadata service was asked, which knows no locations.
    lookups: LookupTraffic = field(default_factory=LookupTraffic)
    _opened: dict[str, SimulatedLocation] = field(default_factory=dict)

    def of_token(self, text: str) -> SimulatedLocation | None:
        """Return the location of a token, even of a revoked one."""
        found = self._opened.get(text)
        if found is None:
            found = next((one for one in self.locations.values() if text in one.tokens), None)
        if found is not None:
            self._opened[text] = found
        return found

    def turn(self, wanted: dict[str, Any]) -> None:
        """Turn switches, for all locations at once."""
        changed = {name for name, value in wanted.items() if getattr(self.switches, name, None) != value}
        self.switches.turn(wanted)
        for one in self.locations.values():
            one.traffic.rate = self.switches.rate
            if changed - _ANSWERS_ALONE:
                one.look_different()


def make_world(count: int, size: Size, seed: int, switches: Switches) -> World:
    """Return a world of some locations, all of one size."""
    locations = [make_simulated_location(number, size, seed, switches) for number in range(count)]
    for one in locations:
        one.traffic.rate = switches.rate
    return World(switches=switches, locations={one.organisation.uid: one for one in locations})
