"""Made-up contents of a report."""

from __future__ import annotations

import html.parser
import json
from typing import Any

import numpy as np
import pandas as pd

from recurrent_memory.report.contents import Contents, Curve, Failed, Scores

EVIL = "<script>alert(1)</script>"
"""A name that a careless page would run."""


def contents(**changes: Any) -> Contents:
    """Return contents with four networks, one of which has failed, and names that are meant to do harm."""
    table = pd.DataFrame({
        "task": ["de1", EVIL, "comp", "comp"],
        "lambda0": [0.9, 0.98, 0.9, 0.98],
        "seed": [2**32 - 1, 2**24 + 1, 0, 1],
        "status": ["finished", "finished", "diverged", "finished"],
        "identity": ["a" * 20, "b" * 20, "</script>", "d" * 20],
        "fractional_loss": [0.3, np.nan, np.nan, np.inf],
        "solved": [True, False, False, False],
        "host": ["node7", "\u202enode8", EVIL, ""],
    })  # fmt: skip
    curve = Curve("training_loss", "training loss", np.array([1.0, 2.0]), np.arange(8.0).reshape(4, 2))
    rows = [{"claim": "1a", "what it says": EVIL, "verdict": "reproduced"}]
    made: dict[str, Any] = {
        "source": f"{EVIL}.toml", "kind": "study", "table": table, "fields": ("task", "lambda0", "seed"),
        "about": {"fractional_loss": {"units": EVIL, "long_name": "a\u2028b"}}, "commands": [EVIL] * 4,
        "curves": [curve], "failures": [Failed(2, "diverged", EVIL, 7)], "notes": [EVIL],
        "scores": [Scores(100, EVIL, {EVIL: rows}, [{"claim": "1a", "says": EVIL, "size": float("nan")}])],
    }  # fmt: skip
    return Contents(**{**made, **changes})


class Elements(html.parser.HTMLParser):
    """The elements of a page, the contents of its scripts, and all other text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "script":
            self.scripts[-1] += data
        elif self.within != "style":
            self.text += data


def data_of(page: str) -> dict[str, Any]:
    """Return the data in a page."""
    found: dict[str, Any] = json.loads(Elements(page).scripts[0])
    return found
