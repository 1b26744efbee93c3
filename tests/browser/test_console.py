"""The console in a real browser: the first hour of an administrator, and a crawl that is watched.

The tests of this file follow each other, as the hour does.
"""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import urllib.request

import psutil
import pytest
import requests
from playwright.sync_api import expect

from tests.support.browser import window
from tests.support.site import await_true

from .conftest import PAGES

EVERY_PAGE: tuple[str, ...] = ("/", "/locations", "/apps", "/apps/361285480", "/holders?q=F9FX", "/changes")
EVERY_PAGE += ("/records/assignments", "/crawls")


def test_an_empty_installation_says_what_to_do(browser, home):
    """The first page names the command that adds a location, to be copied."""
    with window(browser, home.origin) as seen:
        seen.go("/")
        expect(seen.page.get_by_role("heading", name="No locations yet")).to_be_visible()
        expect(seen.page.get_by_role("button", name="Copy pageturner locations add hq.vpptoken")).to_be_visible()
        assert seen.faults() == []


def test_a_location_appears_and_is_read(browser, home, apple):
    """Once it is added it is there, is read at a click, and its apps have names."""
    with window(browser, home.origin) as seen:
        home.add(apple.locations[0]["token"], "hq")
        seen.go("/locations")
        seen.page.get_by_role("link", name="hq", exact=True).click()
        seen.page.get_by_role("button", name="Sync now").click()
        expect(seen.page.get_by_role("status")).to_contain_text("It is being read.")
        row = seen.page.get_by_role("row").filter(has=seen.page.get_by_role("link", name="assignments", exact=True))
        expect(row.get_by_text("in step")).to_be_visible(timeout=60_000)
        expect(row).to_contain_text(f"{PAGES * 50:,}")
        seen.go("/apps?q=Keynote")
        expect(seen.page.get_by_role("link", name="Keynote").first).to_be_visible()


def test_a_crawl_is_watched_turning_its_pages(browser, home, apple):
    """353 pages fill while they are read, with a drift and a rest that Apple asks for, which are told in words."""
    uid = apple.locations[0]["uid"]
    so_far = apple.traffic(uid)["by_resource"]["assignments"]
    apple.change(uid, resource="assignments", at_request=so_far + 150, insert=60, where="end")
    rest = {"kind": "status", "status": 429, "headers": {"Retry-After": "10"}}
    apple.fail({"resource": "assignments", "page": 200, **rest}, uid=uid)
    with window(browser, home.origin) as seen:
        seen.go(f"/locations/{uid}")
        seen.page.get_by_role("button", name="Read everything").click()
        row = seen.page.get_by_role("row").filter(has=seen.page.get_by_role("link", name="assignments", exact=True))
        row.get_by_role("link", name=re.compile("^reading")).click()
        legend = seen.page.locator(".legend")
        expect(legend).to_contain_text("in flight")
        expect(legend).to_contain_text("waiting")
        first = stored(legend.inner_text())
        assert seen.faults() == []
        expect(seen.page.locator(".feed")).to_contain_text("Published", timeout=60_000)
        assert stored(legend.inner_text()) > first
        text = seen.page.locator(".feed").inner_text()
        assert "Apple asked for a rest of 10 s." in text
        assert re.search(r"The data changed while they were read: [\d,]+ pages were read again.", text)
        assert "read again" in legend.inner_text()
        assert seen.page.locator(".lanes rect:not(.lane)").count() == PAGES + 2


def stored(words: str) -> int:
    """Return how many pages are stored, by what the legend says."""
    found = re.search(r"([\d,]+) stored", words)
    return 0 if found is None else int(found[1].replace(",", ""))


def test_the_same_after_a_restart(browser, home):
    """Killed and started again, the console shows the same of a crawl that is over."""
    with window(browser, home.origin) as seen:
        seen.go("/crawls?resource=assignments")
        seen.page.get_by_role("table").get_by_role("link").first.click()
        before = told(seen.page.locator("main").inner_text())
        [console] = [one for one in children(home.child) if "console" in one.cmdline()]
        console.send_signal(signal.SIGKILL)
        psutil.wait_procs([console], timeout=30)
        seen.complaints.clear()  # the stream of a page was cut off
        until_back(seen)
        assert told(seen.page.locator("main").inner_text()) == before


