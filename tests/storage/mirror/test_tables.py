"""How a record becomes a row: typed columns, the unknown rest, and the whole to the letter."""

import json

import msgspec
import pytest

from apple.records import sort_fields
from apple.resources import RESOURCES
from storage.identity import digest_of, dump_document
from storage.mirror.tables import MIRRORS


def rows(resource: str, *records: dict[str, object]) -> list[dict[str, object]]:
    """Make rows of records."""
    raw = [msgspec.json.decode(json.dumps(one)) for one in records]
    mirror = MIRRORS[resource]
    made = mirror.make_rows(sort_fields(RESOURCES[resource].record, raw))
    return [dict(zip(mirror.columns, row, strict=True)) for row in made]


ASSET = {"adamId": "7", "pricingParam": "STDQ", "totalCount": 5, "supportedPlatforms": ["iOS", "macOS"]}


def test_a_record_fills_its_columns():
    """Each known field has a column of its own; what is absent is null."""
    [row] = rows("assets", ASSET)
    assert (row["adam_id"], row["pricing_param"], row["total_count"], row["retired_count"]) == ("7", "STDQ", 5, None)
    assert row["extra"] is None


def test_unknown_fields_are_the_rest():
    """What Apple added since is kept in one column, and in the whole."""
    [row] = rows("assets", ASSET | {"novelty": {"b": 1, "a": None}})
    assert json.loads(str(row["extra"])) == {"novelty": {"a": None, "b": 1}}
    assert json.loads(str(row["record"]))["novelty"] == {"a": None, "b": 1}


def test_the_whole_is_under_apples_names():
    """The whole record is JSON under Apple's own names, without the fields that it lacked."""
    [row] = rows("assets", ASSET)
    assert json.loads(str(row["record"])) == ASSET


def test_a_missing_part_of_a_key_is_empty():
    """A key has no nulls: an assignment to a device has an empty user."""
    [row] = rows("assignments", {"adamId": "7", "pricingParam": "STDQ", "serialNumber": "C02"})
    assert (row["client_user_id"], row["serial_number"]) == ("", "C02")


def test_lists_are_documents():
    """A list is stored as JSON, on every database."""
    [row] = rows("assets", ASSET)
    assert row["supported_platforms"] == '["iOS","macOS"]'


def test_a_number_in_a_key_is_a_text():
    """Where Apple sends an id as a number, it is stored as a text, as it is elsewhere."""
    mirror = MIRRORS["licenses"]
    assert {str(mirror.table.c[name].type) for name in mirror.key} == {"TEXT"}


@pytest.mark.parametrize(
    ("user", "standing"),
    [
        ({"clientUserId": "1", "status": "Associated"}, "active"),
        ({"clientUserId": "1", "status": "Registered"}, "active"),
        ({"clientUserId": "1", "status": "Retired"}, "retired"),
        ({"clientUserId": "", "status": "Associated"}, "retired"),
    ],
)
def test_who_is_active(user, standing):
    """A user who is not retired, and has an id, is known by that; all others by what they say."""
    [row] = rows("users", user)
    assert row["standing"] == standing
    assert (row["identity"] == "1") is (standing == "active")


def test_retired_rows_that_are_alike():
    """Two retired rows that say the same are one row, which is counted; another one is another."""
    same = {"clientUserId": "1", "status": "Retired"}
    one, two, other = rows("users", same, same, same | {"email": "a@b"})
    assert one["identity"] == two["identity"] != other["identity"]


def test_the_same_value_is_the_same_text():
    """A document is written in one way, whatever the order of its members, so that it can be compared."""
    one, other = {"b": [1, {"d": 1, "c": 2}], "a": None}, {"a": None, "b": [1, {"c": 2, "d": 1}]}
    assert dump_document(one) == dump_document(other)
    assert dump_document(None) is None
    assert digest_of("a") == digest_of("a") != digest_of("b")


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_has_a_table(resource):
    """The table of each resource is named after it, and its key begins with the location."""
    mirror = MIRRORS[resource]
    assert mirror.table.name == f"mirror_{resource.replace('-', '_')}"
    assert next(iter(mirror.table.primary_key)).name == "location_id"
    assert set(mirror.columns) <= {column.name for column in mirror.table.columns}
