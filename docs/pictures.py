"""Makes the pictures of the documents: a simulated school in a real browser, in light and in dark.

usage: python docs/pictures.py, or `make pictures`; it needs Chromium.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import Home, serving_home
from tests.support.browser import chromium
from tests.support.processes import Apple, running_simulator

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1200

_SIZE = ("--locations", "4", "--assets", "24", "--assignments", "9000", "--users", "300", "--page-size", "60")
_SIZE += ("--subscriptions", "20", "--subscription-assignments", "40", "--subscription-admins", "5", "--latency", "60")

PLACES = ("Hill School", "Lake School", "Main Library", "North Campus")


def main() -> None:
    """Draw the overview, the apps, an app and a crawl."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="pageturner-pictures-") as folder,
        running_simulator(*_SIZE) as apple,
        serving_home(Path(folder), apple) as home,
    ):
        for place, location in zip(PLACES, apple.locations, strict=True):
            home.add(location["token"], place)
        home.run("sync")
        await_names(home)
        age(home)
        trouble(apple)
        draw(home, apple)


def await_names(home: Home) -> None:
    """Wait until the apps have names."""
    until = time.monotonic() + 60
    while '"361285480"' in home.run("report", "apps", "--where", "name=", "--format", "json"):
        assert time.monotonic() < until, "no names came"
        time.sleep(0.5)


def age(home: Home) -> None:
    """Give the apps a past: licences that were bought, and assigned ever more, in sixty days."""
    path = Path(home.env["PAGETURNER_HOME"]) / "pageturner.db"
    today = datetime.now(UTC).date()
    with sqlite3.connect(path, timeout=60) as kept:
        rows = kept.execute(
            "SELECT location_id, adam_id, pricing_param, total_count, assigned_count FROM mirror_assets"
        ).fetchall()
        kept.execute("DELETE FROM asset_days")
        for number, (location, adam_id, pricing, total, assigned) in enumerate(rows):
            slope, before = (number * 7) % 5, None
            for ago in range(60, -1, -3 - number % 4):
                used = max(0, assigned - ago * slope * assigned // 300)
                owned = total if ago < 25 + number % 20 else max(used, total - total // 6)
                was = before or (None, None)
                day = (today - timedelta(days=ago)).isoformat()
                values = (location, adam_id, pricing, day, owned, used, owned - used, *was)
                kept.execute("INSERT INTO asset_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
                before = (used, owned - used)


def trouble(apple: Apple) -> None:
    """Have Apple refuse one token, and change something everywhere."""
    fault = {"kind": "error", "status": 401, "number": 9625}
    apple.fail({"resource": "assets", **fault, "times": 1000}, uid=apple.locations[1]["uid"])
    for location in apple.locations:
        apple.change(location["uid"], resource="assignments", insert=12, remove=3, where="random")


def draw(home: Home, apple: Apple) -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM, "sync"], env=home.env, cwd=ROOT, check=False, capture_output=True)
    uid = apple.locations[0]["uid"]
    with chromium() as browser:
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": WIDTH, "height": 760}, color_scheme=scheme, device_scale_factor=1
            )
            page = context.new_page()
            for name, path in {"overview": "/", "apps": "/apps?sort=used", "app": "/apps/361285480"}.items():
                page.goto(f"{home.origin}{path}", wait_until="load")
                page.wait_for_timeout(700)
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
            move(apple, uid)
            page.goto(f"{home.origin}/locations/{uid}")
            page.get_by_role("button", name="Read everything").click()
            page.goto(f"{home.origin}/crawls/{newest(home)}")
            page.locator(".legend").get_by_text("read again").wait_for()
            page.wait_for_timeout(600)
            page.screenshot(path=PICTURES / f"crawl-{scheme}.png")
            page.locator(".feed").get_by_text("Published").wait_for(timeout=60_000)
            context.close()


def move(apple: Apple, uid: str) -> None:
    """Have the data change while they are read, and Apple ask for a rest."""
    so_far = apple.traffic(uid)["by_resource"]["assignments"]
    apple.change(uid, resource="assignments", at_request=so_far + 60, insert=40, where="end")
    rest = {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}}
    apple.fail({"resource": "assignments", "page": 90, **rest}, uid=uid)


def newest(home: Home) -> int:
    """Return the crawl of assignments that has just begun."""
    until = time.monotonic() + 30
    while True:
        with urllib.request.urlopen(f"{home.origin}/crawls.json?resource=assignments&location=Hill+School") as answer:
            rows = json.load(answer)["rows"]
        if rows[0]["ended_at"] is None or time.monotonic() > until:
            return int(rows[0]["id"])
        time.sleep(0.1)


_PROGRAM = "from entrypoints.cli.main import run; run()"

if __name__ == "__main__":
    os.umask(0o022)
    main()
