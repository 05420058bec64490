"""Headless Chromium for the tests of the page: an installed one. Playwright drives it, and downloads none."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

CANVASES = """(host) => { const to = host.getBoundingClientRect();
    return [...host.querySelectorAll("canvas")].map((canvas) => { const at = canvas.getBoundingClientRect();
        return [at.left - to.left, at.top - to.top, at.width]; }); }"""
"""Left, top and width of every canvas in an element."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"the page is tested in a browser, and none is installed: {', '.join(NAMES)}")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # its sandbox refuses to run as root
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


def mean_colour(shot: Any, box: Sequence[float], x: float, y: float) -> Any:
    """Of a small square in a screenshot's box of left, top and side, begun so far from its corner."""
    left, top, side = box
    row, column, size = int(top + side * y), int(left + side * x), int(side / 5)
    return shot[row : row + size, column : column + size].mean((0, 1))


class Visit:
    """A page of an atlas, opened from the disk, and all that it asked for and complained of.

    Attributes:
        page: Playwright's page.
        requests: every address it asked for.
        complaints: errors, failed requests and what was written to the console.
    """

    def __init__(self, browser: Any, folder: Path, **how: Any) -> None:
        self.address = (folder / "index.html").as_uri()
        self.page = browser.new_page(**{"viewport": {"width": 1200, "height": 800}, **how})
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"no {request.url}"))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def go(self, where: str = "") -> None:
        """Opens an address within the page, and waits until it is shown."""
        self.page.goto("about:blank")
        self.page.goto(self.address + where)
        self.arrived(where or "#")

    def turn(self, where: str) -> None:
        """Goes to another address from within the page."""
        self.page.evaluate("where => { location.hash = where; }", where)
        self.arrived(where)

    def found(self, query: str) -> list[str]:
        """The tiles that a search finds, as `tiles` has them."""
        self.turn("#?" + quote(query, safe="~()*!.'"))
        return self.tiles()

    def arrived(self, where: str) -> None:
        """Waits until that address is shown."""
        quoted = where.replace("\\", "\\\\").replace('"', '\\"')
        self.page.wait_for_selector(f'#content[data-ready="{quoted}"]', state="attached")

    def press(self, *keys: str) -> None:
        """Presses keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def hash(self) -> str:
        """What the address ends in."""
        return str(self.page.evaluate("location.hash"))

    def tiles(self) -> list[str]:
        """The addresses of all tiles that are filled, in the order of the page."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
        found: list[str] = self.page.eval_on_selector_all(
            ".tile", "ts => ts.map(t => t.getAttribute('href'))"
        )
        return found

    def all_tiles(self) -> list[str]:
        """Those of the whole list, screen by screen."""
        found: dict[str, None] = {}
        self.page.evaluate("scrollTo(0, 0)")
        while True:
            self.page.evaluate(
                "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
            )
            found |= dict.fromkeys(self.tiles())
            if self.page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 2"):
                return list(found)
            self.page.evaluate("scrollBy(0, innerHeight)")
