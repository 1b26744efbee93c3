"""Two hundred thousand records, and names that somebody chose to do harm, in a real browser."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from settings import read_settings
from storage.sealer import Sealer, make_key
from tasks.services import build
from tests.entrypoints.console.conftest import POLICY
from tests.support.browser import window
from tests.support.door import Door, serving
from tests.support.filled_store import FilledStore

COUNT = 200_000

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'--\u202e{{7*7}}"

_FILL = """
    INSERT INTO mirror_assignments (location_id, serial_number, client_user_id, adam_id, pricing_param, record)
    SELECT {location}, 'S' || lpad(n::text, 7, '0'), '', (n % 60)::text,
      CASE WHEN n % 4 = 0 THEN 'PLUS' ELSE 'STDQ' END,
      '{{"adamId":"' || n % 60 || '","serialNumber":"S' || lpad(n::text, 7, '0') || '"}}'
    FROM generate_series(1, {count}) n
"""


@pytest.fixture(scope="module")
def door(postgresql_url, template, redis_url, tmp_path_factory) -> Iterator[Door]:
    """A console over very many records, and names that do harm where they can."""
    from tests.support.servers import drop_database, make_database

    name = "records"
    with pytest.MonkeyPatch.context() as patch:
        for variable in [one for one in os.environ if one.startswith("PAGETURNER_")]:
            patch.delenv(variable)
        patch.setenv("PAGETURNER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PAGETURNER_REDIS_URL", redis_url)
        patch.setenv("PAGETURNER_DATABASE_URL", make_database(postgresql_url, name, template))
        patch.setenv("PAGETURNER_SECRET_KEYS", make_key())
        services = build(read_settings())
    fill(FilledStore(services.store.database, Sealer(services.settings.keys)))
    with serving(services, POLICY) as running:
        yield running
    services.store.database.close()
    drop_database(postgresql_url, name)


def fill(store: FilledStore) -> None:
    """Fill a store: one location with very many records, and another whose every name is hostile."""
    hq, bad = store.add("hq", "1"), store.add(HOSTILE, "2")
    with store.database.write(120.0) as connection:
        connection.exec_driver_sql(_FILL.format(location=hq.id, count=COUNT).replace("%", "%%"))
        counted = "UPDATE streams SET records = {count} WHERE resource = 'assignments' AND location_id = {location}"
        connection.exec_driver_sql(counted.format(location=hq.id, count=COUNT))
    users = [{"clientUserId": HOSTILE, "email": f"{HOSTILE}@example.com", "status": HOSTILE}]
    assets = [{"adamId": "1", "pricingParam": HOSTILE, "productType": HOSTILE, "totalCount": 1, "availableCount": 0}]
    held = [{"adamId": "1", "pricingParam": HOSTILE, "clientUserId": HOSTILE, "serialNumber": ""}]
    for resource, records in (("users", users), ("assets", assets), ("assignments", held)):
        store.publish(store.read(store.stream(bad, resource), records))
    store.locations.mark(bad.id, "revoked", HOSTILE, "TokenRevoked")
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE locations SET country = 'us', catalogue = 'enterprisestore'")
        connection.exec_driver_sql(
            "INSERT INTO listings (adam_id, country, catalogue, owner, name, publisher, icon_url, as_of, due_at) "
            "VALUES ('1', 'us', 'enterprisestore', '', %s, %s, 'https://a.mzstatic.com/x', now(), now())",
            (HOSTILE, HOSTILE),
        )


def test_records_are_filtered(browser, door):
    """A facet, then a text, then page after page: each shows what was asked for, and its address has it."""
    with window(browser, door.origin) as seen:
        seen.go("/records/assignments")
        expect(seen.page.get_by_text(f"{COUNT + 1:,} in all")).to_be_visible()
        seen.page.get_by_role("link", name="PLUS 50,000").click()
        expect(seen.page.get_by_role("link", name="S0000004")).to_be_visible()
        seen.page.get_by_label("Serial number, user, address or number").fill("s0012")
        with seen.page.expect_navigation():
            seen.page.get_by_role("button", name="Show").click()
        found = []
        for _ in range(3):
            found += seen.page.locator("tbody th + td + td + td + td").all_inner_texts()
            following = seen.page.get_by_role("link", name="Next page")
            if not following.count():
                break
            with seen.page.expect_navigation():
                following.click()
        assert "pricing_param=PLUS" in seen.page.url
        assert len(set(found)) == len(found) == 250
        assert set(found) == {f"S{number:07}" for number in range(12_000, 13_000) if number % 4 == 0}


def test_hostile_names_do_nothing(browser, door):
    """On no page do they run, load or break anything; they are shown as what they are."""
    paths = (
        "/",
        "/locations",
        "/locations/2",
        "/apps",
        "/apps/1",
        "/holders?q=script",
        "/changes",
        "/crawls",
        "/crawls/1",
    )
    with window(browser, door.origin) as seen:
        for path in (*paths, "/crawls/1", "/records/users", "/records/assets", "/records/assignments?q=script"):
            seen.go(path)
            assert "<script>alert(1)</script>" in seen.page.locator("main").inner_text(), path
            assert seen.complaints == [], path
            assert seen.faults() == [], path
        seen.go("/records/users")
        seen.page.get_by_role("row").get_by_role("link", name="alert(1)").nth(1).click()
        expect(seen.page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
