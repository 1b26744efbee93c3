"""Assets of the legacy service; and the table of chores gets its name: older workers do none until they restart."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Identity, Key, Moment

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "chores",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="chores_pkey"),
    )
    op.drop_table("rounds")
    op.create_table(
        "mirror_legacy_assets",
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("adam_id_str", Key, server_default="", nullable=False),
        sa.Column("pricing_param", Key, server_default="", nullable=False),
        sa.Column("product_type_id", sa.BigInteger(), nullable=True),
        sa.Column("product_type_name", sa.Text(), nullable=True),
        sa.Column("is_irrevocable", sa.Boolean(), nullable=True),
        sa.Column("device_assignable", sa.Boolean(), nullable=True),
        sa.Column("assigned_count", sa.BigInteger(), nullable=True),
        sa.Column("available_count", sa.BigInteger(), nullable=True),
        sa.Column("retired_count", sa.BigInteger(), nullable=True),
        sa.Column("total_count", sa.BigInteger(), nullable=True),
        sa.Column("extra", Document, nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("location_id", "adam_id_str", "pricing_param", name="mirror_legacy_assets_pkey"),
    )
