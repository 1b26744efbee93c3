"""A simulated Apple in this process, and a client that speaks to it as any would."""

from dataclasses import dataclass, field
from typing import Any

import requests

from apple.local import LocalSessions
from simulator.catalogue import Size
from simulator.location import SimulatedLocation
from simulator.server import make_app
from simulator.switches import Switches
from simulator.world import World, make_world

#: Some pages of everything.
SMALL = Size(
    assets=6,
    assignments=45,
    users=25,
    subscriptions=12,
    subscription_assignments=15,
    subscription_admins=3,
    licenses=25,
    legacy_users=12,
    page_size=10,
)


@dataclass(kw_only=True)
class LocalApple:
    """One location at a simulated Apple."""

    world: World
    session: requests.Session
    location: SimulatedLocation
    statuses: list[int] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """The uId of the location."""
        return self.location.organisation.uid

    def get(self, path: str, *, token: str | None = None, **query: Any) -> dict[str, Any]:
        """Request a page of the present service."""
        headers = {"Authorization": f"Bearer {token or self.location.token}"}
        answer: dict[str, Any] = self._read(
            self.session.get(f"http://apple/mdm/v2/{path}", params=query, headers=headers)
        )
        return answer

    def call(self, name: str, *, token: str | None = None, **body: Any) -> dict[str, Any]:
        """Call the legacy service, which wants its token in the body."""
        body = {"sToken": token or self.location.token, **body}
        answer: dict[str, Any] = self._read(self.session.post(f"http://apple/mdm/{name}", json=body))
        return answer

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the endpoints that Apple does not have."""
        return self._read(self.session.request(method, f"http://apple/simulator/{path}", json=body))

    def walk(self, path: str, member: str, **query: Any) -> list[dict[str, Any]]:
        """Read every page of a list by its number."""
        records: list[dict[str, Any]] = []
        index: int | None = 0
        while index is not None:
            page = self.get(path, pageIndex=index, **query)
            records += page[member]
            index = page.get("nextPageIndex")
        return records

    def _read(self, answer: requests.Response) -> Any:
        self.statuses.append(answer.status_code)
        return answer.json() if answer.content else {}


def make_apple(size: Size = SMALL, **switches: Any) -> LocalApple:
    """Make an Apple with one location, whose switches are these."""
    world = make_world(1, size, 1, Switches(latency=0.0, **switches))
    [location] = world.locations.values()
    return LocalApple(world=world, session=LocalSessions(make_app(world)).mine(), location=location)
