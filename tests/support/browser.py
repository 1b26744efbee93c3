"""A real browser: Chromium of the system, driven by Playwright, and what it loads and complains of."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .servers import missing

#: Nothing that this machine's network would have to answer.
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_OPTIONS += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]

#: How long anything that is waited for may take, in milliseconds.
_PATIENCE = 20_000

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

#: What pages are held to.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser for the length of the block."""
    program = next((path for name in _PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        missing("Chromium", "the console is tested in a real browser (Debian's chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(kw_only=True)
class Window:
    """A window of the browser, which notes all that goes wrong in it."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of ours."""
        self.page.goto(f"{self.origin}{path}", wait_until="load")

    def faults(self) -> list[str]:
        """Return what a reader with other senses, or of other habits, could not use on this page."""
        found = Axe().run(self.page, options=_RULES).response["violations"]
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@contextlib.contextmanager
def window(
    browser: Browser, origin: str, *, width: int = 1280, scheme: str = "light", has_scripts: bool = True
) -> Iterator[Window]:
    """Open a window, and close it; fail if anything went wrong in it, or anything came from elsewhere."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=has_scripts,
    )
    page = context.new_page()
    page.set_default_timeout(_PATIENCE)
    expect.set_options(timeout=_PATIENCE)
    made = Window(page=page, origin=origin)
    page.on("console", lambda said: made.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("dialog", lambda dialog: made.complaints.append(f"a dialog: {dialog.message}"))
    page.on("request", lambda asked: _note_elsewhere(made, asked.url))
    try:
        yield made
    finally:
        context.close()
    assert made.complaints == []


def _note_elsewhere(made: Window, url: str) -> None:
    asked = urlsplit(url)
    if asked.scheme != "data" and f"{asked.scheme}://{asked.netloc}" != made.origin:
        made.complaints.append(f"loaded from elsewhere: {url}")
