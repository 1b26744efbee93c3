"""The client: asks Apple one thing and brings the whole answer within a deadline. It never retries and never stores."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

import msgspec
import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from requests.utils import check_header_validity
from urllib3.exceptions import HTTPError

from .answers import Answer, pack, parse_retry_after, read_json, unpack
from .deadline import Deadlines, TimedCall
from .errors import BadAnswer, Overdue, Unreachable
from .listings import LOOKUP_URL_NAME, Lookup
from .questions import Question
from .resources import CLIENT_CONFIG_PATH, CLIENT_CONFIG_URL_NAME, LEGACY_CONFIG_PATH, RESOURCES, SERVICE_CONFIG_PATH
from .service import (
    ServiceConfig,
    lookup_url,
    may_be_asked,
    may_be_looked_up,
    origin_of,
    read_legacy_addresses,
    read_service_config,
)
from .tokens import MalformedToken, Token, parse_date
from .transport import Sessions, SessionSource, announcing

#: From the first packet to the last byte of the body. Apple took over ten seconds to a first byte.
DEADLINE_SECONDS = 60.0

#: A name is not worth a longer wait.
LOOKUP_SECONDS = 10.0

#: How long making a connection may take.
CONNECT_SECONDS = 10.0

#: Several hundred records are some tens of kilobytes; nothing that Apple documents comes near this.
BODY_LIMIT_BYTES = 4_000_000

_CHUNK_BYTES = 65_536

_NOTHING: Mapping[str, str] = MappingProxyType({})


class _NoNetrc(AuthBase):
    """Takes the place of what `~/.netrc` may have for a host: the token is added to each request."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


@dataclass(frozen=True, kw_only=True)
class _Template:
    """What all requests of one method to one address have in common, and how they are sent."""

    request: requests.PreparedRequest
    adapter: BaseAdapter
    #: The proxies and certificates that the environment names.
    settings: Mapping[str, Any]

    def fill(self, secrets: Mapping[str, str], query: Mapping[str, str], content: Any) -> requests.PreparedRequest:
        """Return a request of its own; the headers with a secret are no part of the template."""
        request = requests.PreparedRequest()
        request.method, request.url, request.hooks = self.request.method, self.request.url, self.request.hooks
        request.headers = self.request.headers.copy()
        if query:
            request.url = f"{request.url}?{urlencode(query)}"
        request.prepare_body(None, None, json=content)
        for header in secrets.items():
            check_header_validity(header)
        request.headers.update(secrets)
        return request


class _ClientConfig(msgspec.Struct, kw_only=True, rename="camel"):
    u_id: str
    country_iso2_a_code: str | None = msgspec.field(default=None, name="countryISO2ACode")
    default_platform: str | None = None
    location_name: str | None = None
    mdm_info: dict[str, Any] | None = None
    notification_auth_token: str | None = None
    notification_url: str | None = None
    subscribed_notification_types: list[str] | None = None
    token_expiration_date: str | None = None
    website_url: str | None = msgspec.field(default=None, name="websiteURL")


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """What Apple says about a token: its location, and which service manages that."""

    uid: str
    name: str
    #: The id of the service that manages it, and what that calls itself.
    owner: str | None
    token_expires: datetime | None
    owner_name: str | None = None
    country: str | None = None
    platform: str | None = None
    website: str | None = None
    notification_url: str | None = None
    notification_types: tuple[str, ...] = ()
    #: Apple returns this secret to any client.
    notification_secret: str | None = field(default=None, repr=False)


#: Sends a prepared request, in the thread that prepared it.
Ask = Callable[[], Answer]


