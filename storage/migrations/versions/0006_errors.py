"""The name of the error beside each reason: what to do about it is looked up by that name where it is shown."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TABLES = ("locations", "streams", "crawls", "pages", "closings")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("error", sa.Text(), nullable=True))
