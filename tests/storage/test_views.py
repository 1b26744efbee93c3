"""Views: their names and columns are a contract, and their rows are what a person would count by hand."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import sqlalchemy as sa

from apple.client import ClientConfig
from apple.listings import Listing, Storefront
from storage.database import open_database
from storage.errors import ViewsInUse
from storage.listings import WantedListing
from storage.reports import Choice
from storage.views import VIEWS
from storage.views.installation import create_views, drop_views
from tests.support.filled_store import FilledStore, make_store

#: What has been promised: a column may only be added at the end.
PROMISED = {
    "licences": "location location_uid adam_id name publisher bundle_id kind pricing total assigned available retired "
    "used_percent device_assignable revocable platforms price as_of",
    "running_out": "location location_uid adam_id name pricing total assigned available assigned_7d assigned_30d "
    "days_left buy_for_90_days as_of",
    "idle": "location location_uid adam_id name pricing total available idle_30d idle_90d free_for_days transferable "
    "short_elsewhere as_of",
    "holders": "location location_uid adam_id name pricing holder_kind serial_number client_user_id email user_status "
    "as_of",
    "leavers": "location location_uid client_user_id email reason adam_id name pricing revocable as_of",
    "locations_health": "location location_uid organisation apple_name country state token_expires held_by last_full "
    "last_delta age_seconds lists unread failing held_deletes error as_of",
    "recent_changes": "seq at location location_uid resource op adam_id name pricing serial_number client_user_id "
    "before after crawl as_of",
    "across": "adam_id name pricing location location_uid country total assigned available locations total_everywhere "
    "assigned_everywhere available_everywhere spread as_of",
    "mismatches": "location location_uid adam_id name pricing total assigned available retired assignments unexplained "
    "unlisted as_of",
    "seats": "location location_uid adam_id name parent_adam_id status total assigned available expiring "
    "renews_or_ends as_of",
    "apps": "adam_id name publisher bundle_id kind platforms genre version minimum_os price url icon_url is_custom "
    "country found_country location_uid missing_since as_of",
}

HOME = Storefront(country="de", catalogue="enterprisestore")


@pytest.fixture
def store(database) -> FilledStore:
    """A store with two locations in Germany that have been read."""
    made = make_store(database)
    for name, uid in (("hq", "1"), ("lab", "2")):
        location = made.add(name, uid)
        config = ClientConfig(uid=uid, name=name.upper(), owner=None, token_expires=None, country="DE")
        made.locations.note_config(location.id, config)
        publish(made, name, "assets", [asset("100", 3, 1), asset("200", 5, 0)])
        publish(made, name, "assignments", [given("100", serialNumber="A"), given("100", clientUserId="u1")])
        publish(made, name, "users", [{"clientUserId": "u1", "email": "u1@example.com", "status": "Associated"}])
    return made


def publish(store, name, resource, records):
    """Publish a full crawl of one page."""
    store.publish(store.read(store.stream(store.locations.named(name), resource), records))


def asset(adam_id, available, assigned, **more):
    """Make an asset whose counts add up."""
    counts = {"assignedCount": assigned, "availableCount": available, "retiredCount": 0}
    total = {"totalCount": available + assigned, "productType": "App", "supportedPlatforms": ["iOS", "macOS"]}
    flags = {"deviceAssignable": True, "revocable": False}
    return {"adamId": adam_id, "pricingParam": "STDQ", **counts, **total, **flags, **more}


def given(adam_id, **holder):
    """Make an assignment."""
    return {"adamId": adam_id, "pricingParam": "STDQ", **holder}


def rows(store, view, *columns, **more):
    """Return rows of a view as tuples."""
    return list(store.reports.rows(VIEWS[view], Choice(columns=columns, **more)))


def name_it(store, adam_id, name, owner="", **more):
    """Store what the store says of an app."""
    now = datetime.now(UTC)
    store.listings.want_new()
    wanted = WantedListing(adam_id=adam_id, seen_from=HOME, owner=owner)
    if owner:
        store.listings.want_own(HOME, [adam_id], now)
    store.listings.note_found(wanted, Listing(adam_id=adam_id, name=name, **more), HOME, "de-de", now, now)


def test_columns_are_only_added(store):
    """Every view has the columns that were promised, in that order, and its table has what its text makes."""
    assert {name: list(view.columns)[: len(PROMISED[name].split())] for name, view in VIEWS.items()} == {
        name: columns.split() for name, columns in PROMISED.items()
    }
    with store.database.read() as connection:
        for name, view in VIEWS.items():
            found = connection.execute(sa.text(f"SELECT * FROM {name}"))
            assert list(found.keys()) == list(view.columns), name


def test_every_column_is_explained():
    """Each column says what it means, and what is shown first are columns of the view."""
    for view in VIEWS.values():
        assert all(view.columns.values())
        assert set(view.shown) <= set(view.columns)
        assert "as_of" in view.columns


def test_licences(store):
    """Counts, flags and platforms of each app in each place; the name of the store, or the number."""
    name_it(store, "100", "Keynote", price="0,00 €", publisher="Apple")
    found = rows(store, "licences", "location", "name", "publisher", "total", "used_percent", "revocable", "platforms")
    assert sorted(found) == [
        ("hq", "200", None, 5, 0.0, False, "iOS, macOS"),
        ("hq", "Keynote", "Apple", 4, 25.0, False, "iOS, macOS"),
        ("lab", "200", None, 5, 0.0, False, "iOS, macOS"),
        ("lab", "Keynote", "Apple", 4, 25.0, False, "iOS, macOS"),
    ]
    assert rows(store, "licences", "name", limit=1) == [("Keynote",)]
    [(seen,)] = rows(store, "licences", "as_of", limit=1)
    assert timedelta() <= datetime.now(UTC) - seen < timedelta(minutes=5)


def test_a_custom_app_is_named_for_its_owner_alone(store):
    """What one location alone sees names its rows, and no other's."""
    name_it(store, "200", "Our own app", owner="1", is_custom=True)
    named = rows(store, "licences", "location", "name", where=[("adam_id", "200")])
    assert sorted(named) == [("hq", "Our own app"), ("lab", "200")]
    own = rows(store, "apps", "adam_id", "is_custom", "location_uid", where=[("name", "Our own app")])
    assert own == [("200", True, "1")]


