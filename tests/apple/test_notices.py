"""Apple's notices: what one says, and where it says to look."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apple.notices import TEST, TYPES, WANTED, MalformedNotice, is_test, read_notice, wanted_by
from apple.resources import RESOURCES, USUAL

NOTICE = {"notification": {"adamId": "1"}, "notificationId": "n1", "notificationType": "ASSET_COUNT", "uId": "7"}


def body(**more) -> bytes:
    """Write a notice, with something else in it or left out."""
    return json.dumps({name: value for name, value in (NOTICE | more).items() if value is not None}).encode()


def test_a_notice_is_read():
    """Its names are taken out, and what it says is kept as it came."""
    notice = read_notice(body())
    assert (notice.uid, notice.id, notice.type) == ("7", "n1", "ASSET_COUNT")
    assert json.loads(notice.body) == {"adamId": "1"}
    assert "adamId" not in repr(notice)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        body(notificationId=None),
        body(notificationId=""),
        body(notificationId=7),
        body(notificationId="a" * 256),
        body(notificationId="a\u0000b"),
        body(notificationType="\u001b[31m"),
        body(uId=None),
        body(uId="\ud800"),
    ],
    ids=range(12),
)
def test_what_is_no_notice(raw):
    """What is no notification, or names nothing that can be kept, is told in words."""
    with pytest.raises(MalformedNotice, match="it"):
        read_notice(raw)


@given(
    st.binary() | st.recursive(st.none() | st.text(), lambda more: st.lists(more) | st.dictionaries(st.text(), more))
)
def test_anything_is_a_notice_or_malformed(said):
    """Whatever comes, it is read or refused."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    with pytest.raises(MalformedNotice):
        read_notice(raw)


def test_every_type_has_its_streams():
    """The table names resources that there are; an unknown type wants all that is usual."""
    assert all(set(wanted) <= set(RESOURCES) for wanted in WANTED.values())
    assert wanted_by(TEST) == ()
    assert wanted_by("ASSET_MANAGEMENT") == ("assets", "assignments", "licenses")
    assert wanted_by("SOMETHING_NEW") == USUAL
    assert set(TYPES) == set(WANTED) - {TEST}


def test_a_test_may_say_less():
    """Of a test it is known that it is one, whatever else it says."""
    assert is_test(b'{"notificationType": "TEST_NOTIFICATION"}')
    assert not is_test(body())
    assert not is_test(b"{")
