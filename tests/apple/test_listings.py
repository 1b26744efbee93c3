"""Listings: what is read from an answer of the metadata service, and what is never sent to anybody else."""

import json

import pytest

from apple.client import Client
from apple.errors import BadAnswer
from apple.listings import LOOKUP_URL, Lookup, Storefront, read_listings
from apple.service import may_be_looked_up
from apple.tokens import Token, parse_date

HOME = Storefront(country="us", catalogue="enterprisestore")
TOKEN = Token(text="c2VjcmV0", expires=parse_date("2030-01-01T00:00:00Z"), organisation="")


def read(results, country="US", ids=("1", "2")):
    """Read an answer with these results."""
    meta = {"storefront": {"cc": country}, "language": {"tag": "en-us"}}
    lookup = Lookup(storefront=HOME, language="en", adam_ids=ids)
    return read_listings(lookup, json.dumps({"results": results, "meta": meta}).encode())


def icon(artwork):
    """Return the address of an icon that an answer gives so."""
    return read({"1": {"name": "x", "artwork": artwork}}).found["1"].icon_url


def test_a_whole_listing():
    """Every field that is kept is read, on one line and trimmed."""
    said = {
        "id": 1,
        "name": " Key\nnote ",
        "artistName": "Apple",
        "bundleId": "com.apple.Keynote",
        "kind": "iosSoftware",
        "deviceFamilies": ["iphone", None, "mac"],
        "genreNames": ["Productivity", "Business"],
        "minimumOSVersion": "17.0",
        "offers": [{"priceFormatted": "$9.99", "version": {"display": " 14.1"}}],
        "url": "https://apps.apple.com/us/app/id1",
        "isB2BCustomApp": True,
        "surprise": {"a": 1},
    }
    listing = read({"1": said}).found["1"]
    assert listing.name == "Key note"
    assert (listing.publisher, listing.bundle_id, listing.kind) == ("Apple", "com.apple.Keynote", "iosSoftware")
    assert (listing.platforms, listing.genre) == (("iphone", "mac"), "Productivity")
    assert (listing.version, listing.minimum_os, listing.price) == ("14.1", "17.0", "$9.99")
    assert (listing.url, listing.is_custom) == ("https://apps.apple.com/us/app/id1", True)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "x"},
        {"name": "x", "offers": [], "deviceFamilies": None, "genreNames": "no list", "artwork": None},
        {"name": "x", "offers": ["no object", {"version": None}], "softwareInfo": 7, "bundleId": {"a": 1}},
        {"name": 5, "kind": True, "url": "javascript:alert(1)", "artistName": "   "},
    ],
)
def test_everything_is_optional(said):
    """A listing with hardly anything in it, or with members of another shape, is a listing all the same."""
    listing = read({"1": said}).found["1"]
    assert (listing.publisher, listing.bundle_id, listing.version, listing.url) == (None, None, None, None)


def test_what_was_not_asked_for_is_not_read():
    """Only ids that were asked for count, and a listing without a name is none."""
    assert read({"1": {"name": ""}, "2": None, "3": {"name": "other"}}).found == {}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"results": {}}', b'{"results": [], "meta": 1}', b"\xff"])
def test_an_answer_of_another_shape(body):
    """What is no answer of the service is an error, and never an answer without results."""
    with pytest.raises(BadAnswer):
        read_listings(Lookup(storefront=HOME, language="en", adam_ids=["1"]), body)


def test_the_answer_of_another_store():
    """An answer says which country's store it is of, whichever was asked."""
    assert read({"1": {"name": "x"}}, country="DE").country == "de"


def test_icons_of_every_shape():
    """Templates are filled, finished addresses are taken as they are, and http is upgraded."""
    host = "https://is1-ssl.mzstatic.com/a"
    assert icon({"url": host + "/{w}x{h}bb.{f}"}) == f"{host}/128x128bb.png"
    assert icon({"url": host + "/{w}x{h}{c}.{f}"}) == f"{host}/128x128bb.png"
    sizes = [{"width": width, "url": f"{host}/{width}.png"} for width in (64, 100, 216)]
    assert icon(sizes) == f"{host}/100.png"
    assert icon({"url": "http://is1.mzstatic.com/a.png"}) == "https://is1.mzstatic.com/a.png"


@pytest.mark.parametrize(
    "url",
    ["https://evil.example.com/{w}.png", "https://mzstatic.com.evil.example/x", "https://a.mzstatic.com/{0}", "//x", 5],
)
def test_strange_icons_are_left_out(url):
    """An address that is not Apple's, or that is still a template, is none."""
    assert icon({"url": url}) is None


def test_a_lookup_asks_for_numbers_alone():
    """An id that is no number would spoil the answer about all: it is not sent."""
    query = Lookup(storefront=HOME, language="de", adam_ids=["1", "x2", "3&q=4", "٣", "5"]).query()
    assert query["id"] == "1,5"
    assert (query["cc"], query["l"], query["platform"]) == ("us", "de", "enterprisestore")


@pytest.mark.parametrize(
    ("url", "origin", "is_so"),
    [
        (LOOKUP_URL, "https://vpp.itunes.apple.com", True),
        ("https://other.apple.com/lookup", "https://vpp.itunes.apple.com", False),
        ("http://uclient-api.itunes.apple.com/lookup", "https://vpp.itunes.apple.com", False),
        ("https://uclient-api.itunes.apple.com:8443/lookup", "https://vpp.itunes.apple.com", False),
        ("https://uclient-api.itunes.apple.com.evil.example/lookup", "https://vpp.itunes.apple.com", False),
        (LOOKUP_URL, "http://127.0.0.1:8000", False),
        ("http://127.0.0.1:8000/lookup", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:9000/lookup", "http://127.0.0.1:8000", False),
        ("", "https://vpp.itunes.apple.com", False),
    ],
)
def test_where_a_token_may_go(url, origin, is_so):
    """The token goes to the host that is configured, and from Apple's own service to the one known other."""
    assert may_be_looked_up(url, origin) is is_so


def test_the_token_is_in_the_cookie_alone():
    """A lookup with a token has it in its cookie and not in its address; without one it has no secret at all."""
    requests = []

    class Capturing(Client):
        def _ask(self, template, request, seconds):
            del template, seconds
            requests.append(request)
            raise BadAnswer

    lookup = Lookup(storefront=HOME, language="en", adam_ids=["1"])
    client = Capturing("https://vpp.itunes.apple.com")
    for token in (TOKEN, None):
        with pytest.raises(BadAnswer):
            client.prepare_lookup(lookup, token)()
    with_token, without = requests
    assert with_token.headers["Cookie"] == "itvt=c2VjcmV0"
    assert "Authorization" not in with_token.headers
    assert with_token.url.startswith(LOOKUP_URL)
    assert TOKEN.text not in with_token.url
    assert "Cookie" not in without.headers
