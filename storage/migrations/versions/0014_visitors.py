"""Visitors: accounts and sessions of the console, tokens of the API, and icons."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Key, Moment

revision = "0014"
down_revision = "0013"

_ACCESS = "access in ('read', 'act')"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", Key, nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("added_at", Moment, nullable=False),
        sa.Column("seen_at", Moment),
        sa.PrimaryKeyConstraint("name", name="accounts_pkey"),
        sa.CheckConstraint(_ACCESS, name="accounts_access_check"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account", Key, sa.ForeignKey("accounts.name", name="sessions_account_fkey"), nullable=False),
        sa.Column("begun_at", Moment, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="sessions_pkey"),
    )
    op.create_index("sessions_account_index", "sessions", ["account"])
    op.create_table(
        "api_tokens",
        sa.Column("name", Key, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("uids", Document),
        sa.Column("made_at", Moment, nullable=False),
        *(sa.Column(name, Moment) for name in ("expires_at", "used_at")),
        sa.PrimaryKeyConstraint("name", name="api_tokens_pkey"),
        sa.UniqueConstraint("digest", name="api_tokens_digest_key"),
        sa.CheckConstraint(_ACCESS, name="api_tokens_access_check"),
    )
    op.create_table(
        "icons",
        sa.Column("url", Key, nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("as_of", Moment, nullable=False),
        sa.PrimaryKeyConstraint("url", name="icons_pkey"),
    )


def downgrade() -> None:
    for name in ("icons", "api_tokens", "sessions", "accounts"):
        op.drop_table(name)
