"""Waking: have what a person has just changed be read at once, where somebody reads by himself."""

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from tasks.house import House

#: A clock that ticked so lately goes on to.
_TICKING = timedelta(seconds=30)


def wake(house: "House", uid: str) -> None:
    """Have a location synced now, and not with the next tick; where no clock ticks, nobody has asked for that."""
    last = house.rounds.last().get("tick")
    if last is None or house.database.now() - last > _TICKING:
        return
    with contextlib.suppress(RedisError, OperationalError):  # else the next tick does
        house.sending.sync(uid)
