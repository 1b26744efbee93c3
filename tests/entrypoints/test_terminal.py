"""What is written for people and for programs."""

from entrypoints.terminal import as_json
from storage.mirror.feed import Change
from tests.support.examples import NOW


def test_the_name_of_a_location_in_json():
    """A record of a location has its name under `location`, as `docs/data.md` promises."""
    change = Change(
        seq=1,
        at=NOW,
        uid="1",
        name="hq",
        resource="assets",
        op="delete",
        before={"adamId": "1"},
        after=None,
        key={},
        crawl=1,
    )
    assert as_json(change)["location"] == "hq"
    assert "name" not in as_json(change)
