"""The files that browsers load: our own, and those of others, which are kept here as they were published."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

#: What is served, by its ending.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def address_of(name: str) -> str:
    """Return the address of a file, with what changes when the file does: a browser may keep it for ever."""
    digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
    return f"/assets/{name}?v={digest[:12]}"


@cache
def read_asset(name: str) -> tuple[bytes, str] | None:
    """Return a file and its type; None if nothing of that name is served."""
    path = (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER) or path.suffix not in TYPES or not path.is_file():
        return None
    return path.read_bytes(), TYPES[path.suffix]
