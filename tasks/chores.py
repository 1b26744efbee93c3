"""The tasks that the clock sends, and those that it has done for each location."""

from orchestration.scheduler import TEND_EVERY

from .application import app
from .gated import ChoreTask, LocationTask, SyncTask
from .wiring import services


@app.task(name="pageturner.tick", base=ChoreTask, queue="clock")
def tick() -> None:
    """Have every location synced of which something is due."""
    services().ticking.tick()


@app.task(name="pageturner.tend", base=ChoreTask, queue="clock")
def tend() -> None:
    """Revive crawls that nothing is working on."""
    ticking = services().ticking
    if ticking.claim("tend", TEND_EVERY):
        services().reviving.tend(still=lambda: ticking.hold("tend"))


@app.task(name="pageturner.refresh_all", base=ChoreTask, queue="clock")
def refresh_all() -> None:
    """Have Apple asked about every token, once a day."""
    services().ticking.refresh()


@app.task(name="pageturner.sweep", base=ChoreTask, queue="clock")
def sweep() -> None:
    """Drop what nobody needs any more."""
    services().ticking.sweep()


@app.task(name="pageturner.sync", base=SyncTask, rank=0, queue="seed")
def sync(location: str) -> None:
    """Sync what is due of a location."""
    services().ticking.sync(location)


@app.task(name="pageturner.refresh", base=LocationTask, rank=1, queue="seed")
def refresh(location: str) -> None:
    """Ask Apple about the token of a location."""
    services().refreshing.refresh(location)
