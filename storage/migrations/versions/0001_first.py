"""The first tables: what is watched, what is read, the mirror of three resources, and the feed."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Identity, Key, Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_locations()
    _create_streams()
    _create_syncs()
    _create_crawls()
    _create_pages()
    _create_changes()
    _create_feed()
    _create_mirror_assets()
    _create_mirror_assignments()
    _create_mirror_users()
    op.execute("INSERT INTO feed (id, seq) VALUES (1, 0)")


def _create_locations() -> None:
    op.create_table(
        "locations",
        sa.Column("id", Identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), server_default="", nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=True),
        sa.Column("token_expires", Moment(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="valid", nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("is_watched", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("added_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="locations_pkey"),
        sa.UniqueConstraint("name", name="locations_name_key"),
        sa.UniqueConstraint("uid", name="locations_uid_key"),
    )


def _create_streams() -> None:
    op.create_table(
        "streams",
        sa.Column("id", Identity, nullable=False),
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("is_watched", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("complete_version", sa.Text(), nullable=True),
        sa.Column("records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("published_at", Moment(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("full_wanted", sa.Text(), nullable=True),
        sa.Column("held_deletes", sa.BigInteger(), nullable=True),
        sa.Column("held_digest", sa.Text(), nullable=True),
        sa.Column("held_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="streams_location_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="streams_pkey"),
        sa.UniqueConstraint("location_id", "resource", name="streams_location_id_resource_key"),
    )


def _create_syncs() -> None:
    op.create_table(
        "syncs",
        sa.Column("id", Identity, nullable=False),
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("wanted", Document, nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.CheckConstraint("state in ('open', 'ended')", name="syncs_state_check"),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="syncs_location_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="syncs_pkey"),
    )
    op.create_index(
        "syncs_one_open_a_location",
        "syncs",
        ["location_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )


def _create_crawls() -> None:
    op.create_table(
        "crawls",
        sa.Column("id", Identity, nullable=False),
        sa.Column("sync_id", Identity, nullable=False),
        sa.Column("stream_id", Identity, nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("forced_by", sa.Text(), nullable=True),
        sa.Column("round", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rereads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("revivals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("base_version", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("is_consistent", sa.Boolean(), nullable=True),
        sa.Column("drift", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("opened_at", Moment(), nullable=False),
        sa.Column("moved_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("inserted", sa.BigInteger(), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state in ('open', 'settled', 'published', 'unchanged', 'failed')", name="crawls_state_check"
        ),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="crawls_stream_id_fkey"),
        sa.ForeignKeyConstraint(["sync_id"], ["syncs.id"], name="crawls_sync_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="crawls_pkey"),
    )
    op.create_index(
        "crawls_one_unfinished_a_stream",
        "crawls",
        ["stream_id"],
        unique=True,
        postgresql_where=sa.text("state in ('open', 'settled')"),
        sqlite_where=sa.text("state in ('open', 'settled')"),
    )
    op.create_index("crawls_stream_id_index", "crawls", ["stream_id"], unique=False)
    op.create_index("crawls_sync_id_index", "crawls", ["sync_id"], unique=False)


def _create_pages() -> None:
    op.create_table(
        "pages",
        sa.Column("crawl_id", Identity, nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("next_index", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("records", sa.Integer(), nullable=True),
        sa.Column("fetched_at", Moment(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.CheckConstraint("outcome in ('stored', 'beyond', 'lost', 'failed', 'trying')", name="pages_outcome_check"),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.id"], name="pages_crawl_id_fkey"),
        sa.PrimaryKeyConstraint("crawl_id", "index", name="pages_pkey"),
    )


def _create_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("crawl_id", Identity, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="changes_pkey"),
    )


def _create_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="feed_pkey"),
    )


def _create_mirror_assets() -> None:
    op.create_table(
        "mirror_assets",
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("adam_id", Key, server_default="", nullable=False),
        sa.Column("pricing_param", Key, server_default="", nullable=False),
        sa.Column("product_type", sa.Text(), nullable=True),
        sa.Column("assigned_count", sa.BigInteger(), nullable=True),
        sa.Column("available_count", sa.BigInteger(), nullable=True),
        sa.Column("retired_count", sa.BigInteger(), nullable=True),
        sa.Column("total_count", sa.BigInteger(), nullable=True),
        sa.Column("device_assignable", sa.Boolean(), nullable=True),
        sa.Column("revocable", sa.Boolean(), nullable=True),
        sa.Column("supported_platforms", Document, nullable=True),
        sa.Column("extra", Document, nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("location_id", "adam_id", "pricing_param", name="mirror_assets_pkey"),
    )


def _create_mirror_assignments() -> None:
    op.create_table(
        "mirror_assignments",
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("adam_id", Key, server_default="", nullable=False),
        sa.Column("pricing_param", Key, server_default="", nullable=False),
        sa.Column("client_user_id", Key, server_default="", nullable=False),
        sa.Column("serial_number", Key, server_default="", nullable=False),
        sa.Column("user_status", sa.Text(), nullable=True),
        sa.Column("id_hash", sa.Text(), nullable=True),
        sa.Column("extra", Document, nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "location_id", "adam_id", "pricing_param", "client_user_id", "serial_number", name="mirror_assignments_pkey"
        ),
    )


def _create_mirror_users() -> None:
    op.create_table(
        "mirror_users",
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("standing", Key, nullable=False),
        sa.Column("identity", Key, nullable=False),
        sa.Column("client_user_id", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("invite_code", sa.Text(), nullable=True),
        sa.Column("id_hash", sa.Text(), nullable=True),
        sa.Column("extra", Document, nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("copies", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("location_id", "standing", "identity", name="mirror_users_pkey"),
    )
