"""The tables of the audience: which programs and people are told, of what, and how far."""

import sqlalchemy as sa

from .schema import metadata
from .sql import Document, Identity, Key, Moment

#: Addresses of programs that are told what changed; they may hold secrets.
hooks = sa.Table(
    "hooks",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("sealed_url", sa.LargeBinary, nullable=False),
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    # The locations and the resources that it is told of; null for all.
    sa.Column("uids", Document),
    sa.Column("resources", Document),
    sa.Column("has_records", sa.Boolean, nullable=False, server_default=sa.false()),
    # Of which feed it is told, and after which number of it, of a location without a position.
    sa.Column("feed", sa.Text, nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False),
    # Goes up when somebody changes what it is told: what is under way then counts no more.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("added_at", Moment, nullable=False),
    # It is left alone until then: it does not answer, or asked for that.
    sa.Column("rest_until", Moment),
    sa.Column("gone_at", Moment),
    # Since when it does not take that it has to begin anew, how often that was tried, and why.
    sa.Column("failing_since", Moment),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("dead_at", Moment),
    # Who tells it now, and until when.
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", Moment),
)

#: How far each hook is told of each location.
hook_positions = sa.Table(
    "hook_positions",
    metadata,
    sa.Column("hook", Key, sa.ForeignKey("hooks.name"), primary_key=True),
    sa.Column("location_id", Identity, sa.ForeignKey("locations.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # The end of the batch that is under way.
    sa.Column("last", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failing_since", Moment),
    sa.Column("error", sa.Text),
    sa.Column("next_at", Moment),
    sa.Column("dead_at", Moment),
)

#: Where people are told what needs them: an address of a chat, a mailbox and so on, which holds secrets.
channels = sa.Table(
    "channels",
    metadata,
    sa.Column("name", Key, primary_key=True),
    sa.Column("sealed_url", sa.LargeBinary, nullable=False),
    # The rules and the locations that it is told of; null for all.
    sa.Column("rules", Document),
    sa.Column("uids", Document),
    sa.Column("added_at", Moment, nullable=False),
)

#: What people were told, or would have been: each thing once, as long as it stands.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("begun_at", Moment, nullable=False),
    # Null as long as it stands.
    sa.Column("ended_at", Moment),
)

#: Up to which number of which feed purchases were told; one row.
alert_positions = sa.Table(
    "alert_positions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("feed", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # Goes up with each round: of two at once, one counts.
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
)

#: Messages to people, until they were sent, and for some time after.
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", Identity, primary_key=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_at", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("dead_at", Moment),
    sa.Column("error", sa.Text),
    sa.Index("messages_next_at_index", "next_at"),
)
