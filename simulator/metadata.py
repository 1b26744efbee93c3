"""Apple's metadata service: what the store says of apps and books, which other hosts answer than those of the licences.

What it says of an app is made from its number alone, so that every location sees the same. Some apps are custom, and
shown to their owners; some were withdrawn from sale, and are shown to those who have them; some are sold in one country
alone; and of some the store has only what is said where they run.
"""

import asyncio
import math
import re
import struct
import zlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .records import app_number
from .switches import Switches
from .traffic import LookupTraffic
from .world import World

LOOKUP = "/WebObjects/MZStorePlatform.woa/wa/lookup"

#: Where the service is after it has moved.
LOOKUP_MOVED = "/moved" + LOOKUP

#: The countries that have a store here, each with its language and how it writes a price; any other is silently
#: answered as the first.
_STORES = {"us": ("en-us", "${}"), "de": ("de-de", "{} €"), "jp": ("ja", "¥{}")}

#: Apps that every store has, besides those of the assets.
_ALWAYS = {"361309726": "Pages", "361304891": "Numbers"}

_FIRST = ("Bright", "Quiet", "Open", "Swift", "Little", "Grand", "Early", "Plain", "Clever", "Deep")
_SECOND = ("Notes", "Atlas", "Maths", "Reader", "Canvas", "Garden", "Planets", "Letters", "Metronome", "Workbench")
_NAMES = len(_FIRST) * len(_SECOND)
_MAKERS = ("Example Works", "Hilltop Learning", "Northwind Press", "Sample & Sons")
_FAMILIES = (["iphone", "ipad"], ["iphone", "ipad", "mac"], ["mac"], ["iphone", "ipad", "tvos"])

#: Of twenty apps, which are seen by the token of who has them alone, since they are custom or no longer sold; which is
#: sold in one country alone, which is in the catalogue of the Mac alone, and which nobody sees.
_OF_TWENTY = 20
_CUSTOM, _WITHDRAWN, _GERMAN, _MAC, _GONE = 7, 13, 17, 10, 19

_SLOW_SECONDS = 15.0

#: The sides of the icons of which there are finished ones, in pixels.
_SIDES = (64, 100, 216)

#: The side of the icons that are made here.
_SQUARE = 64


