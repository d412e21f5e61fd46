"""The site is complete, loads nothing from elsewhere, and can be searched and read by everyone, from a disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from browser import DESKTOP, PHONE, Visit, chromium
from docs.pages import ROOT

pytestmark = pytest.mark.thorough

MOST_SECONDS = 120
LOADING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href", "form": "action"}
"""Attributes that load something; links that a reader follows do not."""
SAMPLE = ("index", "concepts", "gallery", "reference/compat", "performance", "fidelity")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `mkdocs build --strict` does."""
    if find_spec("material") is None or find_spec("mkdocstrings") is None:
        assert "REQUIRE_SITE" not in os.environ
        pytest.skip("mkdocs-material and mkdocstrings are not installed (pip install '.[docs]')")
    folder = tmp_path_factory.mktemp("site")
    begin = time.perf_counter()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert time.perf_counter() - begin < MOST_SECONDS
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser: Any, request: pytest.FixtureRequest) -> Iterator[Visit]:
    found = Visit(browser, *getattr(request, "param", ()))
    yield found
    found.close()


class _Loaded(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get(LOADING.get(tag, ""))
        if value and dict(attrs).get("rel") not in ("next", "prev", "canonical"):
            self.found.append(value)


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        loaded = _Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.found
        assert not [url for url in loaded.found if re.match(r"(https?:)?//", url)], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_links_to_other_sites_are_few_and_known(site: Path) -> None:
    found = {
        url
        for page in site.rglob("*.html")
        for url in re.findall(r'href="https?://([^/"]+)', page.read_text(encoding="utf-8"))
    }
    assert found <= {"doi.org", "arxiv.org", "optax.readthedocs.io", "semver.org", "squidfunk.github.io"}


def test_the_search_finds_a_phrase_from_a_disk(site: Path, visit: Visit) -> None:
    page = visit.open(site / "index.html")
    page.click("input.md-search__input")
    page.keyboard.type('"fractional loss"', delay=5)
    page.wait_for_selector(".md-search-result__item", timeout=20_000)
    titles = page.locator(".md-search-result__item h1, .md-search-result__item h2").all_inner_texts()
    assert any("fractional loss" in title.lower() for title in titles), titles
    page.locator(".md-search-result__link").first.click()
    page.wait_for_function("!location.href.split('?')[0].endsWith('/index.html')", timeout=20_000)
    assert not visit.problems


NEWCOMER = {
    "install it": (["installation"], "pip install -c constraints.txt ."),
    "train a network": (["a first run"], "recurrent-memory train --preset quick --task de1"),
    "understand the table at the end": (["read the summary"], "how far the network is from the ideal observer"),
    "add a task": (["your own task"], "Derive a class from AbstractTask"),
    "load a trained network": (["trained networks"], "rm.load("),
    "compare two groups of networks": (["groups of networks"], 'between="task", pair_by="seed"'),
    "run a sweep on Slurm": (["on Slurm and other schedulers"], "--slurm"),
    "know the shapes and units that a function takes": (["Reference", "rm.analysis"], "(trial, time, unit)"),
    "cite it": (["how to cite"], "recurrent-memory cite"),
    "report a bug": (["report a bug"], "recurrent-memory --version --verbose"),
}
"""What a newcomer looks for: the links to follow from the front page, and what is then to be read."""
SECTION = """() => {
    const heading = location.hash && document.querySelector(location.hash);
    if (!heading) return document.querySelector("article").innerText;
    const texts = [];
    let next = heading;
    do {
        texts.push(next.innerText);
        next = next.nextElementSibling;
    } while (next && !/^H[12]$/.test(next.tagName));
    return texts.join(" ");
}"""
"""The text below the heading that the address is of, or of the whole page."""


@pytest.mark.parametrize("wanted", NEWCOMER)
def test_a_newcomer_finds_it(site: Path, visit: Visit, wanted: str) -> None:
    links, text = NEWCOMER[wanted]
    page = visit.open(site / "index.html")
    for link in links:
        page.locator("article, .md-tabs, .md-sidebar--primary").get_by_role("link", name=link).first.click()
        page.wait_for_load_state()
    assert text in page.evaluate(SECTION)
    told = re.search(rf"\| {re.escape(wanted)} \| (\d+) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert told is not None
    assert int(told[1]) == len(links)


@pytest.mark.parametrize("visit", [(DESKTOP, "light"), (PHONE, "dark")], indirect=True, ids=["desktop", "phone"])
@pytest.mark.parametrize("name", SAMPLE)
def test_a_page_is_accessible_and_fits(site: Path, visit: Visit, name: str) -> None:
    visit.open(site / f"{name}.html")
    assert not visit.scrolls_sideways()
    assert not visit.inaccessible()
    assert not visit.problems


def test_problems_are_found(tmp_path: Path, visit: Visit) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<html><body><img src="https://example.invalid/a.png"><div style="width:9000px">a</div></body></html>'
    )
    visit.open(bad)
    assert visit.scrolls_sideways()
    assert any(rule.startswith("image-alt") for rule in visit.inaccessible())
    assert any("example.invalid" in problem for problem in visit.problems)
