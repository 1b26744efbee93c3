"""What a publish takes: a first load, nothing changed, one record in a hundred changed, and everything changed.

The pages are stored as a crawl would store them, without Apple, Redis or workers, in a PostgreSQL with its defaults.
The publish alone is measured, on the clock and in CPU of this process and of the server's. `spin` is the same loop
before each: how fast the machine is at that moment.

usage: python bench/publish.py [RECORDS ...]
"""

import random
import string
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meters import peak_of, server_cpu, spun

from apple.answers import pack
from apple.pages import read_page
from apple.questions import Question
from apple.records import Records
from apple.resources import RESOURCES
from storage.database import open_database
from storage.ledger.pages import PageFact
from storage.states import PageOutcome
from tests.support.filled_store import FilledStore, make_store
from tests.support.servers import make_database, postgresql_server

PAGE_SIZE = 549
ASSETS = 60
SIGNS = string.ascii_uppercase + string.digits

Assignment = dict[str, str]


class Organisation:
    """Assignments with random serial numbers, in no order."""

    def __init__(self, size: int) -> None:
        self._random = random.Random(size)
        self.assignments = [self._make() for _ in range(size)]

    def change(self, share: float) -> None:
        """Change a share of the records: a third each inserted, removed, and put in another's place."""
        each = int(len(self.assignments) * share / 3)
        for _ in range(2 * each):
            self.assignments[self._random.randrange(len(self.assignments))] = self._make()
        for place in sorted(self._random.sample(range(len(self.assignments)), each), reverse=True):
            self.assignments[place] = self.assignments[-1]
            self.assignments.pop()
        self.assignments += [self._make() for _ in range(each)]

    def pages(self) -> Iterator[list[Assignment]]:
        """Yield the pages."""
        for start in range(0, len(self.assignments), PAGE_SIZE):
            yield self.assignments[start : start + PAGE_SIZE]

    def _make(self) -> Assignment:
        serial = "C" + "".join(self._random.choices(SIGNS, k=11))
        asset = str(361285480 + self._random.randrange(ASSETS))
        return {"adamId": asset, "pricingParam": "STDQ", "serialNumber": serial}


def crawl(store: FilledStore, pages: Iterable[list[Assignment]], version: str) -> None:
    """Store the pages of a full crawl, publish it, and print what that took."""
    resource = RESOURCES["assignments"]
    crawl_id = store.open(store.stream(store.location, "assignments")).crawl_id
    total = 0
    for total, records in enumerate(pages, 1):
        body = msgspec.json.encode({resource.member: records})
        fact = PageFact(index=total - 1, round=0, outcome=PageOutcome.STORED, version=version, records=len(records))
        read = read_page(Question(resource=resource, index=total - 1), body).records or Records()
        store.pages.store(crawl_id, fact, store.pages.job(crawl_id, total - 1).content(read, pack(body)))
    opened = store.crawls.note_first(store.crawls.get(crawl_id), version, total)
    assert opened is not None
    settled = store.crawls.settle(opened, is_consistent=True, version=version, total=total)
    assert settled is not None
    loop, own, servers, begun = spun(), time.process_time(), server_cpu(), time.perf_counter()
    published = store.publish(settled)
    assert published is not None
    took, own, servers = time.perf_counter() - begun, time.process_time() - own, server_cpu() - servers
    changes = f"{published.changes.inserted} {published.changes.updated} {published.changes.deleted}"
    print(
        f"{version:12} {took:7.2f} s   CPU {own:6.2f} s here {servers:6.2f} s PostgreSQL   spin {loop:.0f} ms"
        f"   peak {peak_of('self'):.0f} MB   {changes}",
        flush=True,
    )


def main(size: int) -> None:
    """Measure an organisation of this size."""
    print(f"{size:,} records")
    with postgresql_server(is_durable=True) as server:
        database = open_database(make_database(server, "bench"))
        store = make_store(database)
        store.add()
        organisation = Organisation(size)
        crawl(store, organisation.pages(), "first")
        crawl(store, organisation.pages(), "unchanged")
        organisation.change(0.01)
        crawl(store, organisation.pages(), "1 % changed")
        crawl(store, reversed(list(organisation.pages())), "reordered")
        organisation.change(0.9)
        crawl(store, organisation.pages(), "most changed")
        database.close()


if __name__ == "__main__":
    for number in sys.argv[1:] or ["193797"]:
        main(int(number))
