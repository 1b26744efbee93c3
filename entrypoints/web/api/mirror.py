"""The mirror: its records, and the reports that are made of them."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query

from storage.mirror.browse import FACETS, RecordChoice
from storage.reports import Choice, Paged, columns_of, paged_by
from storage.views import VIEWS, View

from ..console.query import WrongQuery
from ..console.screen import SECONDS
from .callers import CallerOf
from .crawls import check_resource
from .locations import uids_of
from .models import ColumnItem, ItemList, RecordItem, ReportItem
from .positions import After, Limit, LocationsOf, read_cursor, write_cursor

router = APIRouter(tags=["mirror"])

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "date-time"}


@router.get("/records/{resource}", operation_id="list_records")
def list_records(  # noqa: PLR0913, PLR0917 - each argument is one of the address
    caller: CallerOf,
    resource: str,
    location: LocationsOf = None,
    where: Annotated[list[str] | None, Query(description="Only records that say this: status=Retired.")] = None,
    text: Annotated[str, Query(alias="q", max_length=500, description="A part of what identifies them.")] = "",
    after: After = None,
    limit: Limit = 100,
) -> ItemList[RecordItem]:
    """List the records of a resource, in the order of the locations and of their keys."""
    check_resource(resource)
    conditions = dict(map(_condition, where or ()))
    unknown = sorted(set(conditions) - set(FACETS[resource]))
    if unknown:
        raise WrongQuery(f"'{unknown[0]}' is no column to choose by; there are {', '.join(FACETS[resource])}.")
    uids = caller.chosen(uids_of(caller, location))
    choice = RecordChoice(resource=resource, uids=uids, where=conditions, text=text)
    found = caller.services.store.browser.page(choice, read_cursor(after), limit + 1)
    shown = [
        RecordItem(uid=one.uid, location=one.place, copies=one.copies, record=msgspec.json.decode(one.record))
        for one in found[:limit]
    ]
    cursor = write_cursor(found[limit - 1].position) if len(found) > limit else None
    return ItemList(items=shown, next=cursor)


@router.get("/reports", operation_id="list_reports")
def list_reports(_: CallerOf) -> list[ReportItem]:
    """List the reports, with their columns."""
    return [_report(view) for view in VIEWS.values()]


@router.get("/reports/{name}", operation_id="get_report")
def get_report(
    caller: CallerOf,
    name: str,
    location: LocationsOf = None,
    where: Annotated[list[str] | None, Query(description="Only rows in which a column is this: kind=App.")] = None,
    after: After = None,
    limit: Limit = 100,
) -> ItemList[dict[str, Any]]:
    """Answer a question: rows with the columns that the list of reports names."""
    view = VIEWS.get(name.replace("-", "_"))
    if view is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no such report; there are {', '.join(VIEWS)}.")
    uids = caller.chosen(uids_of(caller, location))
    position = read_cursor(after)
    choice = Choice(
        where=[_condition(one) for one in where or ()],
        among={"location_uid": uids} if uids else {},
        page=Paged(after=position),
        limit=limit + 1,
    )
    names = columns_of(view, choice)
    rows = [dict(zip(names, row, strict=True)) for row in caller.services.store.reports.rows(view, choice, SECONDS)]
    order = [one.removeprefix("-") for one in paged_by(view)]
    cursor = write_cursor([rows[limit - 1][one] for one in order]) if len(rows) > limit else None
    return ItemList(items=[_plain(view, row) for row in rows[:limit]], next=cursor)


def _condition(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise WrongQuery(f"'where' is COLUMN=VALUE, and not '{given}'.")
    return name, value


def _plain(view: View, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its values as JSON has them: databases give whole numbers as decimals."""
    kinds = view.kinds
    return {
        name: value if value is None or kinds[name] is datetime else kinds[name](value) for name, value in row.items()
    }


def _report(view: View) -> ReportItem:
    columns = [
        ColumnItem(name=name, type=_TYPES[view.kinds[name]], about=about) for name, about in view.columns.items()
    ]
    return ReportItem(name=view.name, about=view.about, columns=columns)
