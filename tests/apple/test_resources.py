"""Every resource in the shape that Apple documents: what is asked, and what is read."""

import json

import pytest

from apple.answers import Answer
from apple.client import read_client_config
from apple.errors import BadAnswer
from apple.pages import read_page
from apple.questions import AssetKey, Question
from apple.records import apple_names
from apple.resources import RESOURCES, USUAL
from apple.service import read_service_config

#: A record of each resource with every field that Apple documents.
RECORDS: dict[str, dict[str, object]] = {
    "assets": {
        "adamId": "1001",
        "pricingParam": "STDQ",
        "productType": "App",
        "assignedCount": 2,
        "availableCount": 8,
        "retiredCount": 0,
        "totalCount": 10,
        "deviceAssignable": True,
        "revocable": True,
        "supportedPlatforms": ["iOS", "visionOS"],
    },
    "assignments": {
        "adamId": "1001",
        "pricingParam": "PLUS",
        "clientUserId": "u1",
        "serialNumber": "S1",
        "userStatus": "Associated",
        "idHash": "h1",
    },
    "users": {"clientUserId": "u1", "email": "a@b.c", "status": "Associated", "inviteCode": "i1", "idHash": "h1"},
    "subscriptions": {
        "parentAdamId": 6450000001,
        "adamId": 6450000002,
        "status": "ACTIVE",
        "periodEndDate": "2027-01-31",
        "counts": {
            "assigned": {"renewing": 1, "expiring": 2},
            "available": {"renewing": 3, "expiring": 4},
            "total": {"renewing": 4, "expiring": 6},
        },
    },
    "subscription-assignments": {"adamId": 6450000002, "clientUserId": "u1", "renewing": False},
    "subscription-admins": {"adamId": 6450000002, "clientUserId": "u1", "idHash": "h1", "userStatus": "Registered"},
    "licenses": {
        "licenseIdStr": "900001",
        "licenseId": 900001,
        "adamId": 408709785,
        "adamIdStr": "408709785",
        "pricingParam": "STDQ",
        "productTypeId": 8,
        "productTypeName": "Application",
        "isIrrevocable": False,
        "status": "Associated",
        "userId": 7001,
        "userIdStr": "7001",
        "clientUserIdStr": "u1",
        "itsIdHash": "h1",
        "serialNumber": "S1",
    },
    "legacy-users": {
        "userId": 7001,
        "userIdStr": "7001",
        "clientUserIdStr": "u1",
        "email": "a@b.c",
        "status": "Registered",
        "itsIdHash": "h1",
        "inviteCode": "i1",
        "inviteUrl": "https://example.com/i1",
    },
    "legacy-assets": {
        "adamIdStr": "408709785",
        "pricingParam": "STDQ",
        "productTypeId": 8,
        "productTypeName": "Application",
        "isIrrevocable": False,
        "deviceAssignable": True,
        "assignedCount": 2,
        "availableCount": 8,
        "retiredCount": 0,
        "totalCount": 10,
    },
}


def read(name, records, *, index=0, cursor=None, **envelope):
    """Read a page of some records."""
    resource = RESOURCES[name]
    question = Question(resource=resource, index=index, cursor=cursor)
    return read_page(question, json.dumps({resource.member: records, **envelope}).encode())


@pytest.mark.parametrize("name", RECORDS)
def test_every_documented_field_arrives(name):
    """Each field has a place of its own, and none of them counts as unknown."""
    record = RECORDS[name]
    page = read(name, [record], batchToken="b", versionId="v")
    assert page.records.unknown == {}
    names = apple_names(RESOURCES[name].record)
    assert set(names.values()) == set(record)
    assert {names[one]: getattr(page.records.known[0], one) for one in names} == record


@pytest.mark.parametrize("name", RECORDS)
def test_unknown_fields_are_kept(name):
    """What Apple adds to a record, or to a page, comes along or does no harm."""
    record = RECORDS[name] | {"novelty": {"of": [1]}}
    page = read(name, [RECORDS[name], record], batchToken="b", versionId="v", novelEnvelope=[None])
    assert page.records.unknown == {1: {"novelty": {"of": [1]}}}


@pytest.mark.parametrize("name", RECORDS)
def test_only_the_key_has_to_be_there(name):
    """All that does not identify a record may be missing, or null."""
    names = apple_names(RESOURCES[name].record)
    key = {names[one] for one in RESOURCES[name].key} - {"clientUserId", "serialNumber"}
    key |= {"clientUserId"} if name.startswith("subscription-") else set()
    bare = {field: value for field, value in RECORDS[name].items() if field in key}
    page = read(name, [bare, dict.fromkeys(RECORDS[name]) | bare], batchToken="b", versionId="v")
    assert page.records.known[0] == page.records.known[1]


