"""What Apple says, as bytes: tokens, pages, errors and waits."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from apple.answers import Answer, pack, parse_retry_after, unpack
from apple.errors import NUMBERS, BadAnswer, ServerError, SlowDown, TokenRevoked, TokenWrong, Unkeepable, error_of
from apple.pages import read_page
from apple.questions import Question
from apple.resources import RESOURCES
from apple.texts import clean, masked
from apple.tokens import MalformedToken, parse_date, parse_token

ASSIGNMENTS = RESOURCES["assignments"]

#: The sample of Apple's own page, shortened.
PAGE: dict[str, Any] = {
    "assignments": [
        {"adamId": "377298193", "serialNumber": "b6817f44", "pricingParam": "STDQ"},
        {"adamId": "377298193", "clientUserId": "4b3f6bef", "pricingParam": "STDQ"},
    ],
    "currentPageIndex": 0,
    "nextPageIndex": 1,
    "size": 549,
    "tokenExpirationDate": "2030-11-08T22:33:22+0000",
    "totalPages": 353,
    "uId": "2049025000431439",
    "versionId": "658a45d0-5a7b-11eb-b9e4-d782eaed4cfb",
}


def token(**inner) -> bytes:
    """Encode a token."""
    values = {"token": "secret", "expDate": "2030-11-08T22:33:22+0000", "orgName": "Köln"} | inner
    return base64.b64encode(json.dumps(values).encode())


def read(**more):
    """Read Apple's sample with some members in another way."""
    return read_page(Question(resource=ASSIGNMENTS, index=0), json.dumps(PAGE | more).encode())


def test_a_token():
    """A token is kept to the letter, and never shown."""
    parsed = parse_token(token() + b"\n")
    assert parsed.text == token().decode()
    assert parsed.expires == datetime(2030, 11, 8, 22, 33, 22, tzinfo=UTC)
    assert parsed.organisation == "Köln"
    assert parsed.text not in repr(parsed)


@pytest.mark.parametrize(
    "raw", [b"", b"A" * 70_000, b"two words", token()[:-3], b"aGVsbG8=", token(token=""), token(expDate="x")]
)
def test_no_token(raw):
    """What is no token says why, and does not quote what it was given."""
    with pytest.raises(MalformedToken) as caught:
        parse_token(raw)
    assert raw.decode() not in str(caught.value) or not raw


@pytest.mark.parametrize("text", ["2030-11-08T22:33:22+0000", "2030-11-08T15:33:22-0700", "2030-11-08T22:33:22Z"])
def test_apples_dates(text):
    """Apple's offset without a colon is read, and so are its neighbours."""
    assert parse_date(text) == datetime(2030, 11, 8, 22, 33, 22, tzinfo=UTC)


def test_apples_sample():
    """Every member of Apple's own sample arrives."""
    page = read()
    assert (page.index, page.next_index, page.total, page.size) == (0, 1, 353, 549)
    assert (page.version, page.uid) == ("658a45d0-5a7b-11eb-b9e4-d782eaed4cfb", "2049025000431439")
    assert [one.serial_number for one in page.records.known] == ["b6817f44", None]


def test_nothing_but_records():
    """Every member may be missing, and nulls are missing."""
    page = read_page(
        Question(resource=ASSIGNMENTS, index=3), b'{"assignments": [], "mdmInfo": null, "totalPages": null}'
    )
    assert (page.total, page.version, page.owner, len(page.records)) == (None, None, None, 0)


def test_no_list_is_not_an_empty_list():
    """A page without its list has no records to be counted."""
    assert read_page(Question(resource=ASSIGNMENTS, index=0), b"{}").records is None
    assert read(assignments=None).records is None


def test_an_unknown_field_is_kept():
    """What Apple adds to a record comes along, beside the fields that are known."""
    page = read(assignments=[{"adamId": "1", "pricingParam": "STDQ", "serialNumber": "S", "shade": [1]}])
    assert page.records.unknown == {0: {"shade": [1]}}
    assert page.records.known[0].serial_number == "S"


