"""Listings: what Apple's metadata service says of an app or a book: its name, who made it, and where it runs.

The service is another than that of the licences: it needs no token, and shows custom apps only to their owner's. All
that it says is optional, and foreign text. It answers for one country's store at a time; a country without a store, or
one that it does not know, is silently answered as the United States, and what it does not have is silently left out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .answers import read_json
from .errors import BadAnswer
from .texts import clean

#: Where the service answers, unless the service config says otherwise.
LOOKUP_URL = "https://uclient-api.itunes.apple.com/WebObjects/MZStorePlatform.woa/wa/lookup"
LOOKUP_URL_NAME = "contentMetadataLookup"

#: The hosts that may see a content token besides the service of the licences itself.
LOOKUP_HOSTS = frozenset({"uclient-api.itunes.apple.com"})

#: The catalogue of companies: what a token is for if Apple does not say.
USUAL_CATALOGUE = "enterprisestore"

#: What all lookups say of themselves. Without `caller` the service refuses, and without `p` it has no answer.
_ALWAYS = {"version": "2", "p": "mdm-lockup", "caller": "MDM"}

#: The side of an icon, in pixels.
_ICON = 128

#: Where icons may come from.
_ICON_HOSTS = ".mzstatic.com"

#: The longest text that is kept.
_TEXT_LIMIT = 500


@dataclass(frozen=True, kw_only=True)
class Storefront:
    """Where a listing is looked up: the store of a country, and which of its catalogues."""

    #: Two letters, small ones.
    country: str
    catalogue: str

    def __str__(self) -> str:
        """Name it for a person."""
        return f"{self.country.upper()}, {self.catalogue}"


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """A question about some apps and books."""

    storefront: Storefront
    language: str
    adam_ids: Sequence[str]

    def query(self) -> dict[str, str]:
        """Return the query of a GET that asks this; one id that is no number may spoil the answer about all."""
        ids = [one for one in self.adam_ids if one.isascii() and one.isdecimal()]
        own = {
            "id": ",".join(ids),
            "platform": self.storefront.catalogue,
            "cc": self.storefront.country,
            "l": self.language,
        }
        return _ALWAYS | own

    def __str__(self) -> str:
        """Name the lookup for a person."""
        return f"{len(self.adam_ids)} names ({self.storefront})"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What the store says of one app or book; a text that it leaves out is None."""

    adam_id: str
    name: str
    publisher: str | None = None
    bundle_id: str | None = None
    #: Apple's own word: iosSoftware, desktopApp, epubBook, …
    kind: str | None = None
    platforms: tuple[str, ...] = ()
    genre: str | None = None
    version: str | None = None
    minimum_os: str | None = None
    #: With its currency's sign, as the store writes it.
    price: str | None = None
    url: str | None = None
    icon_url: str | None = None
    #: Whether it was made for one organisation: nobody else may see it.
    is_custom: bool = False


@dataclass(frozen=True, kw_only=True)
class LookupAnswer:
    """The answer to a lookup."""

    #: The store and the language that answered.
    country: str
    language: str
    found: Mapping[str, Listing]


def read_listings(lookup: Lookup, body: bytes) -> LookupAnswer:
    """Read the answer to a lookup; raise BadAnswer if it is not one. It may be of another country's store."""
    answer: dict[str, Any] = read_json(body, dict[str, Any], str(lookup))
    results, meta = answer.get("results"), _member(answer, "meta")
    country = _text(_member(meta, "storefront").get("cc"))
    if not isinstance(results, dict) or country is None:
        raise BadAnswer(f"({lookup}: it names no results, or no store)")
    asked = set(lookup.adam_ids)
    found = {one.adam_id: one for name, value in results.items() if (one := _listing(name, value, asked)) is not None}
    language = _text(_member(meta, "language").get("tag")) or lookup.language
    return LookupAnswer(country=country.lower(), language=language, found=found)


def _listing(name: str, value: Any, asked: Collection[str]) -> Listing | None:
    if not isinstance(value, dict) or name not in asked:
        return None
    title = _text(value.get("name")) or _text(value.get("nameRaw"))
    if title is None:
        return None
    offer = _first(value.get("offers"))
    software = _member(value, "softwareInfo")
    genres = [text for one in _list(value.get("genreNames")) if (text := _text(one)) is not None]
    families = [text for one in _list(value.get("deviceFamilies")) if (text := _text(one)) is not None]
    return Listing(
        adam_id=name,
        name=title,
        publisher=_text(value.get("artistName")) or _text(software.get("seller")),
        bundle_id=_text(value.get("bundleId")),
        kind=_text(value.get("kind")),
        platforms=tuple(families),
        genre=genres[0] if genres else None,
        version=_text(_member(offer, "version").get("display")),
        minimum_os=_text(value.get("minimumOSVersion")),
        price=_text(offer.get("priceFormatted")),
        url=_https(_text(value.get("url"))),
        icon_url=_icon(value.get("artwork")) or _icon(value.get("iconArtwork")),
        is_custom=value.get("isB2BCustomApp") is True,
    )


def _text(value: Any) -> str | None:
    """Return a foreign text on one line; None for anything else, and for one that is blank."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return clean(" ".join(str(value).split()))[:_TEXT_LIMIT] or None


def _member(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> dict[str, Any]:
    return next((one for one in _list(value) if isinstance(one, dict)), {})


def _https(url: str | None) -> str | None:
    return url if url is not None and url.startswith("https://") else None


def _icon(artwork: Any) -> str | None:
    """Return the address of an icon: the store gives finished ones, and templates. A strange one is left out."""
    given = max(_list(artwork), key=_width, default=None) if isinstance(artwork, list) else artwork
    url = _text(given.get("url")) if isinstance(given, dict) else None
    if url is None:
        return None
    for mark, value in (("{w}", str(_ICON)), ("{h}", str(_ICON)), ("{c}", "bb"), ("{f}", "png")):
        url = url.replace(mark, value)
    if url.startswith("http://"):
        url = f"https://{url.removeprefix('http://')}"
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    is_ours = url.startswith("https://") and host.endswith(_ICON_HOSTS) and "{" not in url
    return url if is_ours else None


def _width(artwork: Any) -> int:
    """Return how well an icon's size fits: the largest that is not larger than ours comes first."""
    width = artwork.get("width") if isinstance(artwork, dict) else None
    return width if isinstance(width, int) and width <= _ICON else -1
