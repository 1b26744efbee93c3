"""The context of a log line: which location, crawl and page the current task is about."""

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_about: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar("about", default={})  # noqa: B039 - read


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Add these to the context of every log line of the block: a location, a stream, a crawl, a page."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def now_about() -> Mapping[str, object]:
    """Return what lines are about just now."""
    return _about.get()
