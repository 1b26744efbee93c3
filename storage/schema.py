"""The tables around the mirror: what is watched, what is being read, and what changed."""

from enum import StrEnum

import sqlalchemy as sa

from .sql import Carried, Document, Identity, Key, Moment, Numbers
from .states import CrawlKind, CrawlState, LocationState, PageOutcome, SyncState

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_index",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    """Return the constraint that a column holds one of an enum's values."""
    return sa.CheckConstraint(f"{column} in ({', '.join(repr(str(one)) for one in values)})", name=column)


locations = sa.Table(
    "locations",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("uid", sa.Text, nullable=False, unique=True),
    sa.Column("organisation", sa.Text, nullable=False, server_default=""),
    sa.Column("sealed_token", sa.LargeBinary),  # null once the location is no longer watched
    sa.Column("token_expires", Moment, nullable=False),
    # The id of the service that manages it, and what that calls itself.
    sa.Column("owner", sa.Text),
    sa.Column("owner_name", sa.Text),
    sa.Column("state", sa.Text, nullable=False, server_default=LocationState.VALID),
    # What is the matter with the token, and the name of the error that said so.
    sa.Column("problem", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("is_watched", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("added_at", Moment, nullable=False),
    # What Apple said when it was last asked whose token this is: its own name, which is not unique, and where notices
    # go, which another service may have changed.
    sa.Column("apple_name", sa.Text, nullable=False, server_default=""),
    sa.Column("notice_url", sa.Text),
    sa.Column("notice_types", Document),
    # The country of its store, in two small letters, and which of the store's catalogues is for it.
    sa.Column("country", sa.Text),
    sa.Column("catalogue", sa.Text),
    sa.Column("asked_at", Moment),
    sa.Column("ask_due_at", Moment),
    # Digests of the secrets that notices may bring, the one that Apple has confirmed and those that it was told; and
    # the address that it was told with it.
    sa.Column("notice_digests", Document),
    sa.Column("subscribed_url", sa.Text),
    # When the scheduler last queued a sync of it: until that is done, or seems lost, it queues no other.
    sa.Column("sent_at", Moment),
    # Which of its publishes of assets the names were wanted after: `streams.moves`, as it was then.
    sa.Column("named_moves", sa.Integer),
    # Its last change that the feed has no longer.
    sa.Column("pruned_seq", sa.BigInteger, nullable=False, server_default="0"),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("location_id", Identity, sa.ForeignKey("locations.id"), nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("is_watched", sa.Boolean, nullable=False, server_default=sa.true()),
    # The base of the next delta, moved by consistent full crawls and deltas.
    sa.Column("version", sa.Text),
    # The version of the last consistent full crawl that published its deletes: what the short cut compares with.
    sa.Column("complete_version", sa.Text),
    sa.Column("records", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("published_at", Moment),
    # Why the last crawl failed, and the name of the error; null once a crawl has succeeded.
    sa.Column("problem", sa.Text),
    sa.Column("error", sa.Text),
    # Why the next full crawl must read everything, whatever its first page says, and from when on it may.
    sa.Column("full_wanted", sa.Text),
    sa.Column("full_after", Moment),
    # When a full crawl last showed all that there is, and how many in a row came out torn since.
    sa.Column("full_at", Moment),
    sa.Column("torn_fulls", sa.Integer, nullable=False, server_default="0"),
    # The held deletes: how many, the digest of which, and since when; and how many of them a
    # person has accepted.
    sa.Column("held_deletes", sa.BigInteger),
    sa.Column("held_digest", sa.Text),
    sa.Column("held_at", Moment),
    sa.Column("accepted_deletes", sa.BigInteger),
    # The crawl whose stored pages are exactly what the mirror has, and what identifies them; null once anything else
    # was published.
    sa.Column("proof_id", Identity),
    sa.Column("proof_digest", sa.LargeBinary),
    # The first crawl that showed all that there is: what came with it, or before, is no news.
    sa.Column("first_full_id", Identity),
    # When it is due; null if it was never read. Each failure postpones it, ever further.
    sa.Column("due_at", Moment),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    # When a crawl of it was opened last.
    sa.Column("begun_at", Moment),
    # The mirror is at least as young as this: when the last crawl that left it in step was opened.
    sa.Column("seen_at", Moment),
    # When everything was last read, without the short cut.
    sa.Column("deep_at", Moment),
    # How often a publish changed the mirror: counts are compared once after each.
    sa.Column("moves", sa.Integer, nullable=False, server_default="0"),
    # Its own intervals, if they are not the defaults.
    sa.Column("delta_seconds", sa.Integer),
    sa.Column("full_seconds", sa.Integer),
    sa.Column("deep_seconds", sa.Integer),
    sa.UniqueConstraint("location_id", "resource"),
    sa.Index("streams_due_at_index", "due_at"),
)

#: Streams that a notice wants read: one row each, however many notices, until a crawl of it is opened.
wants = sa.Table(
    "wants",
    metadata,
    sa.Column("stream_id", Identity, sa.ForeignKey("streams.id"), primary_key=True),
    sa.Column("since", Moment, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("notification_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("body", Carried, nullable=False),
    sa.Column("received_at", Moment, nullable=False, index=True),
    # How often it was delivered: Apple may send one again.
    sa.Column("deliveries", sa.Integer, nullable=False, server_default="1"),
    # When its streams were wanted, if there were any to want.
    sa.Column("handled_at", Moment),
    # What was wanted; null while it is unhandled, and where its location is not known.
    sa.Column("wanted", Document),
    sa.UniqueConstraint("uid", "notification_id"),
    sa.Index(
        "notices_unhandled_index",
        "uid",
        postgresql_where=sa.text("handled_at IS NULL"),
        sqlite_where=sa.text("handled_at IS NULL"),
    ),
)

#: When each chore was last done: it is claimed here, by one of all the beats.
chores = sa.Table(
    "chores",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", Moment, nullable=False),
)

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("location_id", Identity, sa.ForeignKey("locations.id"), nullable=False),
    sa.Column("wanted", Document, nullable=False),
    # What it began by; null for those of an older version.
    sa.Column("begun_by", sa.Text),
    sa.Column("state", sa.Text, nullable=False, server_default=SyncState.OPEN),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    # True from the moment on which the last paged stream has settled, and the cursor streams, if any, are walked.
    sa.Column("is_handed_over", sa.Boolean, nullable=False, server_default=sa.false()),
    # Goes up by one with each decision to read something more, so that it is taken once.
    sa.Column("step", sa.Integer, nullable=False, server_default="0"),
    _one_of("state", SyncState),
    sa.Index("syncs_location_id_index", "location_id", "id"),
    sa.Index(
        "syncs_one_open_a_location",
        "location_id",
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    ),
)

crawls = sa.Table(
    "crawls",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("sync_id", Identity, sa.ForeignKey("syncs.id"), nullable=False, index=True),
    sa.Column("stream_id", Identity, sa.ForeignKey("streams.id"), nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default=CrawlState.OPEN),
    sa.Column("kind", sa.Text, nullable=False, server_default=CrawlKind.FULL),
    # What a delta goes on from.
    sa.Column("since", sa.Text),
    # The assets of a spot: adamId and pricingParam of each, and whether what was read of it is of one moment.
    sa.Column("scopes", Document),
    # Why it must read everything; null where the short cut may be taken.
    sa.Column("forced_by", sa.Text),
    # The chord that was sent last; it goes up by one with each, in one guarded UPDATE.
    sa.Column("round", sa.Integer, nullable=False, server_default="0"),
    # The round with which it last started from nothing: pages of lower rounds are of an earlier start.
    sa.Column("floor", sa.Integer, nullable=False, server_default="0"),
    sa.Column("restarts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("rereads", sa.Integer, nullable=False, server_default="0"),
    sa.Column("revivals", sa.Integer, nullable=False, server_default="0"),
    # The version of its first answer since its last full start: a mirror without a version starts its delta there.
    sa.Column("base_version", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("total", sa.Integer),
    sa.Column("is_consistent", sa.Boolean),
    sa.Column("drift", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    # What kind of trouble the reason is: 'away' goes by itself, 'person' needs one, 'bug' is ours.
    sa.Column("trouble", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("moved_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, index=True),
    sa.Column("inserted", sa.BigInteger),
    sa.Column("updated", sa.BigInteger),
    sa.Column("deleted", sa.BigInteger),
    _one_of("state", CrawlState),
    sa.Index("crawls_stream_id_index", "stream_id", "id"),
    sa.Index(
        "crawls_one_unfinished_a_stream",
        "stream_id",
        unique=True,
        postgresql_where=sa.text("state in ('open', 'settled')"),
        sqlite_where=sa.text("state in ('open', 'settled')"),
    ),
)

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("crawl_id", Identity, sa.ForeignKey("crawls.id"), primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Why it was given up, and the name of the error.
    sa.Column("reason", sa.Text),
    sa.Column("error", sa.Text),
    # Since when no answer came; null where one did.
    sa.Column("trying_since", Moment),
    sa.Column("body", sa.LargeBinary),
    # Identifies its records; and the proof's crawl, if the page there of the same index has the same: then the body is
    # stored there alone.
    sa.Column("digest", sa.LargeBinary),
    sa.Column("same_as", Identity),
    # Of each of its records, where the body is stored.
    sa.Column("fingerprints", Numbers),
    sa.Column("version", sa.Text),
    sa.Column("total", sa.Integer),
    sa.Column("next_index", sa.Integer),
    # What the request for the next page must carry, if that is not a page number.
    sa.Column("cursor", sa.Text),
    sa.Column("size", sa.Integer),
    sa.Column("records", sa.Integer),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("seconds", sa.Float),
    _one_of("outcome", PageOutcome),
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("location_id", Identity, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("op", sa.Text, nullable=False),
    sa.Column("before", Carried),
    sa.Column("after", Carried),
    sa.Column("crawl_id", Identity, nullable=False),
    sa.Index("changes_location_id_index", "location_id", "seq"),
)

#: Which publishes of assets and assignments counts were compared after: `streams.moves` of both, as they were then.
comparisons = sa.Table(
    "comparisons",
    metadata,
    sa.Column("location_id", Identity, sa.ForeignKey("locations.id"), primary_key=True),
    sa.Column("assets", sa.Integer, nullable=False),
    sa.Column("assignments", sa.Integer, nullable=False),
)

#: Gates that Apple wants shut, and why: they stay shut through a Redis that loses its data.
closings = sa.Table(
    "closings",
    metadata,
    sa.Column("gate", sa.Text, primary_key=True),
    sa.Column("until", Moment, nullable=False),
    # How often in a row it was closed: the waits grow with that.
    sa.Column("step", sa.Integer, nullable=False),
    # What Apple said, and the name of the error.
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
)

#: When the gates were shut, for people who look back: the closings say how they stand now.
waits = sa.Table(
    "waits",
    metadata,
    sa.Column("gate", Key, primary_key=True),
    sa.Column("begun_at", Moment, primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    # Whether Apple asked for it; if not, Apple was away.
    sa.Column("is_asked", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),
)

#: Assets whose count at Apple was not the number of their assignments here, as they were when last looked into.
disagreements = sa.Table(
    "disagreements",
    metadata,
    sa.Column("location_id", Identity, sa.ForeignKey("locations.id"), primary_key=True),
    sa.Column("adam_id", Key, primary_key=True),
    sa.Column("pricing_param", Key, primary_key=True),
    sa.Column("counted", sa.BigInteger, nullable=False),
    sa.Column("listed", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("again_at", Moment, nullable=False),
)

#: One row: the number of the last change. Taken last in a publish and held to its commit, so that the order of the
#: numbers is the order of the commits, without gaps. A sequence hands numbers out in another order than they commit.
feed = sa.Table(
    "feed",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # Which feed this is: the numbers of another one mean nothing here. In a database that was restored it is another
    # one, which shows by where it lives.
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("home", sa.Text, nullable=False, server_default=""),
    # The last number that is no longer kept.
    sa.Column("pruned", sa.BigInteger, nullable=False, server_default="0"),
)

#: What the store says of the apps and books that locations have: one row for each, and for each country and catalogue
#: from which it is seen. Custom apps are seen by their owner alone: they have a row of their own for each location.
listings = sa.Table(
    "listings",
    metadata,
    sa.Column("adam_id", Key, primary_key=True),
    sa.Column("country", Key, primary_key=True),
    sa.Column("catalogue", Key, primary_key=True),
    sa.Column("owner", Key, primary_key=True, server_default=""),  # the uId of the one location that sees it
    # What was found last, where, and when the service last said so. It stays when the store has it no longer.
    sa.Column("name", sa.Text),
    sa.Column("publisher", sa.Text),
    sa.Column("bundle_id", sa.Text),
    sa.Column("kind", sa.Text),
    sa.Column("platforms", Document),
    sa.Column("genre", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("minimum_os", sa.Text),
    sa.Column("price", sa.Text),
    sa.Column("url", sa.Text),
    sa.Column("icon_url", sa.Text),
    sa.Column("is_custom", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("found_country", sa.Text),
    sa.Column("found_catalogue", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("as_of", Moment),
    sa.Column("missing_since", Moment),
    # The next lookup: when, where the present search was last without success, and how often in a row all places had
    # nothing, or the service no answer.
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("tried_country", sa.Text),
    sa.Column("tried_catalogue", sa.Text),
    sa.Column("misses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Index("listings_due_at_index", "due_at"),
)

#: How many licences of an asset there were at the end of each day on which that changed.
asset_days = sa.Table(
    "asset_days",
    metadata,
    sa.Column("location_id", Identity, primary_key=True),
    sa.Column("adam_id", Key, primary_key=True),
    sa.Column("pricing_param", Key, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("assigned", sa.BigInteger, nullable=False),
    sa.Column("available", sa.BigInteger, nullable=False),
    # What it was before that day; null on the first.
    sa.Column("was_assigned", sa.BigInteger),
    sa.Column("was_available", sa.BigInteger),
)