@pytest.mark.parametrize("name", RECORDS)
def test_a_wrong_type_is_named(name):
    """A field of another type names itself, its resource and its page."""
    field = next(one for one in RECORDS[name] if one.lower().endswith(("id", "idstr")))
    with pytest.raises(BadAnswer, match=rf"{name} \w+ 0: .*{field}"):
        read(name, [RECORDS[name] | {field: [1]}], batchToken="b", versionId="v")


def test_a_wrong_count_is_named():
    """The counts of a subscription are a document, and checked all the same."""
    counts = {"assigned": {"renewing": "1"}}
    with pytest.raises(BadAnswer, match=r"counts\.assigned\.renewing"):
        read("subscriptions", [RECORDS["subscriptions"] | {"counts": counts}])


def test_counts_may_grow():
    """What Apple adds to the counts is kept, and a seat that is null is absent."""
    counts = {"assigned": None, "asOf": "2027-01-01", "total": {"renewing": 1, "novelty": [1]}}
    page = read("subscriptions", [RECORDS["subscriptions"] | {"counts": counts}])
    assert page.records.known[0].counts == counts


@pytest.mark.parametrize("name", ["assets", "licenses"])
def test_a_number_beyond_all_bounds_is_named(name):
    """A number that no database holds is refused with its field, before it is kept."""
    field = {"assets": "assignedCount", "licenses": "licenseId"}[name]
    with pytest.raises(BadAnswer, match=field):
        read(name, [RECORDS[name] | {field: 10**19}], batchToken="b")


def test_endless_nesting():
    """A body that is nested without end is no JSON to anybody."""
    with pytest.raises(BadAnswer):
        read_page(Question(resource=RESOURCES["users"]), b'{"novelty": ' + b"[" * 100_000)


def test_no_pages_at_all():
    """A total of no pages is a list without records: one empty page."""
    page = read("assignments", [], totalPages=0, size=0)
    assert (page.total, len(page.records)) == (1, 0)


def test_endless_assets_apart():
    """Assets in a list of their own are assets, whether or not the size counts them."""
    for size in (1, 2):
        page = read("assets", [RECORDS["assets"]], unlimitedAssets=[RECORDS["assets"]], size=size)
        assert (len(page.records), page.size) == (2, 2)


@pytest.mark.parametrize("total", [2, "2"], ids=["number", "text"])
def test_the_first_batch(total):
    """The total of batches comes as a number or as a text, and the first answer is one beside them."""
    page = read("licenses", [RECORDS["licenses"]], batchToken="b", totalBatchCount=total, batchCount="1", uId="77")
    assert (page.total, page.cursor, page.version, page.size, page.uid) == (3, "b", None, 1, "77")
    assert page.next_index == 1


def test_the_last_batch():
    """The last batch brings the token to ask for changes by."""
    page = read("licenses", [], index=2, cursor="b", sinceModifiedToken="s", totalBatchCount=2)
    assert (page.total, page.version, page.next_index) == (3, "s", None)


def test_everything_in_one_answer():
    """A list that fits into one answer is whole, whatever total stands beside it."""
    for total in (0, "0", 1):
        page = read("legacy-users", [RECORDS["legacy-users"]], sinceModifiedToken="s", totalBatchCount=total)
        assert (page.total, page.version, page.next_index) == (1, "s", None)


def test_one_answer_without_tokens():
    """A list that always comes in one answer is whole if it holds as many as it says; no list means no records."""
    page = read("legacy-assets", [RECORDS["legacy-assets"]], status=0, totalCount=1)
    assert (page.total, page.size, len(page.records), page.next_index) == (1, 1, 1, None)
    assert len(read("legacy-assets", None, status=0).records) == 0
    assert read("legacy-assets", None, status=0, totalCount=3).records is None
    with pytest.raises(BadAnswer, match="status is -1"):
        read("legacy-assets", None, status=-1)


def test_no_token_is_not_the_end():
    """A first answer without any token is no page; a later batch without records, or without a list, is one."""
    assert read("licenses", [RECORDS["licenses"]]).records is None
    assert len(read("licenses", [], index=1, cursor="b").records) == 0
    assert len(read("licenses", None, index=1, cursor="b").records) == 0


def test_a_failure_without_a_number():
    """The legacy service says in the body that something went wrong."""
    with pytest.raises(BadAnswer, match="status is -1"):
        read("licenses", None, status=-1)


def test_numbers_as_texts():
    """Any number of the legacy service may come as a text."""
    record = RECORDS["licenses"] | {"licenseId": "900001", "productTypeId": "8"}
    assert read("licenses", [record], batchToken="b").records.known[0].license_id == 900001


