"""What a sync began by: a person, the clock, or a notice."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("syncs", sa.Column("begun_by", sa.Text(), nullable=True))
