"""A headless Chromium for tests of HTML pages, which it opens from the disk, without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DESKTOP, PHONE = (1300, 900), (390, 844)
"""Sizes of the window, in pixels."""
SERIOUS = ("serious", "critical")
"""Violations of axe-core that count."""


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield playwright's browser, or skip the test, unless REQUIRE_BROWSER is set."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacks = "playwright is not installed (pip install '.[browser]')"
    else:
        lacks = "" if program else "there is no chromium (apt-get install chromium)"
    if lacks:
        assert "REQUIRE_BROWSER" not in os.environ, lacks
        pytest.skip(lacks)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A window on pages, and what went wrong on them."""

    def __init__(self, browser: Any, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> None:
        width, height = size
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, reduced_motion="reduce"
        )
        self.page: Any = self._context.new_page()
        self.problems: list[str] = []
        """Errors on the console, exceptions, and requests to anything but files."""
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        self.page.on("request", self._note_request)

    def _note_message(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type} on the console: {message.text}")

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.problems.append(f"request to {request.url}")

    def open(self, path: Path) -> Any:
        """Open a file and return playwright's page."""
        self.page.goto(path.as_uri())
        return self.page

    def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def inaccessible(self) -> list[str]:
        """Return the serious violations that axe-core finds, each with the first element that it is about."""
        from axe_playwright_python.sync_playwright import Axe

        # Preloading style sheets is what a browser refuses on a disk, and axe-core does without.
        found = Axe().run(self.page, options={"preload": False}).response["violations"]
        return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found if rule["impact"] in SERIOUS]

    def close(self) -> None:
        """Close the window."""
        self._context.close()