def test_what_the_store_leaves_out_stays(store):
    """A listing that comes back with less keeps what it had."""
    name_it(store, "100", "Keynote", publisher="Apple", version="14.1")
    name_it(store, "100", "Keynote!", version=None)
    assert rows(store, "apps", "name", "publisher", "version", where=[("adam_id", "100")]) == [
        ("Keynote!", "Apple", "14.1")
    ]


def test_holders_and_leavers(store):
    """Devices and users who hold an app; a user who is retired, or whom no list has, is a leaver."""
    retired = {"clientUserId": "u1", "email": "u1@example.com", "status": "Retired"}
    publish(store, "lab", "users", [retired])
    publish(store, "lab", "assignments", [given("100", clientUserId="u1"), given("200", clientUserId="nobody")])
    held = rows(store, "holders", "holder_kind", "serial_number", "client_user_id", "email", locations=["hq"])
    assert held == [("device", "A", None, None), ("user", None, "u1", "u1@example.com")] or held[::-1] == [
        ("device", "A", None, None),
        ("user", None, "u1", "u1@example.com"),
    ]
    assert rows(store, "leavers", "location", "client_user_id", "reason", "email", "adam_id", "revocable") == [
        ("lab", "nobody", "unknown", None, "200", False),
        ("lab", "u1", "retired", "u1@example.com", "100", False),
    ]


def test_a_list_that_is_not_watched_proves_nothing(store):
    """Whoever came after the users were last read is no leaver, and no count is compared with an old list."""
    store.locations.watch("hq", ["assets", "assignments"])
    publish(store, "hq", "assignments", [given("100", clientUserId="new")])
    assert "new" not in {row[0] for row in rows(store, "leavers", "client_user_id")}
    store.locations.watch("lab", ["assets"])
    assert {row[0] for row in rows(store, "mismatches", "location")} <= {"hq"}


def test_names_of_every_alphabet(store):
    """An app is found by its name in whatever alphabet, even where the database's own knows no small letters of it."""
    name_it(store, "100", "Übersetzer Ä")
    assert store.listings.called("Übersetzer Ä") == ["100"]
    assert len(rows(store, "licences", where=[("name", "Übersetzer Ä")])) == 2