class Metadata:
    """The endpoint of the store."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(LOOKUP, self.lookup),
            Route(LOOKUP_MOVED, self.lookup),
            Route("/simulator/lookups", self.report, methods=["GET", "DELETE"]),
            Route("/images/{path:path}", self.icon),
        ]

    async def icon(self, request: Request) -> Response:
        """Return the icon of an app, as the store's servers of images do: a square of its own colour."""
        self._world.lookups.icons += 1
        number = next((int(part) for part in request.path_params["path"].split("/") if part.isdecimal()), None)
        if number is None or self._switches.metadata in {"away", "refuses"}:
            return Response(status_code=404)
        return Response(_square(number), media_type="image/png")

    async def report(self, request: Request) -> Response:
        """Return what the service was asked; DELETE starts the count again."""
        traffic = self._world.lookups
        if request.method == "DELETE":
            self._world.lookups = LookupTraffic(in_flight=traffic.in_flight)
        return JSONResponse(vars(traffic))

    async def lookup(self, request: Request) -> Response:
        """Answer what the store of a country says of some ids."""
        traffic = self._world.lookups
        traffic.requests += 1
        traffic.in_flight += 1
        traffic.most_in_flight = max(traffic.most_in_flight, traffic.in_flight)
        traffic.leaks += "authorization" in request.headers
        try:
            await asyncio.sleep(_SLOW_SECONDS if self._switches.metadata == "slow" else self._switches.latency)
            return self._answer(request)
        finally:
            traffic.in_flight -= 1

    @property
    def _switches(self) -> Switches:
        return self._world.switches

    def _answer(self, request: Request) -> Response:
        query, state = request.query_params, self._switches.metadata
        if query.get("p") != "mdm-lockup":
            return JSONResponse({"status": 7012 if "p" in query else 7011}, 400)
        failures = {
            "refuses": JSONResponse({}, 403),
            "away": JSONResponse({}, 503),
            "busy": JSONResponse({}, 429, {"Retry-After": "30"}),
            "html": Response("<html>Service unavailable</html>", media_type="text/html"),
        }
        if "caller" not in query or state in failures:
            return failures.get(state, failures["refuses"])
        country, ids = query.get("cc", "").lower(), query.get("id", "").split(",")
        self._world.lookups.asked.append((country, query.get("platform", ""), len(ids)))
        country = country if country in _STORES and state != "elsewhere" else "us"
        owned = self._owned(request)
        listings = {one: self._listing(one, country, query.get("platform", ""), is_owner=one in owned) for one in ids}
        found = {one: listing for one, listing in listings.items() if listing is not None and state != "empty"}
        meta = {"storefront": {"id": "1", "cc": country.upper()}, "language": {"tag": _STORES[country][0]}}
        return JSONResponse({"results": found, "version": 2, "isAuthenticated": False, "meta": meta})

    def _owned(self, request: Request) -> set[str]:
        """Return the ids of what the location has whose token came with the request."""
        cookie = re.search(r"itvt=([^;]+)", request.headers.get("cookie", ""))
        location = self._world.of_token(cookie[1]) if cookie is not None else None
        if location is None:
            return set()
        self._world.lookups.with_token += 1
        return location.organisation.adam_ids() if location.tokens[location.token] == "valid" else set()

    def _listing(self, adam_id: str, country: str, catalogue: str, *, is_owner: bool) -> dict[str, Any] | None:
        number = app_number(adam_id)
        if adam_id in _ALWAYS:
            return self._said(adam_id, _ALWAYS[adam_id], 0, country)
        if number is None:
            return None
        name = "Keynote" if number == 0 else f"{_FIRST[number % 10]} {_SECOND[number // 10 % 10]}"
        listing = self._said(adam_id, name if number < _NAMES else f"{name} {number}", number, country)
        kind = number % _OF_TWENTY
        is_seen = {
            _CUSTOM: is_owner,
            _WITHDRAWN: is_owner,
            _GERMAN: country == "de",
            _MAC: catalogue == "macappstore",
            _GONE: False,
        }.get(kind, True)
        return listing | {"isB2BCustomApp": kind == _CUSTOM} if is_seen else None

    def _said(self, adam_id: str, name: str, number: int, country: str) -> dict[str, Any]:
        price = _STORES[country][1].format("0.00" if number % 3 else f"{number % 10}.99")
        said: dict[str, Any] = {
            "id": adam_id,
            "name": name,
            "artistName": "Apple" if number == 0 else _MAKERS[number % len(_MAKERS)],
            "kind": "iosSoftware",
            "genreNames": ["Education"],
            "artwork": self._artwork(adam_id),
            "offers": [{"type": "get", "priceFormatted": price, "version": {"display": f"{number % 9}.1"}}],
            "url": f"https://apps.apple.com/{country}/app/id{adam_id}",
            "isVppDeviceBasedLicensingEnabled": True,
            "latestVersionReleaseDate": "Nov 20, 2026",
        }
        if number % 12 == 11:  # noqa: PLR2004 - one in twelve is a book
            return said | {"kind": "epubBook", "offers": [{"type": "buy", "priceFormatted": price}]}
        families = _FAMILIES[number % len(_FAMILIES)]
        kind = "desktopApp" if families == ["mac"] else "iosSoftware"
        bundle = f"com.example.app{number}" if number else "com.apple.Keynote"
        return said | {"kind": kind, "bundleId": bundle, "deviceFamilies": families, "minimumOSVersion": "17.0"}

    def _artwork(self, adam_id: str) -> Any:
        base = f"https://is1-ssl.mzstatic.com/image/thumb/{adam_id}"
        match self._switches.artwork:
            case "list":
                return [{"width": side, "height": side, "url": f"{base}/{side}x{side}bb.png"} for side in _SIDES]
            case "template":
                return {"width": 1024, "height": 1024, "url": base + "/{w}x{h}bb.{f}"}
            case _:
                return {"width": 1024, "height": 1024, "url": base + "/{w}x{h}{c}.{f}"}


def _square(number: int) -> bytes:
    """Return a picture of a square with a disc, in two shades of a colour of its own, as PNG."""
    colour = bytes(60 + number * factor % 120 for factor in (7, 13, 29))
    light, middle = bytes(min(255, part + 75) for part in colour), _SQUARE / 2
    rows = b"".join(
        b"\0" + b"".join(light if math.hypot(x - middle, y - middle) < middle * 0.6 else colour for x in range(_SQUARE))
        for y in range(_SQUARE)
    )
    head = struct.pack(">IIBBBBB", _SQUARE, _SQUARE, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    sums = (struct.pack(">I", zlib.crc32(name + body)) for name, body in parts)
    sized = (struct.pack(">I", len(body)) + name + body for name, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(part for both in zip(sized, sums, strict=True) for part in both)