def children(child: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Return the processes that a command has started."""
    return psutil.Process(child.pid).children(recursive=True)


def until_back(seen) -> None:
    """Load the page again until it is there."""
    for _ in range(180):
        try:
            seen.page.reload()
        except Exception:  # noqa: BLE001 - it does not answer yet
            seen.page.wait_for_timeout(500)
        else:
            seen.complaints.clear()
            return
    pytest.fail("the console did not come back")


def told(text: str) -> str:
    """Return what a page says, but for how long ago things were."""
    return re.sub(r"\d+ (s|min) ago", "", text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_for_everybody(browser, home, apple, scheme):
    """In light and in dark, axe finds nothing; nothing is loaded from elsewhere, and nothing complains."""
    uid = apple.locations[0]["uid"]
    with window(browser, home.origin, scheme=scheme) as seen:
        for path in (*EVERY_PAGE, f"/locations/{uid}", "/crawls/1", "/nowhere", "/holder?kind=device&name=nothing"):
            seen.complaints.clear()
            seen.go(path)
            assert seen.faults() == [], path
            assert [one for one in seen.complaints if "404" not in one] == [], path
        seen.complaints.clear()


@pytest.mark.parametrize("width", [360, 768, 2560])
def test_every_page_fits(browser, home, apple, width):
    """On a phone, a tablet and a wall: no page is wider than its window."""
    with window(browser, home.origin, width=width) as seen:
        for path in (*EVERY_PAGE, f"/locations/{apple.locations[0]['uid']}", "/crawls/1"):
            seen.go(path)
            assert seen.overflow() <= 0, path


def test_by_keyboard_alone(browser, home):
    """The first Tab leads past the head; a slash to the search; Enter finds, and follows."""
    with window(browser, home.origin) as seen:
        seen.go("/")
        seen.page.keyboard.press("Tab")
        expect(seen.page.get_by_role("link", name="Skip to the content")).to_be_focused()
        seen.page.keyboard.press("Enter")
        expect(seen.page.locator("main")).to_be_focused()
        seen.page.keyboard.press("/")
        expect(seen.page.get_by_label("Look for a device, a person, an app or a location")).to_be_focused()
        seen.page.keyboard.type("Keynote")
        seen.page.keyboard.press("Enter")
        link = seen.page.get_by_role("link", name="Keynote")
        expect(link).to_be_visible()
        for _ in range(30):
            seen.page.keyboard.press("Tab")
            if link.evaluate("one => one === document.activeElement"):
                break
        seen.page.keyboard.press("Enter")
        expect(seen.page.get_by_role("heading", name="Keynote")).to_be_visible()


def test_without_scripts(browser, home, apple):
    """Every page says what it has to say, filters, and acts, in a browser that runs no script."""
    with window(browser, home.origin, has_scripts=False) as seen:
        seen.go("/")
        expect(seen.page.get_by_role("heading", name="Needs you")).to_be_visible()
        seen.go("/apps")
        seen.page.get_by_label("Name, number, maker or bundle id").fill("Keynote")
        seen.page.get_by_role("button", name="Show").click()
        expect(seen.page.get_by_role("row")).to_have_count(2)
        seen.go(f"/locations/{apple.locations[0]['uid']}")
        seen.page.get_by_role("button", name="Sync now").click()
        expect(seen.page.get_by_role("status")).to_contain_text("It is being read.")
        seen.go("/crawls/1")
        expect(seen.page.get_by_role("heading", name="What happened")).to_be_visible()


def test_a_program_starts_a_sync(home, apple):
    """Over the API a program on this host starts one, and reads there what came of it."""
    uid = apple.locations[0]["uid"]
    api = f"{home.origin}/api/v1"
    [last] = requests.get(f"{api}/crawls", {"limit": 1}, timeout=30).json()["items"]
    answer = requests.post(f"{api}/locations/{uid}/syncs", json={}, timeout=30)
    assert (answer.status_code, answer.json()["done"]) == (202, "sync")

    def is_read() -> bool:
        [newest] = requests.get(f"{api}/crawls", {"limit": 1}, timeout=30).json()["items"]
        return newest["id"] > last["id"] and newest["ended_at"] is not None

    await_true(is_read, "what was asked for is read", 60)


def test_silence_shuts_nobody_out(home):
    """Beside two thousand connections that say nothing, a visitor is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as silent:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        silent.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(2_000):
            silent.enter_context(socket.create_connection(("127.0.0.1", home.port), 30))
        with urllib.request.urlopen(f"{home.origin}/locations", timeout=30) as answer:
            assert answer.status == 200


def test_stopped_nothing_is_left(home):
    """SIGTERM ends all of it within its time, and with status 0 or that of an interrupted command."""
    below = children(home.child)
    assert below
    os.kill(home.child.pid, signal.SIGTERM)
    assert home.child.wait(60) in {0, 130}
    gone, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    assert gone
