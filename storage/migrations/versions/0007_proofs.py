"""The proof of a stream: a crawl whose pages are exactly what the mirror has, and the digest of each page's records."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("streams", sa.Column("proof_id", number, nullable=True))
    op.add_column("streams", sa.Column("proof_digest", sa.LargeBinary(), nullable=True))
    op.add_column("pages", sa.Column("digest", sa.LargeBinary(), nullable=True))
    op.add_column("pages", sa.Column("same_as", number, nullable=True))