def test_a_step():
    """A step says with its cursor that another follows; nothing at all yet is an empty list."""
    page = read("subscriptions", [RECORDS["subscriptions"]], nextCursor="c+/=", versionId="1680000000001")
    assert (page.cursor, page.next_index, page.version) == ("c+/=", 1, "1680000000001")
    assert read("subscriptions", [], index=1, versionId="v").next_index is None
    assert len(read("subscriptions", None, versionId="v").records) == 0
    assert read("subscriptions", None, index=3, versionId="v").records is None


@pytest.mark.parametrize(
    ("question", "query"),
    [
        (Question(resource=RESOURCES["users"]), {}),
        (Question(resource=RESOURCES["users"], index=2, since="v"), {"pageIndex": "2", "sinceVersionId": "v"}),
        (
            Question(resource=RESOURCES["assignments"], asset=AssetKey(adam_id="1", pricing_param="PLUS")),
            {"adamId": "1", "pricingParam": "PLUS"},
        ),
        (Question(resource=RESOURCES["subscriptions"], index=4, cursor="c+/="), {"cursor": "c+/="}),
    ],
)
def test_a_query(question, query):
    """Every page of a delta brings its version, and a step nothing but its cursor."""
    assert question.query() == query


@pytest.mark.parametrize(
    ("question", "body"),
    [
        (Question(resource=RESOURCES["licenses"]), {}),
        (Question(resource=RESOURCES["legacy-users"]), {"includeRetired": 1}),
        (Question(resource=RESOURCES["legacy-assets"]), {"includeLicenseCounts": True}),
        (Question(resource=RESOURCES["legacy-users"], since="s"), {"sinceModifiedToken": "s"}),
        (
            Question(resource=RESOURCES["licenses"], index=3, cursor="b"),
            {"batchToken": "b", "overrideIndex": 3},
        ),
        (Question(resource=RESOURCES["licenses"], index=3, cursor="b", is_numbered=False), {"batchToken": "b"}),
    ],
)
def test_a_body(question, body):
    """Filters go with a request that has no token: Apple remembers them in those that it gives."""
    assert question.body() == body


def test_the_legacy_service_has_to_be_asked_for():
    """What is read of a location unless somebody says otherwise is all but the legacy service."""
    assert set(RESOURCES) - set(USUAL) == {"licenses", "legacy-users", "legacy-assets"}


def test_the_service_config():
    """Limits and addresses are taken as far as they are understood; those of another host are not used."""
    urls = {
        "getAssets": "https://vpp.itunes.apple.com/mdm/v3/assets",
        "getUsers": "https://vpp.itunes.apple.com:443/mdm/v3/users",
        "getAssignments": "https://example.com/mdm/v3/assignments",
        "clientConfig": "http://vpp.itunes.apple.com/mdm/v3/client/config",
        "invitationEmail": "https://vpp.itunes.apple.com/x?code=%25inviteCode%25",
        "novelty": 7,
    }
    codes = [{"errorNumber": 9646, "errorMessage": "Too many"}]
    body = {"limits": {"maxRequestPerSecond": 15, "odd": "x"}, "urls": urls, "errorCodes": codes}
    config = read_service_config(json.dumps(body | {"notificationTypes": ["ASSET_COUNT"]}).encode())
    assert config.requests_per_second == 15
    assert config.paths("https://vpp.itunes.apple.com") == {"getAssets": "/mdm/v3/assets", "getUsers": "/mdm/v3/users"}
    assert (config.notification_types, config.error_texts) == (("ASSET_COUNT",), {9646: "Too many"})
    assert read_service_config(b"{}").requests_per_second is None


def test_the_client_config():
    """Every documented member arrives, and the secret in it is never shown."""
    body = {
        "countryISO2ACode": "DE",
        "defaultPlatform": "enterprisestore",
        "locationName": "HQ",
        "mdmInfo": {"id": "m", "name": "M", "metadata": "x"},
        "notificationAuthToken": "very-secret",
        "notificationUrl": "https://example.com/hook",
        "subscribedNotificationTypes": ["ASSET_COUNT"],
        "tokenExpirationDate": "2030-11-08T22:33:22+0000",
        "uId": "77",
        "websiteURL": "https://school.example.com",
    }
    answer = Answer(status=200, body=json.dumps(body).encode(), packed=b"", retry_after=None, seconds=0.0)
    config = read_client_config(answer)
    assert (config.uid, config.name, config.owner, config.country) == ("77", "HQ", "m", "DE")
    assert (config.notification_url, config.notification_types) == ("https://example.com/hook", ("ASSET_COUNT",))
    assert config.notification_secret == "very-secret"
    assert "very-secret" not in repr(config)
