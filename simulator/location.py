"""One simulated location: its data, its tokens, its traffic and the trouble that waits for it."""

from dataclasses import dataclass, field
from typing import Literal

from .batches import Batches
from .catalogue import Size
from .cursors import Cursors
from .notifier import NoticeTarget
from .organisation import Organisation
from .pages import IndexPages
from .records import make_token
from .renderer import Renderer
from .switches import Switches
from .traffic import Traffic
from .trouble import DataChange, Fault

TokenState = Literal["valid", "revoked", "expired", "wrong"]

#: Far enough away for every test, and the date of Apple's own samples.
EXPIRES = "2030-11-08T22:33:22+0000"


@dataclass(kw_only=True)
class SimulatedLocation:
    """All that the simulator knows of one location."""

    organisation: Organisation
    rendering: Renderer
    pages: IndexPages
    cursors: Cursors
    batches: Batches
    switches: Switches
    subscription: NoticeTarget
    tokens: dict[str, TokenState] = field(default_factory=dict)
    expires: str = EXPIRES
    traffic: Traffic = field(default_factory=Traffic)
    changes: list[DataChange] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The newest token."""
        return list(self.tokens)[-1]

    def give_token(self) -> str:
        """Issue a token; as at Apple, that revokes those before it."""
        self.tokens = dict.fromkeys(self.tokens, "revoked")
        text = make_token(self.organisation.uid, self.organisation.name, len(self.tokens), EXPIRES)
        self.tokens[text] = "valid"
        return text

    def change(self, resource: str, request: int) -> None:
        """Apply the changes that are due before this request."""
        due = [one for one in self.changes if one.resource == resource and (one.at_request or 0) <= request]
        self.changes = [one for one in self.changes if one not in due]
        self.apply(due)

    def apply(self, changes: list[DataChange]) -> None:
        """Apply changes now."""
        for one in changes:
            one.apply(self.organisation, self.switches)
        if changes:
            self.pages.forget()
        times = {"once": 1, "twice": 2, "lost": 0}[self.switches.notices]
        for one in changes:
            self.subscription.notify(one.resource, one.notification(), times)

    def look_different(self) -> None:
        """Change all records: the switches make them look different."""
        for listing in self.organisation.listings.values():
            listing.touch(all_of_it=True)
        self.pages.forget()

    def expire(self, what: str) -> None:
        """Let versions, cursors or batch tokens expire."""
        if what == "versions":
            for listing in self.organisation.listings.values():
                listing.forget_versions()
            self.pages.forget()
        elif what == "cursors":
            self.cursors.forget()
        else:
            self.batches.forget()

    def fault(self, resource: str, index: int, *, of_asset: bool) -> Fault | None:
        """Return the fault of this request, if there is one."""
        return next((one for one in self.faults if one.hits(resource, index, of_asset=of_asset)), None)


def make_simulated_location(number: int, size: Size, seed: int, switches: Switches) -> SimulatedLocation:
    """Make a location from a seed: the same seed, the same data."""
    uid = str(2_049_025_000_431_439 + number)
    organisation = Organisation(uid, f"Simulated School {number + 1}", size, seed)
    rendering = Renderer(organisation, switches)
    pages = IndexPages(organisation, rendering, switches)
    location = SimulatedLocation(
        organisation=organisation,
        rendering=rendering,
        pages=pages,
        cursors=Cursors(rendering, pages),
        batches=Batches(organisation, rendering, switches),
        switches=switches,
        subscription=NoticeTarget(uid=uid),
    )
    location.give_token()
    return location
