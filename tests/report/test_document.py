"""The page: one file that loads nothing, and in which no text of a result becomes markup or code."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from made_up_report import EVIL, Elements, contents, data_of
from recurrent_memory.errors import InputError
from recurrent_memory.report.document import html, write
from recurrent_memory.report.output import check_libraries, check_replaceable


@pytest.fixture(scope="module")
def page() -> str:
    return html(contents(), written="2026-01-01 12:00", command=f"recurrent-memory report {EVIL}", reload=30)


def test_there_are_three_scripts_whatever_the_names_are(page: str) -> None:
    found = Elements(page)
    scripts = [attrs for tag, attrs in found.found if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {"type": "text/plain", "id": "library"}, {}]
    assert found.text.count(EVIL) >= 5  # title, command, note, scorecard: as text
    assert data_of(page)["commands"] == [EVIL] * 4


def test_the_data_hold_no_character_that_html_understands(page: str) -> None:
    data = Elements(page).scripts[0]
    assert not set("<>&\u2028\u2029") & set(data)
    json.loads(data)


def test_nothing_is_loaded(page: str) -> None:
    for _, attrs in Elements(page).found:
        assert "src" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        href = attrs.get("href") or "#"
        assert href.startswith(("#", "data:"))


def test_only_the_scripts_of_the_page_may_run(page: str) -> None:
    found = Elements(page)
    (policy,) = (a["content"] for t, a in found.found if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found.scripts[1:]]
    assert rules["script-src"] == [f"'sha256-{digest}'" for digest in digests]


def test_views_without_contents_are_left_out() -> None:
    def views(**changes: Any) -> set[str | None]:
        made = html(contents(**changes), written="", command="")
        return {attrs["data-view"] for tag, attrs in Elements(made).found if "data-view" in attrs}

    assert views() == {"networks", "maps", "curves", "network", "scores", "failures", "about"}
    assert views(curves=(), scores=()) == {"networks", "maps", "network", "failures", "about"}
    assert "failures" not in views(failures=())
    assert "maps" not in views(table=contents().table.iloc[:1])


def test_an_earlier_report_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    size = write(path, contents(), written="", command="")
    assert size == path.stat().st_size
    check_replaceable(path)
    write(path, contents(), written="", command="", reload=9)
    assert data_of(path.read_text(encoding="utf-8"))["reload"] == 9
    assert list(tmp_path.iterdir()) == [path]
    path.write_text("<html>my homepage</html>")
    with pytest.raises(InputError, match="is not a report"):
        check_replaceable(path)


def test_a_missing_library_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "plotly" else known(name))
    with pytest.raises(InputError, match=r"needs plotly: pip install plotly"):
        check_libraries()
