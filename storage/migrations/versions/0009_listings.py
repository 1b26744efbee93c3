"""What the store says of apps and books, and from which country's store a location sees them."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Key, Moment

revision = "0009"
down_revision = "0008"

_TEXTS = ("name", "publisher", "bundle_id", "kind", "genre", "version", "minimum_os", "price", "url", "icon_url")


def upgrade() -> None:
    op.create_table(
        "listings",
        *(sa.Column(name, Key, nullable=False) for name in ("adam_id", "country", "catalogue")),
        sa.Column("owner", Key, nullable=False, server_default=""),
        *(sa.Column(name, sa.Text()) for name in _TEXTS[:4]),
        sa.Column("platforms", Document),
        *(sa.Column(name, sa.Text()) for name in _TEXTS[4:]),
        sa.Column("is_custom", sa.Boolean(), nullable=False, server_default=sa.false()),
        *(sa.Column(name, sa.Text()) for name in ("found_country", "found_catalogue", "language")),
        sa.Column("as_of", Moment),
        sa.Column("missing_since", Moment),
        sa.Column("due_at", Moment, nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("tried_country", "tried_catalogue")),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in ("misses", "failures")),
        sa.PrimaryKeyConstraint("adam_id", "country", "catalogue", "owner", name="listings_pkey"),
    )
    op.create_index("listings_due_at_index", "listings", ["due_at"])
    for name in ("country", "catalogue"):
        op.add_column("locations", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("locations", sa.Column("named_moves", sa.Integer(), nullable=True))
    op.execute("UPDATE locations SET ask_due_at = NULL")  # Apple says the country when it is asked about a token
