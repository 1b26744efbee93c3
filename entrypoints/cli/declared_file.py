"""A file in TOML that declares what should be: locations, or who is told of what."""

from pathlib import Path
from typing import TypeVar

import msgspec

from ..exits import Exit, Failure

_Content = TypeVar("_Content")


def read_declared(path: Path, kind: type[_Content]) -> _Content:
    """Return what a file says; raise Failure, which names the place, if it is no TOML or not of its kind."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except msgspec.ValidationError as error:
        raise Failure(f"{path}: {error}", Exit.USAGE) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path} is not TOML: {error}", Exit.USAGE) from None
