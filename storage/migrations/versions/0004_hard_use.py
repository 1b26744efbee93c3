"""Hard use: what Apple wants left alone, what was compared, since when a page is tried, and which feed this is."""

import uuid

import sqlalchemy as sa
from alembic import op

from storage.sql import Identity, Moment

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for table, column in _columns():
        op.add_column(table, column)
    op.create_index("changes_location_id_index", "changes", ["location_id", "seq"])
    op.drop_index("crawls_stream_id_index", "crawls")
    op.create_index("crawls_stream_id_index", "crawls", ["stream_id", "id"])
    op.create_table(
        "comparisons",
        sa.Column("location_id", Identity, autoincrement=False, nullable=False),
        sa.Column("assets", sa.Integer(), nullable=False),
        sa.Column("assignments", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="comparisons_location_id_fkey"),
        sa.PrimaryKeyConstraint("location_id", name="comparisons_pkey"),
    )
    op.create_table(
        "closings",
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gate", name="closings_pkey"),
    )
    with op.batch_alter_table("feed") as feed:
        feed.add_column(sa.Column("name", sa.Text(), server_default=uuid.uuid4().hex, nullable=False))
        feed.add_column(sa.Column("home", sa.Text(), server_default="", nullable=False))
        feed.add_column(sa.Column("pruned", sa.BigInteger(), server_default="0", nullable=False))
    with op.batch_alter_table("feed") as feed:
        feed.alter_column("name", server_default=None)


def _columns() -> list[tuple[str, "sa.Column[object]"]]:
    return [
        ("locations", sa.Column("owner_name", sa.Text(), nullable=True)),
        ("streams", sa.Column("moves", sa.Integer(), server_default="0", nullable=False)),
        ("pages", sa.Column("trying_since", Moment(), nullable=True)),
    ]
