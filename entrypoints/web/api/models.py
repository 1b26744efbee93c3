"""What the API returns. Names stay as they are: fields are only added."""

from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class ApiModel(BaseModel):
    """One thing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiProblem(ApiModel):
    """What went wrong, as RFC 9457 has it."""

    title: str
    status: int
    detail: str


class ItemList(ApiModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="What `after` is for the next page; null on the last page.")


class LocationItem(ApiModel):
    """A location: one content token, and what is mirrored with it."""

    uid: str
    location: str = Field(description="Its name here.")
    apple_name: str
    organisation: str
    country: str | None
    state: str = Field(description="Of the token: valid, expiring, expired, revoked, wrong or foreign.")
    problem: str | None
    token_expires: datetime
    held_by: str | None = Field(description="The service that manages it, by its own name.")
    closed_until: datetime | None = Field(description="Until when nothing is asked of Apple, since it wants that.")


class StreamItem(ApiModel):
    """A list of a location, and how well the mirror is in step with it."""

    uid: str
    location: str
    resource: str
    state: str
    problem: str | None
    records: int
    version: str | None
    seen_at: datetime | None = Field(description="The mirror is at least as young as this.")
    full_at: datetime | None
    due_at: datetime | None
    every_seconds: int
    failures: int
    held_deletes: int


class CrawlItem(ApiModel):
    """One pass over a list."""

    id: int
    uid: str
    location: str
    resource: str
    kind: str
    state: str
    begun_by: str | None
    forced_by: str | None
    opened_at: datetime
    ended_at: datetime | None
    pages: int | None
    drift: int
    waits: int
    waited_seconds: float
    is_consistent: bool | None
    inserted: int | None
    updated: int | None
    deleted: int | None
    reason: str | None


class RecordItem(ApiModel):
    """A record of the mirror, under Apple's own field names."""

    uid: str
    location: str
    copies: int = Field(description="How many records are equal to this one: more than one of retired users alone.")
    record: dict[str, Any]


class ColumnItem(ApiModel):
    """A column of a report."""

    name: str
    type: str
    about: str


class ReportItem(ApiModel):
    """A question that is answered of all locations."""

    name: str
    about: str
    columns: list[ColumnItem]


class ChangeItem(ApiModel):
    """An insert, an update or a delete of the mirror."""

    bookmark: str = Field(description="Where a reader goes on who has this one.")
    seq: int
    at: datetime
    uid: str
    location: str
    resource: str
    op: str
    key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    crawl: int


class ChangeList(ApiModel):
    """Some changes, in the order of their commits."""

    items: list[ChangeItem]
    bookmark: str = Field(description="Where to go on: of what was asked for, `items` has all up to there.")
    has_more: bool = Field(description="Whether more is there already.")


class FeedPosition(ApiModel):
    """Where the feed is."""

    bookmark: str = Field(description="Of the last change: who reads from here on misses nothing that comes.")
    first: str = Field(description="Of the first change that is still kept.")


class SyncRequest(ApiModel):
    """What is to be read."""

    full: bool = Field(default=False, description="Everything, even if nothing seems to have changed.")


class AcceptRequest(ApiModel):
    """What is accepted: an owner, or held deletes."""

    owner: bool = Field(default=False, description="That another service manages the location now.")
    resources: list[str] = Field(default=[], description="The lists whose held deletes are let through; none for all.")


class ActionDone(ApiModel):
    """What an action came to."""

    done: str
    words: str
