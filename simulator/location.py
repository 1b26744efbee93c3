"""One simulated location: its data, its tokens, its traffic and the trouble that waits for it."""

from dataclasses import dataclass, field
from typing import Literal

from .organisation import Organisation, Size, make_token
from .pages import Pages
from .traffic import Traffic
from .trouble import Change, Fault

TokenState = Literal["valid", "revoked", "expired"]

#: Far enough away for every test, and the date of Apple's own samples.
EXPIRES = "2030-11-08T22:33:22+0000"


@dataclass(kw_only=True)
class Location:
    """All that the simulator knows of one location."""

    organisation: Organisation
    pages: Pages
    tokens: dict[str, TokenState]
    traffic: Traffic = field(default_factory=Traffic)
    changes: list[Change] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def token(self) -> str:
        """The newest token."""
        return list(self.tokens)[-1]

    def give_token(self) -> str:
        """Make one more token; as at Apple, that revokes those before it."""
        self.tokens = dict.fromkeys(self.tokens, "revoked")
        text = make_token(self.organisation.uid, self.organisation.name, len(self.tokens), EXPIRES)
        self.tokens[text] = "valid"
        return text

    def change(self, resource: str, request: int) -> None:
        """Apply the changes that are due before this request."""
        due = [one for one in self.changes if one.resource == resource and (one.at_request or 0) <= request]
        self.changes = [one for one in self.changes if one not in due]
        self.apply(due)

    def apply(self, changes: list[Change]) -> None:
        """Apply changes now."""
        for one in changes:
            one.apply(self.organisation)
        if changes:
            self.pages.forget()

    def fault(self, resource: str, index: int) -> Fault | None:
        """Find the fault that strikes this request."""
        return next((one for one in self.faults if one.hits(resource, index)), None)


def make_location(number: int, size: Size, seed: int) -> Location:
    """Make a location from a seed: the same seed, the same data."""
    uid = str(2_049_025_000_431_439 + number)
    organisation = Organisation(uid, f"Simulated School {number + 1}", size, seed)
    location = Location(organisation=organisation, pages=Pages(organisation, EXPIRES), tokens={})
    location.give_token()
    return location
