"""Triggers: notices, what they want, the clock's rounds, and each stream's own intervals."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Carried, Document, Identity, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("streams_due_at_index", "streams", ["due_at"])
    op.create_index("syncs_location_id_index", "syncs", ["location_id", "id"])
    op.create_index("crawls_ended_at_index", "crawls", ["ended_at"])
    op.execute("UPDATE streams SET deep_at = full_at, seen_at = published_at")
    _create_wants()
    _create_notices()
    op.create_table(
        "rounds",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="rounds_pkey"),
    )


def _columns() -> dict[str, list["sa.Column[object]"]]:
    return {
        "locations": [
            sa.Column("apple_name", sa.Text(), server_default="", nullable=False),
            sa.Column("notice_url", sa.Text(), nullable=True),
            sa.Column("notice_types", Document, nullable=True),
            sa.Column("asked_at", Moment(), nullable=True),
            sa.Column("ask_due_at", Moment(), nullable=True),
            sa.Column("notice_digests", Document, nullable=True),
            sa.Column("subscribed_url", sa.Text(), nullable=True),
            sa.Column("sent_at", Moment(), nullable=True),
        ],
        "streams": [
            sa.Column("due_at", Moment(), nullable=True),
            sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
            sa.Column("begun_at", Moment(), nullable=True),
            sa.Column("seen_at", Moment(), nullable=True),
            sa.Column("deep_at", Moment(), nullable=True),
            sa.Column("delta_seconds", sa.Integer(), nullable=True),
            sa.Column("full_seconds", sa.Integer(), nullable=True),
            sa.Column("deep_seconds", sa.Integer(), nullable=True),
        ],
    }


def _create_wants() -> None:
    op.create_table(
        "wants",
        sa.Column("stream_id", Identity, autoincrement=False, nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["stream_id"], ["streams.id"], name="wants_stream_id_fkey"),
        sa.PrimaryKeyConstraint("stream_id", name="wants_pkey"),
    )


def _create_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", Identity, nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("notification_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", Carried, nullable=False),
        sa.Column("received_at", Moment(), nullable=False),
        sa.Column("deliveries", sa.Integer(), server_default="1", nullable=False),
        sa.Column("handled_at", Moment(), nullable=True),
        sa.Column("wanted", Document, nullable=True),
        sa.PrimaryKeyConstraint("id", name="notices_pkey"),
        sa.UniqueConstraint("uid", "notification_id", name="notices_uid_notification_id_key"),
    )
    op.create_index("notices_received_at_index", "notices", ["received_at"])
    is_unhandled = sa.text("handled_at IS NULL")
    op.create_index(
        "notices_unhandled_index", "notices", ["uid"], postgresql_where=is_unhandled, sqlite_where=is_unhandled
    )
