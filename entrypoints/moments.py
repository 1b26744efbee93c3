"""Moments as a person types them: so long ago, a day, or a day and a time."""

from datetime import UTC, datetime

from apple.texts import clean
from settings import read_duration

#: Moments before and after these years are mistakes.
_YEARS = (1970, 3000)


class NoMoment(Exception):
    """What was given is no moment that anything can be of."""


def read_moment(text: str, now: datetime) -> datetime:
    """Read a moment: so long ago, a day, or a day and a time, of UTC unless it has a zone."""
    try:
        if text[-1:].isalpha() and text[:-1].isdecimal():
            return now - read_duration(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        words = "is neither a time ago (7d, 12h) nor a day or moment (2026-11-20, 2026-11-20T14:00)."
        raise NoMoment(f"'{clean(text)}' {words}") from None
    if not _YEARS[0] < moment.year < _YEARS[1]:
        raise NoMoment(f"there is nothing of the year {moment.year}.")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
