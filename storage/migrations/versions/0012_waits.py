"""When the gates were shut, and whether Apple asked for it."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Key, Moment

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "waits",
        sa.Column("gate", Key, nullable=False),
        sa.Column("begun_at", Moment, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("is_asked", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("gate", "begun_at", name="waits_pkey"),
    )
