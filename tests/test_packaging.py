"""What users install and cite: extras that messages name, the citation, the recipe, and the files of a wheel."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import call
from recurrent_memory.cli import cite

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_extras_that_are_named_exist() -> None:
    texts = [*(ROOT / "src").rglob("*.py"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        extra.strip()
        for path in texts
        for group in re.findall(
            r"(?:recurrent[-_]memory|-e '?\.|install '?\.|`\.)\[([\w, -]+)\]", path.read_text("utf-8")
        )
        for extra in group.split(",")
    }
    assert {"parquet", "slurm", "cuda12", "notebook"} <= named
    assert named <= set(PROJECT["optional-dependencies"])


def test_pages_install_from_a_clone() -> None:
    """The package is in no registry, so its name alone installs nothing, or another's."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    by_name = {page.name for page in pages if re.search(r"install (-\S+ )*'?recurrent-memory", page.read_text("utf-8"))}
    assert not by_name


def test_the_citation_is_of_this_version() -> None:
    found = cite.read()
    assert str(found["version"]) == PROJECT["version"]
    assert found["license"] == PROJECT["license"]
    assert "CITATION.cff" in PROJECT["license-files"]  # so that a wheel has it
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\S+) – (\S+)$", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"]
    assert str(found.get("date-released", "unreleased")) == newest[2]


@pytest.mark.thorough
def test_the_citation_is_valid() -> None:
    cffconvert = pytest.importorskip("cffconvert")
    cffconvert.Citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")).validate()


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("text", "please cite it and the paper"),
        ("apa", "Orhan, A. E., & Ma, W. J. (2019). A diverse range of factors"),
        ("apa", "Nature Neuroscience, 22, 275–283. doi:10.1038/s41593-018-0314-y"),
        ("bibtex", "@article{orhan2019,\n  author = {Orhan, A. Emin and Ma, Wei Ji},\n"),
        ("bibtex", f"  version = {{{PROJECT['version']}}}"),
        ("bibtex", "  year = {"),
    ],
)
def test_paper_and_package_are_cited(
    style: str, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = call(monkeypatch, capsys, "cite", "--format", style)
    assert printed.code == 0
    assert expected in printed.out


def test_a_release_is_cited_with_its_year_and_address(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    undated = {name: value for name, value in cite.read().items() if name != "date-released"}
    released = undated | {"date-released": date(2031, 5, 4), "repository-code": "https://example.org/code"}

    def printed(package: dict[str, Any], style: str) -> str:
        monkeypatch.setattr(cite, "read", lambda: package)
        return call(monkeypatch, capsys, "cite", "--format", style).out

    assert "developers. (n.d.). Recurrent Memory (version" in printed(undated, "apa")
    assert "  year = {n.d.},\n" in printed(undated, "bibtex")
    assert "(2031). Recurrent Memory (version" in printed(released, "apa")
    assert printed(released, "apa").endswith("[Computer software]. https://example.org/code\n")
    assert "  year = {2031},\n" in printed(released, "bibtex")
    assert "  url = {https://example.org/code}\n}" in printed(released, "bibtex")


def test_the_recipe_has_the_dependencies_of_the_package() -> None:
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == PROJECT["version"]
    wanted = {re.sub(r"(?=>=)", " ", need, count=1) for need in PROJECT["dependencies"]}
    run = {need.replace("matplotlib-base", "matplotlib") for need in recipe["requirements"]["run"]}
    assert run == wanted | {f"python {PROJECT['requires-python']}"}
    assert recipe["source"] == {"path": ".."} or recipe["source"].keys() >= {"url", "sha256"}


def test_the_workflow_calls_the_scripts_that_exist() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    ran = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    scripts = set(re.findall(r"\.ci/\w+", ran))
    assert scripts == {".ci/run", ".ci/wheels"}
    assert all((ROOT / script).stat().st_mode & 0o100 for script in scripts)
    tested = jobs["installed"]["strategy"]["matrix"]["python"]
    declared = {found for found in PROJECT["classifiers"] if re.search(r":: Python :: 3\.\d+$", found)}
    assert {f"Programming Language :: Python :: {version}" for version in tested} == declared