def test_an_unknown_member_is_no_matter():
    """What Apple adds to the page itself does not keep it from being read."""
    assert read(novelty={"a": 1}).total == 353


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"assignments": [{"adamId": 7, "pricingParam": "STDQ"}]}, r"\$\.adamId.*record 0"),
        ({"assignments": [{"adamId": "7"}]}, "pricingParam"),
        ({"assignments": {"a": 1}}, r"\$\.assignments"),
        ({"totalPages": "many"}, r"\$\.totalPages"),
        ({"totalPages": -1}, "out of all bounds"),
        ({"totalPages": 10**11}, "out of all bounds"),
        ({"versionId": "a\x00b"}, r"U\+0000"),
        ({"versionId": "a\\\x00b"}, r"U\+0000"),
        ({"new": [0] * 100_000}, "more than 100,000 values"),
        ({"currentPageIndex": 5}, "page 5 came instead"),
    ],
)
def test_another_shape(more, words):
    """A wrong type names the field, the resource and the page."""
    with pytest.raises(BadAnswer, match=f"assignments page 0.*{words}"):
        read(**more)


def test_a_text_that_only_looks_like_a_nul():
    """A backslash and the text u0000 behind it are characters like any other."""
    assert read(versionId="a\\u0000b").version == "a\\u0000b"


def test_a_key_that_no_index_holds():
    """A record whose key cannot be kept is named, and is no answer that asking again would mend."""
    long = {"adamId": "1", "pricingParam": "STDQ", "clientUserId": "u" * 4000}
    with pytest.raises(Unkeepable, match=r"record 1: its clientUserId, 'uuuuuuuuuuuuuuuuuuuu…', has 4,000 characters"):
        read(assignments=[*PAGE["assignments"][:1], long])


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"assignments": [', b'{"assignments":[{"new":1}', b"\xff\xfe"])
def test_no_json(body):
    """What is not JSON, or breaks off, is told as such."""
    with pytest.raises(BadAnswer, match="not JSON"):
        read_page(Question(resource=ASSIGNMENTS, index=0), body)


def answer(status=200, body=b"{}", retry_after=None) -> Answer:
    """Make an answer."""
    return Answer(status=status, body=body, packed=b"", retry_after=retry_after, seconds=0.0)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(), None),
        (answer(body=b'{"errorNumber": 0}'), None),
        (answer(body=b'{"errorNumber": 9622, "errorMessage": "x"}'), TokenWrong),
        (answer(body=b'{"errorNumber": "9646"}'), SlowDown),
        (answer(401, b'{"errorNumber": 9625}'), TokenRevoked),
        (answer(500, b""), ServerError),
        (answer(429, b"<html>"), SlowDown),
        (answer(307, b""), BadAnswer),
    ],
)
def test_what_an_answer_stands_for(given, kind):
    """The number is looked at before the status, and a body that says nothing leaves the status."""
    problem = given.problem()
    assert problem is None if kind is None else type(problem) is kind


def test_every_number_has_words():
    """No message shows a bare number of those that Apple documents."""
    for number, meaning in NUMBERS.items():
        assert meaning.words in str(error_of(400, number))


def test_nothing_like_a_token_is_quoted():
    """A text of Apple's that echoes a token is masked."""
    text = token().decode() * 3
    assert text[:60] not in str(error_of(400, 1234, f"Bad token {text}"))
    assert masked("a b\nc") == "a b c"


def test_nothing_that_a_terminal_obeys():
    """Escapes, control characters of both kinds, and marks that reverse a line are shown as a dot."""
    assert clean("a\x1b[2Jb\x9bc\u202ed\x07e") == "a·[2Jb·c·d·e"
    assert "\x1b" not in str(error_of(400, 1234, "Bad \x1b]0;title\x07"))
    assert clean("Köln 学校") == "Köln 学校"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120),
        ("0", 0),
        ("-5", 0),
        ("7200", 7200),
        ("99999999", 604_800),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0),
        ("Mon, 01 Jan 1900 00:00:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after(text, seconds):
    """Seconds and dates, in the past and absurdly far: never below now, hours as they are named, never above a week."""
    assert parse_retry_after(text, "Thu, 01 Jan 1970 00:00:00 GMT") == seconds


@pytest.mark.parametrize("sent", [None, "", "yesterday"])
def test_a_date_without_a_date(sent):
    """A date in an answer that does not say when it was sent is reckoned by the clock of this host."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    seconds = parse_retry_after(until, sent)
    assert seconds is not None
    assert 97 < seconds <= 100


def test_packed_and_unpacked():
    """A body comes out as it went in."""
    assert unpack(pack(b"x" * 1000), 1000) == b"x" * 1000


REFUSED = {
    "too large": gzip.compress(b"x" * 10_001),
    "no gzip": b"no gzip",
    "broken off": gzip.compress(b"y" * 5000)[:-9],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_body_that_is_refused(kind):
    """A body that grows too large, is damaged or breaks off is refused."""
    with pytest.raises(BadAnswer):
        unpack(REFUSED[kind], 10_000)