class Client:
    """A client of Apple. A process has one; each thread has its own connection."""

    def __init__(
        self, origin: str, *, deadline: float = DEADLINE_SECONDS, sessions: SessionSource | None = None
    ) -> None:
        self._origin = origin.rstrip("/")
        self._deadline = deadline
        self._clock = Deadlines()
        self._sessions = sessions or Sessions()
        self._templates: WeakKeyDictionary[requests.Session, dict[tuple[str, str], _Template]] = WeakKeyDictionary()
        self._paths: dict[str, str] = {}
        #: The addresses that the legacy service gave when it had moved.
        self._legacy: dict[str, str] = {}
        self._lookup_url = lookup_url(self._origin)

    def prepare_page(self, question: Question, token: Token) -> Ask:
        """Prepare the request for one page of a list."""
        resource = question.resource
        if resource.is_legacy:  # the legacy service wants its token in the body alone
            content = {"sToken": token.text} | question.body()
            return self._prepare("POST", self._legacy.get(resource.path, resource.path), content=content)
        path = self._path(resource.url_name, resource.path)
        return self._prepare("GET", path, secrets=_bearer(token), query=question.query())

    def prepare_client_config(self, token: Token) -> Ask:
        """Prepare the request that asks which location a token is for."""
        return self._prepare("GET", self._path(CLIENT_CONFIG_URL_NAME, CLIENT_CONFIG_PATH), secrets=_bearer(token))

    def prepare_configuring(self, token: Token, wanted: Mapping[str, Any]) -> Ask:
        """Prepare the one request that writes: it sets where notices go, or which service manages the location."""
        path = self._path(CLIENT_CONFIG_URL_NAME, CLIENT_CONFIG_PATH)
        return self._prepare("POST", path, secrets=_bearer(token), content=dict(wanted))

    def prepare_lookup(self, lookup: Lookup, token: Token | None = None) -> Ask:
        """Prepare the request for what the store says of some apps and books; with a token, of its owner's own too."""
        secrets = {} if token is None else {"Cookie": f"itvt={token.text}"}
        return self._prepare("GET", self._lookup_url, secrets=secrets, query=lookup.query(), seconds=LOOKUP_SECONDS)

    def service_config(self) -> ServiceConfig:
        """Ask for Apple's limits and addresses, and use these from now on; it needs neither a token nor a permit."""
        answer = self._prepare("GET", SERVICE_CONFIG_PATH)()
        problem = answer.problem()
        if problem is not None:
            raise problem
        config = read_service_config(answer.body)
        self._paths = config.paths(self._origin)
        named = config.urls.get(LOOKUP_URL_NAME, "")
        self._lookup_url = named if may_be_looked_up(named, self._origin) else lookup_url(self._origin)
        return config

    def find_legacy(self) -> None:
        """Ask the legacy service for its new addresses. Only hosts of Apple's count: the token is in the body."""
        answer = self._prepare("GET", LEGACY_CONFIG_PATH)()
        problem = answer.problem()
        if problem is not None:
            raise problem
        named = read_legacy_addresses(answer.body)
        calls = {one.path: named.get(one.path.rsplit("/", 1)[-1], "") for one in RESOURCES.values() if one.is_legacy}
        self._legacy = {path: url for path, url in calls.items() if may_be_asked(url, self._origin)}

    def _path(self, url_name: str | None, usual: str) -> str:
        return self._paths.get(url_name or "", usual)

    def _prepare(
        self,
        method: str,
        where: str,
        *,
        secrets: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
        content: Any = None,
        seconds: float | None = None,
    ) -> Ask:
        """Prepare all of a request that needs no permit, so that the permit is held for as short as possible."""
        url = self._origin + where if where.startswith("/") else where
        try:
            template = self._template(method, url)
            request = template.fill(secrets, query, content)
        except (requests.RequestException, ValueError) as error:
            raise BadAnswer(f"({type(error).__name__}: the request could not be written)") from None
        return lambda: self._ask(template, request, seconds or self._deadline)

    def _template(self, method: str, url: str) -> _Template:
        """Return what requests have in common. To merge it from a session takes longer than to send: once a thread."""
        session = self._sessions.mine()
        known = self._templates.setdefault(session, {})
        template = known.get((method, url))
        if template is None:
            request = session.prepare_request(requests.Request(method, url, auth=_NoNetrc()))
            settings = session.merge_environment_settings(request.url, {}, True, None, None)  # noqa: FBT003 - its signature
            template = _Template(request=request, adapter=session.get_adapter(request.url or url), settings=settings)
            known[method, url] = template
        return template

    def _ask(self, template: _Template, request: requests.PreparedRequest, seconds: float) -> Answer:
        begun = time.monotonic()
        call = TimedCall(ends=begun + seconds)
        try:
            with self._clock.over(call), announcing(call):
                timeout = (CONNECT_SECONDS, seconds)
                response = template.adapter.send(request, timeout=timeout, **template.settings)
                packed = _read(response, call)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            self._sessions.drop()
            raise _failure(template, call, seconds, error) from None
        except (BadAnswer, Overdue):
            self._sessions.drop()
            raise
        return _answer(response, packed, time.monotonic() - begun)


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.text}"}


def _failure(template: _Template, call: TimedCall, seconds: float, error: Exception) -> Exception:
    # The texts of these errors may quote the request, and so the token: only the class goes into ours.
    where = origin_of(template.request.url or "")
    if call.is_overdue() or isinstance(error, requests.Timeout):
        return Overdue(f"(no whole answer within {seconds:g} s)")
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable(f"at {where}: its certificate is not trusted")
    if isinstance(error, requests.ConnectionError | OSError):
        return Unreachable(f"at {where} ({type(error).__name__})")
    return BadAnswer(f"({type(error).__name__} while the answer was read)")


def read_client_config(answer: Answer) -> ClientConfig:
    """Read the answer to `prepare_client_config`."""
    config: _ClientConfig = read_json(answer.body, _ClientConfig, "client/config")
    owner, owner_name = ((config.mdm_info or {}).get(name) for name in ("id", "name"))
    try:
        expires = parse_date(config.token_expiration_date) if config.token_expiration_date else None
    except MalformedToken:
        expires = None  # the token's own date is there as well
    return ClientConfig(
        uid=config.u_id,
        name=" ".join((config.location_name or "").split()),
        owner=owner if isinstance(owner, str) else None,
        owner_name=owner_name if isinstance(owner_name, str) else None,
        token_expires=expires,
        country=config.country_iso2_a_code,
        platform=config.default_platform,
        website=config.website_url,
        notification_url=config.notification_url,
        notification_types=tuple(config.subscribed_notification_types or ()),
        notification_secret=config.notification_auth_token,
    )


def _read(response: requests.Response, call: TimedCall) -> bytes:
    chunks, size = [], 0
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        chunks.append(chunk)
        size += len(chunk)
        if size > BODY_LIMIT_BYTES:
            raise BadAnswer(f"(its body is larger than {BODY_LIMIT_BYTES // 1_000_000} MB)")
        if call.left() <= 0:
            raise Overdue("(its body did not end)")
    if call.was_cut:  # a body without a length ends without an error when its socket is shut
        raise Overdue("(its body did not end)")
    response.raw.release_conn()
    return b"".join(chunks)


def _answer(response: requests.Response, packed: bytes, seconds: float) -> Answer:
    is_packed = response.headers.get("Content-Encoding", "").lower() in {"gzip", "x-gzip"}
    return Answer(
        status=response.status_code,
        body=unpack(packed, BODY_LIMIT_BYTES) if is_packed else packed,
        packed=packed if is_packed else pack(packed),
        retry_after=parse_retry_after(response.headers.get("Retry-After"), response.headers.get("Date")),
        seconds=seconds,
    )
