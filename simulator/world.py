"""All simulated locations, and the switches for what is not known of Apple's behaviour."""

from dataclasses import dataclass, field
from typing import Literal

from .location import Location, make_location
from .organisation import Size


@dataclass(kw_only=True)
class Switches:
    """How this Apple behaves."""

    latency: float = 0.15
    jitter: float = 0.0
    #: What a page index at or above the total answers: error 9650, or an empty page.
    beyond_end: Literal["9650", "empty"] = "9650"
    #: Requests a second that Apple allows and announces; None announces and enforces nothing.
    rate: int | None = None


@dataclass(kw_only=True)
class World:
    """Everything behind one origin."""

    switches: Switches
    locations: dict[str, Location] = field(default_factory=dict)

    def of_token(self, text: str) -> Location | None:
        """Find the location that a token opens, or opened."""
        return next((one for one in self.locations.values() if text in one.tokens), None)


def make_world(count: int, size: Size, seed: int, switches: Switches) -> World:
    """Make a world of some locations, all of one size."""
    locations = [make_location(number, size, seed) for number in range(count)]
    for one in locations:
        one.traffic.rate = switches.rate
    return World(switches=switches, locations={one.organisation.uid: one for one in locations})
