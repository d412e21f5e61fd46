"""The README's scorecard is that of the committed data."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADING = "## Does the paper reproduce?"
COLUMNS = ("claim", "what it says", "effect [95 %]", "seeds", "verdict")


def table(text: str) -> list[dict[str, str]]:
    """Return the rows of the first table in a text, by the names of its columns."""
    lines = text[text.index("\n| claim |") + 1 :].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def test_the_readme_has_the_rows_of_the_scorecard() -> None:
    card = (ROOT / "docs" / "reproduction" / "scorecard.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    expected = [{name: row[name] for name in COLUMNS} for row in table(card)]
    lines = ["| " + " | ".join(row.values()) + " |" for row in expected]
    assert table(readme[readme.index(HEADING) :]) == expected, "\n".join(["the rows should be:", *lines])
