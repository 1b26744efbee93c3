"""A program that reads the feed by a generated client. It may be killed at any moment, and started again.

What it has read, and where it goes on, are kept in one transaction: that is all that reading exactly once takes.

usage: feed_reader.py ORIGIN TOKEN DATABASE END
"""

import sqlite3
import sys

from pageturner_client import AuthenticatedClient  # type: ignore[import-not-found] # it is generated
from pageturner_client.api.changes import list_changes  # type: ignore[import-not-found] # as above


def main() -> None:
    """Read until the bookmark that ends it."""
    origin, token, path, end = sys.argv[1:]
    kept = sqlite3.connect(path)
    kept.executescript("CREATE TABLE IF NOT EXISTS seen (seq INTEGER); CREATE TABLE IF NOT EXISTS mark (at TEXT)")
    client = AuthenticatedClient(base_url=f"{origin}/api/v1", token=token)
    while True:
        row = kept.execute("SELECT at FROM mark").fetchone()
        after = row[0] if row else ""
        if after == end:
            return
        found = list_changes.sync(client=client, after=after, wait=5, limit=3)
        with kept:
            kept.executemany("INSERT INTO seen VALUES (?)", [(one.seq,) for one in found.items])
            kept.execute("DELETE FROM mark")
            kept.execute("INSERT INTO mark VALUES (?)", (found.bookmark,))


main()
