"""Links between the pages and files of the repository lead somewhere, as a forge shows them; each page has one home."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.pages import FENCE, INLINE, PAGES, ROOT, text_of

sys.path.insert(0, str(ROOT / "docs" / "code"))
import public_names

LINK = re.compile(r"\]\(([^()\s]+)\)")
FILES = (*PAGES, "CHANGELOG.md")
MOST_BYTES = 1_500_000
"""Of all pictures of the gallery."""


def prose(page: str) -> str:
    """Return a page without its code."""
    return INLINE.sub("code", FENCE.sub("", text_of(page)))


def anchors(file: Path) -> set[str]:
    """Return the anchors that a forge gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
    words = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", FILES)
def test_links_lead_somewhere(page: str) -> None:
    for link in LINK.findall(prose(page)):
        to = urlsplit(link)
        if to.scheme:
            assert to.scheme == "https", link
            continue
        target = (ROOT / page).parent / unquote(to.path) if to.path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if to.fragment:
            assert to.fragment in anchors(target), f"{page}: {link}"


def test_each_page_has_one_place_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    places = Counter(re.findall(r"- (\S+\.md)$", navigation, re.MULTILINE))
    assert {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")} <= set(places)
    assert set(places.values()) == {1}


def test_every_public_name_is_in_the_reference_and_has_a_text() -> None:
    assert not public_names.missing_packages()
    assert not public_names.without_text()
    listed = {name.shown for _, names in public_names.pages() for name in names}
    assert {"rm.run", "rm.tasks.make", "rm.networks.CELLS", "rm.sweeps.Part", "rm.measures.register"} <= listed
    assert len(listed) > 240


def test_a_name_without_a_text_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bare.py").write_text('documented = 1\n"""A number."""\nbare = 2\n')
    monkeypatch.setattr(public_names, "SOURCE", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert {name.name: name.summary for name in public_names.public("bare")} == {"documented": "A number.", "bare": ""}


def test_pictures_of_the_gallery_are_those_of_its_code_and_small() -> None:
    text = text_of("docs/gallery.md")
    files = {path.name: path.stat().st_size for path in (ROOT / "docs" / "figures" / "gallery").iterdir()}
    assert set(re.findall(r'savefig\("(\w+\.png)"\)', text)) == set(files)
    assert set(re.findall(r"\]\(figures/gallery/(\w+\.png)\)", text)) == set(files)
    assert sum(files.values()) <= MOST_BYTES
