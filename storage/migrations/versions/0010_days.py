"""How many licences of each asset there were, day by day: taken from the feed as far as it goes back."""

import sqlalchemy as sa
from alembic import op

from storage.sql import Identity, Key

revision = "0010"
down_revision = "0009"

#: The last change of each day; a delete leaves nothing.
_FROM_FEED = """
    INSERT INTO asset_days
        (location_id, adam_id, pricing_param, day, total, assigned, available, was_assigned, was_available)
    SELECT location_id, adam_id, pricing_param, day, coalesce(total, 0), coalesce(assigned, 0), coalesce(available, 0),
        lag(coalesce(assigned, 0)) OVER asset, lag(coalesce(available, 0)) OVER asset
    FROM (
        SELECT location_id, {adam_id} AS adam_id, {pricing_param} AS pricing_param, {day} AS day,
            {total} AS total, {assigned} AS assigned, {available} AS available,
            row_number() OVER (PARTITION BY location_id, {adam_id}, {pricing_param}, {day} ORDER BY seq DESC) AS place
        FROM changes WHERE resource = 'assets'
    ) last
    WHERE place = 1
    WINDOW asset AS (PARTITION BY location_id, adam_id, pricing_param ORDER BY day)
"""

#: What the feed has no longer: as it is now.
_FROM_MIRROR = """
    INSERT INTO asset_days (location_id, adam_id, pricing_param, day, total, assigned, available)
    SELECT location_id, adam_id, pricing_param, {today}, coalesce(total_count, 0), coalesce(assigned_count, 0),
        coalesce(available_count, 0)
    FROM mirror_assets a
    WHERE NOT EXISTS (SELECT 1 FROM asset_days d WHERE d.location_id = a.location_id AND d.adam_id = a.adam_id
        AND d.pricing_param = a.pricing_param)
"""


def upgrade() -> None:
    op.create_table(
        "asset_days",
        sa.Column("location_id", Identity, nullable=False),
        *(sa.Column(name, Key, nullable=False) for name in ("adam_id", "pricing_param")),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("total", "assigned", "available")),
        *(sa.Column(name, sa.BigInteger()) for name in ("was_assigned", "was_available")),
        sa.PrimaryKeyConstraint("location_id", "adam_id", "pricing_param", "day", name="asset_days_pkey"),
    )
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    record = "coalesce(after, before)"

    def text(name: str) -> str:
        return f"({record}::jsonb ->> '{name}')" if is_postgresql else f"json_extract({record}, '$.{name}')"

    def count(name: str) -> str:
        return f"(after::jsonb ->> '{name}')::bigint" if is_postgresql else f"json_extract(after, '$.{name}')"

    day = "(at AT TIME ZONE 'UTC')::date" if is_postgresql else "date(at)"
    today = "(now() AT TIME ZONE 'UTC')::date" if is_postgresql else "date('now')"
    names = {"total": "totalCount", "assigned": "assignedCount", "available": "availableCount"}
    counts = {name: count(theirs) for name, theirs in names.items()}
    op.execute(_FROM_FEED.format(adam_id=text("adamId"), pricing_param=text("pricingParam"), day=day, **counts))
    op.execute(_FROM_MIRROR.format(today=today))