def test_across(store):
    """The same app over all places, with sums, and how far apart they are."""
    publish(store, "lab", "assets", [asset("100", 9, 1)])
    found = rows(store, "across", "adam_id", "location", "available", "locations", "available_everywhere", "spread")
    assert found == [
        ("100", "hq", 3, 2, 12, 6),
        ("100", "lab", 9, 2, 12, 6),
        ("200", "hq", 5, 1, 5, 0),
    ]


def test_mismatches(store):
    """Counts that do not add up, and assignments that Apple counts and does not list."""
    publish(store, "lab", "assets", [asset("100", 3, 2), asset("200", 5, 0, totalCount=7)])
    assert rows(store, "mismatches", "location", "adam_id", "assigned", "assignments", "unexplained", "unlisted") == [
        ("hq", "100", 1, 2, 0, -1),
        ("lab", "200", 0, 0, 2, 0),
    ]


def test_seats(store):
    """Seats of both kinds are summed, and those that are not renewed are told."""
    counts = {kind: {"renewing": 3, "expiring": 1} for kind in ("total", "available")} | {"assigned": {}}
    publish(store, "hq", "subscriptions", [{"adamId": 900, "status": "ACTIVE", "counts": counts}])
    assert rows(store, "seats", "adam_id", "status", "total", "assigned", "available", "expiring") == [
        ("900", "ACTIVE", 4, 0, 4, 1)
    ]


def test_recent_changes(store):
    """The feed of thirty days, with the app's name and the holder; what is older is in the feed alone."""
    name_it(store, "100", "Keynote")
    publish(store, "hq", "assignments", [given("100", serialNumber="B")])
    newest = rows(store, "recent_changes", "op", "name", "serial_number", "client_user_id", limit=3)
    assert sorted(newest, key=str) == [
        ("delete", "Keynote", "A", None),
        ("delete", "Keynote", None, "u1"),
        ("insert", "Keynote", "B", None),
    ]
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE changes SET at = :at"), {"at": datetime(2020, 1, 1, tzinfo=UTC)})
    assert rows(store, "recent_changes") == []


def test_locations_health(store):
    """Each place with what it is called at Apple, and how many of its lists were never read."""
    found = rows(store, "locations_health", "location", "apple_name", "country", "state", "failing", "unread")
    [hq, lab] = found
    assert hq[:5] == ("hq", "HQ", "de", "valid", 0)
    assert lab[0] == "lab"
    [(lists, unread)] = rows(store, "locations_health", "lists", "unread", locations=["hq"])
    assert lists - unread == 3


def test_a_removed_location_is_not_counted(store):
    """What is no longer watched is in no view; it is kept all the same."""
    store.locations.remove("lab")
    assert {row[0] for row in rows(store, "licences", "location")} == {"hq"}
    assert {row[0] for row in rows(store, "holders", "location")} == {"hq"}


@pytest.mark.parametrize(
    ("where", "count"),
    [([("name", "KEYNOTE")], 2), ([("total", "5")], 2), ([("revocable", "yes")], 0), ([("publisher", "")], 4)],
)
def test_conditions(store, where, count):
    """A condition is written as a person would: in any case, as a number, yes or no, or empty for nothing."""
    name_it(store, "100", "Keynote")
    assert len(rows(store, "licences", where=where)) == count


def test_views_of_others(copied_database):
    """A view that somebody made upon ours is named by the error, and nothing is changed."""
    database = open_database(copied_database)
    with psycopg.connect(copied_database, autocommit=True) as connection:
        connection.execute("CREATE VIEW mine AS SELECT name FROM licences")
    with pytest.raises(ViewsInUse, match="view mine depends on view licences"), database.write() as connection:
        drop_views(connection)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT * FROM mine")).all() == []
    database.close()


def test_who_may_read_may_still_read_after_a_migration(copied_database):
    """A role that was granted the views, and no table, reads them after they were made anew, and nothing else."""
    database = open_database(copied_database)
    admin = copied_database
    role = f"reader_{database.engine.url.database}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT ON licences, apps TO {role}")
    with database.write() as connection:
        create_views(connection, drop_views(connection))
    database.close()
    with psycopg.connect(admin.replace("postgres@", f"{role}@"), autocommit=True) as reader:
        assert reader.execute("SELECT count(*) FROM licences").fetchone() == (0,)
        for table in ("locations", "holders"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT * FROM {table}")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")
