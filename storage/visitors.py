"""The tables of the console: who may open it, which programs may read the API, and the icons that it shows."""

import sqlalchemy as sa

from .schema import metadata
from .sql import Document, Key, Moment
from .states import Access


def _is_access(name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"access in ({', '.join(repr(str(one)) for one in Access)})", name=name)


#: People who open the console with a password, or whom a proxy names.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("access", sa.Text, nullable=False),
    # What a password is checked against; null for who comes by a proxy alone.
    sa.Column("digest", sa.Text),
    sa.Column("added_at", Moment, nullable=False),
    sa.Column("seen_at", Moment),
    _is_access("access"),
)

#: Those who are signed in. Of the secret in a browser's cookie, only a digest is here.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("account", Key, sa.ForeignKey("accounts.name"), nullable=False, index=True),
    sa.Column("begun_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)

#: Programs that call the API. Of a token, only a digest is here.
api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("access", sa.Text, nullable=False),
    # The uIds of the locations that it is for; null for all.
    sa.Column("uids", Document),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("used_at", Moment),
    _is_access("access"),
)

#: Pictures of apps and books, by the addresses that the store gives; null where none came.
icons = sa.Table(
    "icons",
    metadata,
    sa.Column("url", Key, primary_key=True),
    sa.Column("body", sa.LargeBinary),
    sa.Column("as_of", Moment, nullable=False),
)
