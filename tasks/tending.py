"""The task that looks after the others."""

from storage.pages import KEPT

from .application import app
from .house import house


@app.task(name="pageturner.tend", queue="seed")
def tend() -> None:
    """Revive crawls that nothing is working on, and drop pages that nobody needs any more."""
    house().reviving.tend()
    house().pages.sweep(KEPT)
