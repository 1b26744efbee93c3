"""The scheduler's chores, and the tasks of one location that they send."""

from orchestration.decisions.retry import Postponed
from orchestration.scheduler import DELIVER_EVERY, TELL_EVERY, TEND_EVERY

from .application import app
from .gated import ChoreTask, LocationTask, SyncTask
from .services import services


@app.task(name="pageturner.tick", base=ChoreTask, queue="clock")
def tick() -> None:
    """Queue a sync of every location that has a due stream."""
    services().use_cases.scheduler.tick()


@app.task(name="pageturner.tend", base=ChoreTask, queue="clock")
def tend() -> None:
    """Revive crawls that nothing is working on."""
    scheduler = services().use_cases.scheduler
    if scheduler.claim("tend", TEND_EVERY):
        services().use_cases.reviver.tend(keep=lambda: scheduler.keep("tend"))


@app.task(name="pageturner.refresh_all", base=ChoreTask, queue="clock")
def refresh_all() -> None:
    """Queue a check of every token with Apple, once a day."""
    services().use_cases.scheduler.refresh()


@app.task(name="pageturner.name", base=ChoreTask, queue="clock")
def name() -> None:
    """Queue a lookup of names, if any is due."""
    services().use_cases.scheduler.name()


@app.task(name="pageturner.deliver", base=ChoreTask, queue="messages")
def deliver() -> None:
    """Tell hooks what changed."""
    if services().use_cases.scheduler.claim("deliver", DELIVER_EVERY):
        services().use_cases.hook_sender.deliver()


@app.task(name="pageturner.tell", base=ChoreTask, queue="messages")
def tell() -> None:
    """Tell people what they have to know."""
    scheduler = services().use_cases.scheduler
    if scheduler.claim("tell", TELL_EVERY):
        services().use_cases.teller.tell()
        services().use_cases.teller.send(keep=lambda: scheduler.keep("tell"))


@app.task(name="pageturner.sweep", base=ChoreTask, queue="clock")
def sweep() -> None:
    """Delete what is older than it is kept."""
    services().use_cases.scheduler.sweep()


@app.task(name="pageturner.sync", base=SyncTask, rank=0, queue="seed")
def sync(uid: str) -> Postponed | None:
    """Sync what is due of a location."""
    return services().use_cases.syncer.sync_due(uid)


@app.task(name="pageturner.refresh", base=LocationTask, rank=1, queue="seed")
def refresh(uid: str) -> Postponed | None:
    """Ask Apple about the token of a location."""
    return services().use_cases.token_checker.refresh(uid)


@app.task(name="pageturner.names", base=LocationTask, rank=0, queue="names")
def names(_gate: str) -> Postponed | None:
    """Look up some of the names that are due."""
    return services().use_cases.namer.look_up()
