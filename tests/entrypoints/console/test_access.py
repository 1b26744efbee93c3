"""Who may look, and who may act."""

import re
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from requests import Response

from entrypoints.web.console.guard import is_safe_target
from entrypoints.web.console.visitors import COOKIE, SECURE_COOKIE, DoorPolicy, is_local_name
from storage.errors import DatabaseAway
from storage.states import Access

CLOSED = DoorPolicy(is_open=False)
BY_PROXY = DoorPolicy(is_open=False, user_header="X-Forwarded-User", proxies=["127.0.0.1"])
PASSWORD = "correct horse battery"

#: Every page, as it is found by hand.
PAGES: tuple[str, ...] = (
    "/",
    "/locations",
    "/locations/1",
    "/apps",
    "/apps/361285480",
    "/holders?q=a",
    "/holder?kind=user&name=anna",
    "/changes",
)
PAGES += ("/records/assets", "/crawls", "/crawls/1")


def sign_in(door, name: str = "anna", password: str = PASSWORD, **more: str) -> Response:
    """Send the form."""
    answer: Response = door.post("/sign-in", {"name": name, "password": password, **more})
    return answer


def test_on_this_host_nobody_is_asked(serve):
    """Whoever is on the host may look and act without a password."""
    door = serve()
    assert door.get("/").status_code == 200
    assert door.post("/locations/1/accept").status_code == 303


def test_another_name_for_this_host_is_refused(serve):
    """A page of somebody else's, in a browser on this host, reaches nothing by a name that leads here."""
    door = serve()
    for host in ("evil.example", "evil.example:8100", "localhost.evil.example", "127.0.0.1.evil.example"):
        assert door.get("/", Host=host).status_code == 421, host
        assert door.api("locations", headers={"Host": host}).status_code == 401, host


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("localhost:8100", True), ("127.0.0.1", True), ("[::1]:8100", True), ("example.com", False), ("", False)],
)
def test_names_of_this_host(host, is_ours):
    """Only these are."""
    assert is_local_name(host) is is_ours


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": ""},
    ],
)
def test_a_form_of_another_site_does_nothing(serve, filled, headers):
    """What changes something must come from a page of ours, and says so."""
    before = filled.syncs.open_ones()
    assert serve().post("/locations/1/sync", **({"Origin": ""} | headers)).status_code == 403
    assert filled.syncs.open_ones() == before


def test_nothing_is_shown_without_signing_in(serve, filled):
    """Elsewhere, every page in every form asks who is there first."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    for path in PAGES:
        for ending in ("", ".json", ".csv", ".live"):
            name, mark, asked = path.partition("?")
            answer = door.get(f"{'/overview' if path == '/' and ending else name}{ending}{mark}{asked}")
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=")
        assert door.get(path, Accept="application/json").status_code == 401
    assert door.api("locations").status_code == 401


def test_signing_in(serve, filled):
    """With the right password one gets to where one wanted, and may do what the account may, until one signs out."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    answer = sign_in(door, next="/apps?sort=free")
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps?sort=free")
    cookie = answer.headers["set-cookie"]
    assert re.match(rf"{COOKIE}=[\w-]{{43}}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", cookie)
    assert door.get("/apps").status_code == 200
    assert door.post("/locations/1/accept").status_code == 303
    secret = door.session.cookies[COOKIE]
    assert door.post("/sign-out").status_code == 303
    assert door.get("/apps", Cookie=f"{COOKIE}={secret}").status_code == 303  # to the sign-in


def test_behind_tls_the_cookie_is_for_tls_alone(serve, filled):
    """Where a trusted proxy says that it was TLS, no other host, and no plain connection, sets or sees the cookie."""
    filled.accounts.add("anna", Access.READ, PASSWORD)
    door = serve(CLOSED)
    origin = door.origin.replace("http:", "https:")
    form = {"name": "anna", "password": PASSWORD}
    answer = door.post("/sign-in", form, X_Forwarded_Proto="https", Origin=origin)
    assert answer.headers["set-cookie"].startswith(f"{SECURE_COOKIE}=")
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_session_is_not_chosen_by_others(serve, filled):
    """A cookie that somebody planted is worth nothing, before signing in and after it."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    planted = {"Cookie": f"{COOKIE}=planted"}
    assert door.get("/apps", **planted).status_code == 303
    answer = door.post("/sign-in", {"name": "anna", "password": PASSWORD}, **planted)
    assert f"{COOKIE}=planted" not in answer.headers["set-cookie"]
    door.session.cookies.clear()
    assert door.get("/apps", **planted).status_code == 303


def test_an_old_session_ends_with_a_new_one(serve, filled):
    """Who signs in again has one session, and not two."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    sign_in(door)
    first = door.session.cookies[COOKIE]
    sign_in(door)
    door.session.cookies.clear()
    assert door.get("/apps", Cookie=f"{COOKIE}={first}").status_code == 303


