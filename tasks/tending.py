"""The task that looks after the others."""

from datetime import timedelta

from .application import app
from .house import house

#: Pages of ended crawls are kept this long, for whoever wants to know what Apple said.
KEPT = timedelta(days=1)


@app.task(name="pageturner.tend", queue="seed")
def tend() -> None:
    """Revive crawls that nothing is working on, and drop pages that nobody needs any more."""
    house().crawling.tend()
    house().pages.sweep(KEPT)
