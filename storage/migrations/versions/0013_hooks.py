"""Hooks, which programs are told by, and channels, alerts and messages, by which people are."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Identity, Key, Moment

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("streams", sa.Column("first_full_id", Identity, nullable=True))
    op.execute("UPDATE streams SET first_full_id = 0 WHERE full_at IS NOT NULL")
    op.add_column("locations", sa.Column("pruned_seq", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE locations SET pruned_seq = (SELECT pruned FROM feed)")
    op.create_table(
        "hooks",
        sa.Column("name", Key, nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("sealed_url", "sealed_secret")),
        *(sa.Column(name, Document) for name in ("uids", "resources")),
        sa.Column("has_records", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("added_at", Moment, nullable=False),
        *(sa.Column(name, Moment) for name in ("rest_until", "gone_at", "failing_since")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error", sa.Text()),
        sa.Column("dead_at", Moment),
        sa.Column("leased_by", sa.Text()),
        sa.Column("leased_until", Moment),
        sa.PrimaryKeyConstraint("name", name="hooks_pkey"),
    )
    op.create_table(
        "hook_positions",
        sa.Column("hook", Key, sa.ForeignKey("hooks.name", name="hook_positions_hook_fkey"), nullable=False),
        sa.Column(
            "location_id",
            Identity,
            sa.ForeignKey("locations.id", name="hook_positions_location_id_fkey"),
            nullable=False,
        ),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failing_since", Moment),
        sa.Column("error", sa.Text()),
        *(sa.Column(name, Moment) for name in ("next_at", "dead_at")),
        sa.PrimaryKeyConstraint("hook", "location_id", name="hook_positions_pkey"),
    )
    op.create_table(
        "channels",
        sa.Column("name", Key, nullable=False),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, Document) for name in ("rules", "uids")),
        sa.Column("added_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="channels_pkey"),
    )
    op.create_table(
        "alerts",
        sa.Column("key", Key, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("rule", "uid")),
        sa.Column("begun_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.PrimaryKeyConstraint("key", name="alerts_pkey"),
    )
    op.create_table(
        "alert_positions",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="alert_positions_pkey"),
    )
    op.create_table(
        "messages",
        sa.Column("id", Identity, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("channel", "title", "body")),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        *(sa.Column(name, Moment) for name in ("next_at", "sent_at", "dead_at")),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
    )
    op.create_index("messages_next_at_index", "messages", ["next_at"])
