"""Locks: the order in which rows are locked. Crawls first, then their streams, then locations and everything else.

Two transactions that lock in one order wait for each other; in two orders, they would wait for ever.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from .schema import crawls, streams
from .states import UNFINISHED


def lock_streams(connection: sa.Connection, location_ids: Sequence[int]) -> None:
    """Lock all streams of locations; every transaction that changes several of them must."""
    mine = sa.select(streams.c.id).where(streams.c.location_id.in_(location_ids)).order_by(streams.c.id)
    connection.execute(mine.with_for_update(key_share=True))


def lock_crawls_of(connection: sa.Connection, stream_ids: Sequence[int]) -> None:
    """Lock the unfinished crawls of streams, and these streams alone.

    Other streams of the location are left alone: one may be published at the moment, which can take a while.
    """
    here = crawls.c.stream_id.in_(stream_ids) & crawls.c.state.in_(UNFINISHED)
    connection.execute(sa.select(crawls.c.id).where(here).order_by(crawls.c.id).with_for_update())
    mine = sa.select(streams.c.id).where(streams.c.id.in_(stream_ids)).order_by(streams.c.id)
    connection.execute(mine.with_for_update(key_share=True))
