"""Locks: the order in which rows are locked. Crawls first, then their streams, then locations and everything else.

Two transactions that lock in one order wait for each other; in two orders, they would wait for ever.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from .prepared import Prepared
from .schema import crawls, streams
from .states import UNFINISHED


def lock_streams(connection: sa.Connection, location_ids: Sequence[int]) -> None:
    """Lock all streams of locations; every transaction that changes several of them must."""
    connection.execute(_STREAMS_OF, {"these": location_ids})


def lock_crawls_of(connection: sa.Connection, stream_ids: Sequence[int]) -> None:
    """Lock the unfinished crawls of streams, and these streams alone.

    Other streams of the location are left alone: one may be published at the moment, which can take a while.
    """
    _CRAWLS_OF.run(connection, {"these": stream_ids})
    _STREAMS.run(connection, {"these": stream_ids})


# Frequent statements are built once: that costs more than executing one.
_THESE: sa.BindParameter[int] = sa.bindparam("these", expanding=True)
_IN_ORDER = sa.select(streams.c.id).order_by(streams.c.id).with_for_update(key_share=True)
_STREAMS_OF = _IN_ORDER.where(streams.c.location_id.in_(_THESE))
_STREAMS = Prepared(_IN_ORDER.where(streams.c.id.in_(_THESE)), lists=("these",))
_UNFINISHED_OF = crawls.c.stream_id.in_(_THESE) & crawls.c.state.in_(UNFINISHED)
_UNFINISHED = sa.select(crawls.c.id).where(_UNFINISHED_OF).order_by(crawls.c.id).with_for_update()
_CRAWLS_OF = Prepared(_UNFINISHED, lists=("these",))
