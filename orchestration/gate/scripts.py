"""The gate's Lua, loaded from the folder beside this file."""

from importlib.resources import files
from typing import Any

from redis import Redis

_SHARED = ("park", "admit", "finish", "take", "give_back", "renew", "look", "shut", "hold")

#: The parts of a location's keys, in the order in which `common.lua` names them.
_PARTS = ("parked", "later", "messages", "ranks", "sent", "admitted", "permits", "grants", "state", "wake", "keeping")

EPOCH_KEY = "gate:epoch"
DUE_KEY = "gates:due"


class Scripts:
    """Every script by its name."""

    def __init__(self, redis: Redis) -> None:
        common = _read("common")
        self._scripts = {name: redis.register_script(common + _read(name)) for name in _SHARED}
        self._reschedule = redis.register_script(_read("reschedule"))
        self._wake = redis.register_script(_read("wake"))
        self._tell = redis.register_script(_read("tell"))

    def run(self, name: str, uid: str, *arguments: Any, client: Any = None) -> Any:
        """Run one of the scripts over a location's keys; through a pipeline where one is given."""
        keys = [*(key_of(uid, part) for part in _PARTS), EPOCH_KEY]
        return self._scripts[name](keys=keys, args=arguments, client=client)

    def wake(self, uid: str, at: int) -> None:
        """Have a gate looked at by some time."""
        self._wake(keys=[DUE_KEY], args=[uid, at])

    def tell(self, untold: bytes) -> None:
        """Note that a Redis was told what it had to be."""
        self._tell(keys=[EPOCH_KEY], args=[untold])

    def reschedule(self, uid: str, seen: float, following: int) -> None:
        """Say when a gate is due again, unless that has changed since it was seen."""
        self._reschedule(keys=[DUE_KEY], args=[uid, seen, following])


def key_of(uid: str, part: str) -> str:
    """Name a key; the braces keep all of one location's in one slot."""
    return f"gate:{{{uid}}}:{part}"


def _read(name: str) -> str:
    return files(__package__).joinpath("lua", f"{name}.lua").read_text() + "\n"
