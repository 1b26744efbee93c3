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


def read_asset(name: str) -> tuple[bytes, str] | None:
    """Return a file and its type; None if nothing of that name is served."""
    return _files().get(name)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Return all that is served, by its name below the folder."""
    served = (path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): (path.read_bytes(), TYPES[path.suffix]) for path in served}
