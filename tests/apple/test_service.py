"""Apple's service config: what is taken from it, and where a token may never go."""

import json

import pytest

from apple.errors import BadAnswer
from apple.service import ServiceConfig, read_legacy_addresses, read_service_config

ORIGIN = "https://vpp.itunes.apple.com"


def read(**members) -> ServiceConfig:
    """Read a service config."""
    return read_service_config(json.dumps(members).encode())


def test_what_is_known_is_taken():
    """Limits, addresses, types of notices and Apple's own words are taken; anything else is no matter."""
    config = read(
        limits={"maxRequestPerSecond": 15, "maxAssets": 25, "note": "text", "half": 0.5, "is": True},
        urls={"getAssets": f"{ORIGIN}/mdm/v2/assets", "odd": 7},
        notificationTypes=["ASSET_COUNT"],
        errorCodes=[{"errorNumber": 9622, "errorMessage": "Invalid"}, {"errorNumber": 1}],
        novelty={"a": 1},
    )
    assert config.limits == {"maxRequestPerSecond": 15, "maxAssets": 25}
    assert config.urls == {"getAssets": f"{ORIGIN}/mdm/v2/assets"}
    assert config.notification_types == ("ASSET_COUNT",)
    assert config.error_texts == {9622: "Invalid", 1: ""}
    assert config.requests_per_second == 15


@pytest.mark.parametrize("rate", [0, -1, None, "15"])
def test_no_rate(rate):
    """A rate that is no positive number is none."""
    assert read(limits={"maxRequestPerSecond": rate}).requests_per_second is None


@pytest.mark.parametrize("body", [b"", b"[]", b"no JSON", b'{"limits": 7}', b'{"notificationTypes": [1]}'])
def test_another_shape_is_refused(body):
    """A config that is none is refused, and names what was read."""
    with pytest.raises(BadAnswer, match="service/config"):
        read_service_config(body)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{ORIGIN}/mdm/v3/assets", "/mdm/v3/assets"),
        ("https://vpp.itunes.apple.com:443/x", "/x"),
        ("https://evil.example.com/mdm/v2/assets", None),
        ("https://vpp.itunes.apple.com.evil.example.com/x", None),
        ("http://vpp.itunes.apple.com/x", None),
        ("https://vpp.itunes.apple.com:8443/x", None),
        (f"{ORIGIN}/x?y=1", None),
        ("https://user@vpp.itunes.apple.com/x", None),
        ("https://vpp.itunes.apple.com", None),
        ("https://[", None),
        ("https://vpp.itunes.apple.com:port/x", None),
        ("", None),
    ],
)
def test_a_token_stays_on_its_host(url, path):
    """An address is used if it is of the host that is asked, by the same scheme and port, and a path alone."""
    found = read(urls={"getAssets": url}).paths(ORIGIN)
    assert found == ({} if path is None else {"getAssets": path})


def test_the_calls_of_the_legacy_service():
    """Addresses of the legacy service are found by the end of their path, whatever their members are called."""
    body = json.dumps(
        {"status": 0, "a": f"{ORIGIN}/mdm/new/getVPPUsersSrv", "b": 7, "c": "no address", "d": "https://["}
    )
    assert read_legacy_addresses(body.encode()) == {"getVPPUsersSrv": f"{ORIGIN}/mdm/new/getVPPUsersSrv"}
