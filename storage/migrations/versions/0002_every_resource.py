"""All of Apple's resources: deltas, cursors, batches, and assets looked into alone."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.sql import Document, Identity, Key, Moment

revision = "0002"
down_revision = "0001"

_MIRRORS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "mirror_subscriptions": (
        ("adam_id",),
        {"parent_adam_id": sa.Text(), "status": sa.Text(), "period_end_date": sa.Text(), "counts": Document},
    ),
    "mirror_subscription_assignments": (("adam_id", "client_user_id"), {"renewing": sa.Boolean()}),
    "mirror_subscription_admins": (
        ("adam_id", "client_user_id"),
        {"id_hash": sa.Text(), "user_status": sa.Text()},
    ),
    "mirror_licenses": (
        ("license_id_str",),
        {
            "license_id": sa.BigInteger(),
            "adam_id": sa.Text(),
            "adam_id_str": sa.Text(),
            "pricing_param": sa.Text(),
            "product_type_id": sa.BigInteger(),
            "product_type_name": sa.Text(),
            "is_irrevocable": sa.Boolean(),
            "status": sa.Text(),
            "user_id": sa.BigInteger(),
            "user_id_str": sa.Text(),
            "client_user_id_str": sa.Text(),
            "its_id_hash": sa.Text(),
            "serial_number": sa.Text(),
        },
    ),
    "mirror_legacy_users": (
        ("user_id",),
        {
            "user_id_str": sa.Text(),
            "client_user_id_str": sa.Text(),
            "email": sa.Text(),
            "status": sa.Text(),
            "its_id_hash": sa.Text(),
            "invite_code": sa.Text(),
            "invite_url": sa.Text(),
        },
    ),
}


def upgrade() -> None:
    _widen("streams", _streams())
    _widen("syncs", _syncs())
    _widen("crawls", _crawls())
    _widen("pages", [sa.Column("cursor", sa.Text(), nullable=True)])
    op.execute("UPDATE streams SET full_at = published_at WHERE complete_version IS NOT NULL")
    _create_disagreements()
    for name, (key, own) in _MIRRORS.items():
        _create_mirror(name, key, own)


def _streams() -> list["sa.Column[object]"]:
    return [
        sa.Column("full_after", Moment(), nullable=True),
        sa.Column("full_at", Moment(), nullable=True),
        sa.Column("torn_fulls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted_deletes", sa.BigInteger(), nullable=True),
    ]


def _syncs() -> list["sa.Column[object]"]:
    return [
        sa.Column("is_handed_over", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("step", sa.Integer(), server_default="0", nullable=False),
    ]


def _crawls() -> list["sa.Column[object]"]:
    return [
        sa.Column("kind", sa.Text(), server_default="full", nullable=False),
        sa.Column("since", sa.Text(), nullable=True),
        sa.Column("scopes", Document, nullable=True),
        sa.Column("floor", sa.Integer(), server_default="0", nullable=False),
        sa.Column("restarts", sa.Integer(), server_default="0", nullable=False),
    ]


def _widen(table: str, columns: list["sa.Column[object]"]) -> None:
    for column in columns:
        op.add_column(table, column)


def _create_disagreements() -> None:
    op.create_table(
        "disagreements",
        sa.Column("location_id", Identity, nullable=False),
        sa.Column("adam_id", Key, nullable=False),
        sa.Column("pricing_param", Key, nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("listed", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("again_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["locations.id"], name="disagreements_location_id_fkey"),
        sa.PrimaryKeyConstraint("location_id", "adam_id", "pricing_param", name="disagreements_pkey"),
    )


def _create_mirror(name: str, key: tuple[str, ...], own: dict[str, Any]) -> None:
    op.create_table(
        name,
        sa.Column("location_id", Identity, nullable=False),
        *(sa.Column(column, Key, server_default="", nullable=False) for column in key),
        *(sa.Column(column, kind, nullable=True) for column, kind in own.items()),
        sa.Column("extra", Document, nullable=True),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("location_id", *key, name=f"{name}_pkey"),
    )
