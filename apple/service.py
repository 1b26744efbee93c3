"""Apple's service config: the limits that it sets all its clients and the addresses that it wants to be asked at.

Both may change without notice, and are read again every few minutes.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from .answers import read_json
from .listings import LOOKUP_HOSTS, LOOKUP_URL

_PORTS = {"https": 443, "http": 80}

#: How the names of Apple's hosts end.
_APPLE = ".apple.com"


class _ErrorCode(msgspec.Struct, rename="camel"):
    error_number: int
    error_message: str = ""


class _ServiceConfig(msgspec.Struct, rename="camel"):
    # The keys of limits and addresses are Apple's to choose: only those that are known are looked at.
    limits: dict[str, Any] = msgspec.field(default_factory=dict)
    urls: dict[str, Any] = msgspec.field(default_factory=dict)
    notification_types: list[str] = msgspec.field(default_factory=list)
    error_codes: list[_ErrorCode] = msgspec.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """The limits and addresses that Apple gives all its clients."""

    limits: dict[str, int] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    notification_types: tuple[str, ...] = ()
    #: Apple's own words for its error numbers.
    error_texts: dict[int, str] = field(default_factory=dict)

    @property
    def requests_per_second(self) -> int | None:
        """Return the requests a second that are allowed to a location; None where Apple names no number."""
        rate = self.limits.get("maxRequestPerSecond", 0)
        return rate if rate > 0 else None

    def paths(self, origin: str) -> dict[str, str]:
        """Return the paths of the addresses that stay on the host that is asked: a token never goes to another."""
        home = urlsplit(origin)
        split = {name: _split(url) for name, url in self.urls.items()}
        return {name: url.path for name, url in split.items() if url is not None and _is_at(url, home)}


def read_service_config(body: bytes) -> ServiceConfig:
    """Read the answer to `service/config`."""
    config: _ServiceConfig = read_json(body, _ServiceConfig, "service/config")
    return ServiceConfig(
        limits={name: value for name, value in config.limits.items() if type(value) is int},
        urls={name: value for name, value in config.urls.items() if isinstance(value, str)},
        notification_types=tuple(config.notification_types),
        error_texts={code.error_number: code.error_message for code in config.error_codes},
    )


def read_legacy_addresses(body: bytes) -> dict[str, str]:
    """Read the answer to the legacy service's own config: the address of each of its calls, by the call's name.

    The names of the members are not documented, so they are ignored: a call's name is the end of its address.
    """
    config: dict[str, Any] = read_json(body, dict[str, Any], "VPPServiceConfigSrv")
    urls = [value for value in config.values() if isinstance(value, str)]
    return {split.path.rsplit("/", 1)[-1]: url for url in urls if (split := _split(url)) is not None and split.hostname}


def may_be_asked(url: str, origin: str) -> bool:
    """Return whether a token may go to an address: one of the configured host, or of another host of Apple's."""
    split, home = _split(url), urlsplit(origin)
    if split is None or not _is_plain(split):
        return False
    is_apples = split.scheme == "https" and split.port in {None, _PORTS["https"]} and _is_apples(split.hostname)
    return _is_at(split, home) or (is_apples and home.scheme == "https" and _is_apples(home.hostname))


def may_be_looked_up(url: str, origin: str) -> bool:
    """Return whether a token may go to an address to look up names: one of the configured host, or the known one."""
    split, home = _split(url), urlsplit(origin)
    if split is None or not _is_plain(split):
        return False
    is_known = split.scheme == "https" and split.port in {None, _PORTS["https"]} and split.hostname in LOOKUP_HOSTS
    return _is_at(split, home) or (is_known and _is_apples(home.hostname))


def origin_of(url: str) -> str:
    """Return the scheme and the host of an address, for a person: its query may name what is private."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def lookup_url(origin: str) -> str:
    """Return where names are looked up, unless the service config says otherwise: a simulator has its own service."""
    home = urlsplit(origin)
    return LOOKUP_URL if _is_apples(home.hostname) else f"{origin}{urlsplit(LOOKUP_URL).path}"


def _is_apples(host: str | None) -> bool:
    return host is not None and host.endswith(_APPLE)


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        split.port  # noqa: B018 - reading it is what may fail
    except ValueError:
        return None
    return split


def _is_at(url: SplitResult, home: SplitResult) -> bool:
    same = (url.scheme, url.hostname) == (home.scheme, home.hostname)
    ports = (one.port or _PORTS.get(one.scheme) for one in (url, home))
    return same and len(set(ports)) == 1 and _is_plain(url)


def _is_plain(url: SplitResult) -> bool:
    """Return whether an address is of a host and a path alone."""
    return not url.query and not url.username and not url.password and url.path.startswith("/")