def test_wrong_passwords_are_slowed_down(serve, filled, monkeypatch):
    """After some of them not even the right one is taken for a while; a wrong name is told from nothing else."""
    monkeypatch.setattr("entrypoints.web.console.sign_in._PER_SECOND", 0.0)  # however long the ten take
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    wrong = [sign_in(door, name, "guess again and again") for name in ["anna", "nobody"] * 5]
    assert {one.status_code for one in wrong} == {401}
    assert len({re.sub(r'value="(anna|nobody)"', "", one.text) for one in wrong}) == 1
    assert sign_in(door).status_code == 429


def test_who_cannot_be_checked_is_not_wrong(serve, filled, services, monkeypatch):
    """While the database is away, tries count for nothing: afterwards one signs in at once."""
    filled.accounts.add("anna", Access.READ, PASSWORD)
    monkeypatch.setattr("entrypoints.web.console.sign_in._PER_SECOND", 0.0)
    door = serve(CLOSED)
    with monkeypatch.context() as away:
        away.setattr(services.store.accounts, "check", _fail)
        assert {sign_in(door).status_code for _ in range(11)} == {503}
    assert sign_in(door).status_code == 303


def _fail(*_: str) -> None:
    raise DatabaseAway


def test_nobody_is_sent_elsewhere(serve, filled):
    """After signing in one is on a page of ours, whatever the address said."""
    filled.accounts.add("anna", Access.READ, PASSWORD)
    door = serve(CLOSED)
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb"):
        assert sign_in(door, next=target).headers["location"] == "/", target
        assert not is_safe_target(target)


def test_who_may_look_may_not_act(serve, filled):
    """The right to look shows no button, and its forms are refused."""
    filled.accounts.add("anna", Access.READ, PASSWORD)
    door = serve(CLOSED)
    sign_in(door)
    assert "Sync now" not in door.get("/locations/1").text
    for action in ("sync", "accept", "replay"):
        assert door.post(f"/locations/1/{action}").status_code == 403


def test_a_changed_account_has_to_sign_in_again(serve, filled):
    """Whoever loses a right, or an account, loses it at once."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    sign_in(door)
    filled.accounts.change("anna", access=Access.READ)
    assert door.get("/apps").status_code == 303
    sign_in(door)
    assert door.get("/apps").status_code == 200
    filled.accounts.remove("anna")
    assert door.get("/apps").status_code == 303


def test_a_proxy_names_its_user(serve, filled):
    """Whom a trusted proxy names may look; with an account of that name, what the account may."""
    door = serve(BY_PROXY)
    assert door.get("/apps", X_Forwarded_User="bob").status_code == 200
    assert door.post("/locations/1/accept", X_Forwarded_User="bob").status_code == 403
    filled.accounts.add("bob", Access.ACT, None)
    assert door.post("/locations/1/accept", X_Forwarded_User="bob").status_code == 303
    assert door.get("/apps").status_code == 303
    assert sign_in(door, "bob", "anything at all").status_code == 401


def test_a_proxy_before_an_open_console_opens_it_to_nobody(serve):
    """What a proxy on this host passes on may be from anywhere: it is refused, and the answer says what to do."""
    door = serve()
    for name in ("X_Forwarded_For", "X_Real_IP", "Forwarded", "Via"):
        answer = door.get("/", **{name: "192.0.2.7"})
        assert answer.status_code == 421, name
        assert "--user-header" in answer.text
        assert door.api("locations", headers={name.replace("_", "-"): "192.0.2.7"}).status_code == 401, name


def test_a_look_at_the_form_is_no_attempt(serve, filled):
    """HEAD, which monitoring sends, counts as no wrong password."""
    filled.accounts.add("anna", Access.ACT, PASSWORD)
    door = serve(CLOSED)
    for _ in range(15):
        assert door.session.head(f"{door.origin}/sign-in", timeout=20).status_code == 200
    assert sign_in(door).status_code == 303


def test_only_a_proxy_names_users(serve):
    """The header means nothing from anywhere else, whatever address a client says that it comes from."""
    door = serve(DoorPolicy(is_open=False, user_header="X-Forwarded-User", proxies=["192.0.2.0/24"]))
    assert door.get("/apps", X_Forwarded_User="root").status_code == 303
    assert door.get("/apps", X_Forwarded_User="root", X_Forwarded_For="192.0.2.7").status_code == 303


def test_every_answer_is_guarded(serve):
    """No answer may run what is not in a file of ours, be framed, or be taken for something else."""
    door = serve()
    for path in ("/", "/locations/1", "/apps/nothing", "/nowhere", "/assets/console.css", "/sign-in"):
        headers = door.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert ("no-store" in headers["cache-control"]) is not path.startswith("/assets/")


def test_only_assets_are_served(serve):
    """No path leads out of the folder of what browsers load."""
    door = serve()
    for name in ("../app.py", "%2e%2e/app.py", "vendor/../../app.py", "/etc/passwd", "vendor", "nothing.js"):
        with closing(HTTPConnection(urlsplit(door.origin).netloc, timeout=20)) as raw:  # others tidy a path up first
            raw.request("GET", f"/assets/{name}")
            assert raw.getresponse().status == 404, name
