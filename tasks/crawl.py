"""The tasks of a crawl. They carry numbers, and delegate."""

from orchestration.decisions.ended import Ended
from orchestration.decisions.retry import Postponed

from .application import app
from .gated import CrawlTask, GatedTask
from .services import services


@app.task(name="pageturner.seed", base=GatedTask, rank=0, queue="seed")
def seed(_uid: str, crawl_id: int, round_: int) -> Postponed | Ended:
    """Fetch the first page of a crawl and fan the rest out."""
    return services().use_cases.crawl_tasks.seed(crawl_id, round_)


@app.task(name="pageturner.page", base=GatedTask, rank=3, queue="page")
def page(_uid: str, crawl_id: int, round_: int, index: int) -> Postponed | Ended:
    """Fetch one page of a crawl into the ledger."""
    return services().use_cases.crawl_tasks.page(crawl_id, round_, index)


@app.task(name="pageturner.follow", base=GatedTask, rank=2, queue="page")
def follow(_uid: str, crawl_id: int, round_: int, index: int) -> Postponed | Ended:
    """Take one step along the cursors of a stream, which sends the next."""
    return services().use_cases.crawl_tasks.follow(crawl_id, round_, index)


@app.task(name="pageturner.reconcile", base=CrawlTask, queue="seed")
def reconcile(crawl_id: int) -> Ended | None:
    """Decide what a crawl needs next, and publish a small one: the callback of every chord, and of its failure."""
    return services().use_cases.crawl_tasks.reconcile(crawl_id)


@app.task(name="pageturner.publish", base=CrawlTask, queue="publish")
def publish(crawl_id: int) -> Ended:
    """Publish a settled crawl."""
    return services().use_cases.crawl_tasks.publish(crawl_id)
