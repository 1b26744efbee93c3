"""The tasks that the clock sends, and those that it has done for each location."""

from orchestration.scheduler import TEND_EVERY

from .application import app
from .gated import LocationTask, RoundTask, SyncTask
from .wiring import house


@app.task(name="pageturner.tick", base=RoundTask, queue="clock")
def tick() -> None:
    """Have every location synced of which something is due."""
    house().ticking.tick()


@app.task(name="pageturner.tend", base=RoundTask, queue="clock")
def tend() -> None:
    """Revive crawls that nothing is working on."""
    ticking = house().ticking
    if ticking.claim("tend", TEND_EVERY):
        house().reviving.tend(still=lambda: ticking.hold("tend"))


@app.task(name="pageturner.refresh_all", base=RoundTask, queue="clock")
def refresh_all() -> None:
    """Have Apple asked about every token, once a day."""
    house().ticking.refresh()


@app.task(name="pageturner.sweep", base=RoundTask, queue="clock")
def sweep() -> None:
    """Drop what nobody needs any more."""
    house().ticking.sweep()


@app.task(name="pageturner.sync", base=SyncTask, rank=0, queue="seed")
def sync(location: str) -> None:
    """Sync what is due of a location."""
    house().ticking.sync(location)


@app.task(name="pageturner.refresh", base=LocationTask, rank=1, queue="seed")
def refresh(location: str) -> None:
    """Ask Apple about the token of a location."""
    house().refreshing.refresh(location)
