"""Fingerprints of records, in the mirror and with the pages; the key of assignments begins with what tells most apart.

The rows of the mirror get theirs from the next publish that compares all of them, and the pages when they are stored
anew: no stream has a proof until then, for a page that is the proof's would have none for ever.
"""

import sqlalchemy as sa
from alembic import op

from storage.sql import Numbers

revision = "0008"
down_revision = "0007"

_KEYED = (
    "mirror_assets",
    "mirror_assignments",
    "mirror_licenses",
    "mirror_subscriptions",
    "mirror_subscription_assignments",
    "mirror_subscription_admins",
    "mirror_legacy_users",
    "mirror_legacy_assets",
)

_KEY = ["location_id", "serial_number", "client_user_id", "adam_id", "pricing_param"]


def upgrade() -> None:
    op.add_column("pages", sa.Column("fingerprints", Numbers, nullable=True))
    for table in _KEYED:
        op.add_column(table, sa.Column("fingerprint", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("mirror_assignments") as assignments:
        assignments.drop_constraint("mirror_assignments_pkey", type_="primary")
        assignments.create_primary_key("mirror_assignments_pkey", _KEY)
    op.execute("UPDATE streams SET proof_id = NULL, proof_digest = NULL")
