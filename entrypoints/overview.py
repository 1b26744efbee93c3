"""The overview of an installation, gathered for every surface that shows it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from advice import advised
from orchestration.decisions.freshness import judge_streams
from orchestration.decisions.health import Health, of_notices, of_scheduler
from orchestration.decisions.overview import LocationFacts, LocationView, Overview, view
from settings import Settings
from storage.ledger.progress import ProgressReport

from .embedded.servers import join_if_any

if TYPE_CHECKING:
    from tasks.services import Services


def look(services: "Services", max_age: timedelta | None = None) -> Overview:
    """Judge everything: by the intervals, or by one age."""
    return _look(services, max_age, is_whole=False)


def look_closely(services: "Services") -> Overview:
    """Judge everything, with the crawls under way and the counts that disagree."""
    return _look(services, None, is_whole=True)


def look_at(services: "Services", uid: str) -> LocationView | None:
    """Judge one location closely; None if it is no longer watched."""
    now = services.store.database.now()
    location = services.store.locations.find(uid)
    if not location.is_watched:
        return None
    scheduler = of_scheduler(services.store.chores.last().get("tick"), now)
    streams, closings = services.store.streams.watched(location.id), services.store.closings.standing()
    verdicts = judge_streams(location, streams, services.needs.intervals, now)
    seen = LocationFacts(
        reports=_under_way(services, location.id).get(uid, {}),
        counts=services.store.counts.known(location.id) if location.id in services.store.counts.looked_into() else (),
        closing=closings.get(uid),
    )
    return advised_view(view(location, verdicts, now, seen, is_scheduler_running=scheduler.words is None))


def read_outages(settings: Settings) -> Mapping[str, str]:
    """Return what is away for workers, by the server's name; nothing if no worker can be running."""
    from tasks.services import read_board

    return read_board(settings) if not settings.is_embedded or join_if_any(settings) else {}


def _look(services: "Services", max_age: timedelta | None, *, is_whole: bool) -> Overview:
    now = services.store.database.now()
    ticked_at = services.store.chores.last().get("tick")
    streams, closings = services.store.streams.by_location(), services.store.closings.standing()
    reports = _under_way(services) if is_whole else {}
    disagreeing = services.store.counts.looked_into() if is_whole else set()
    scheduler = of_scheduler(ticked_at, now)
    views = []
    for one in services.store.locations.watched():
        verdicts = judge_streams(one, streams.get(one.id, []), services.needs.intervals, now, max_age)
        counts = services.store.counts.known(one.id) if one.id in disagreeing else ()
        seen = LocationFacts(reports=reports.get(one.uid, {}), counts=counts, closing=closings.get(one.uid))
        views.append(advised_view(view(one, verdicts, now, seen, is_scheduler_running=scheduler.words is None)))
    return Overview(
        now=now,
        locations=views,
        ticked_at=ticked_at,
        scheduler=_advised(scheduler),
        notices=_advised(of_notices(*services.store.notices.unhandled(), now)),
        outages=read_outages(services.settings),
    )


def advised_view(view: LocationView) -> LocationView:
    """Return a location as it stands, with advice on what is not as it should be."""
    name = view.location.name
    streams = [replace(one, standing=_advised(one.standing, name)) for one in view.streams]
    return replace(view, token=_advised(view.token, name), streams=streams)


def _advised(health: Health, name: str = "") -> Health:
    return replace(health, words=advised(health, name))


def _under_way(services: "Services", location_id: int | None = None) -> dict[str, dict[str, ProgressReport]]:
    found: dict[str, dict[str, ProgressReport]] = {}
    reports, _ = services.store.progress.of(services.store.syncs.open_ones(location_id))
    for one in reports:
        if not one.is_over:
            found.setdefault(one.uid, {})[one.resource] = one
    return found
