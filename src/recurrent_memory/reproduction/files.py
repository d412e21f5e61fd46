"""The files of a scorecard: tables, text and pictures. The same networks give the same bytes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from .. import storage
from ..errors import InputError
from ..storage.reading import MOST_TEXT, read_bytes
from .claims import CLAIMS
from .pictures import picture
from .report import main_rows, markdown
from .scorecard import losses, shares

BEGIN, END = "<!-- scorecard -->", "<!-- end of the scorecard -->"
"""Marks on a page, between which the tables stand."""


def write(
    frame: pd.DataFrame, card: pd.DataFrame, out: Path, *, page: Path | None = None, with_pictures: bool = True,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:  # fmt: skip
    """Write scorecard, losses, shares and pictures.

    Parameters
    ----------
    frame, card
        Networks, and their scorecard.
    out
        Folder to write to.
    page
        A Markdown page that gets the tables between its marks; None: none.
    with_pictures
        Whether to draw a picture for each claim.
    on_progress
        Called with the number of pictures drawn, and their total.

    Returns
    -------
    The files.

    Raises
    ------
    InputError
        If the page has no marks; before anything is written.

    Examples
    --------
    >>> from recurrent_memory.reproduction.claims import chosen
    >>> from recurrent_memory.reproduction.data import completed
    >>> from recurrent_memory.reproduction.scorecard import scorecard
    >>> made = completed(pd.DataFrame({"task": ["comp", "2afc"] * 4, "seed": [0, 0, 1, 1, 2, 2, 3, 3]}))
    >>> [path.name for path in write(made, scorecard(made, chosen(["1a"])), Path("card"), with_pictures=False)]
    ['scorecard.csv', 'losses.csv', 'shares.csv', 'scorecard.md']
    """
    around = None if page is None else around_marks(page)
    out.mkdir(parents=True, exist_ok=True)
    explained = shares(frame)
    files = []
    for name, table in (("scorecard", card), ("losses", losses(frame)), ("shares", explained)):
        files.append(out / f"{name}.csv")
        storage.write_atomically(files[-1], table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    pictures = _draw(frame, card, out / "figures", on_progress) if with_pictures else {}

    def text_for(folder: Path) -> str:
        return markdown(frame, card, explained, {of: _link(path, folder) for of, path in pictures.items()})

    files += [*pictures.values(), out / "scorecard.md"]
    storage.write_atomically(files[-1], f"# Scorecard\n\n{text_for(out)}\n")
    if page is not None and around is not None:
        before, after = around
        storage.write_atomically(page, f"{before}{BEGIN}\n{text_for(page.parent)}\n{END}{after}")
        files.append(page)
    return files


def _draw(
    frame: pd.DataFrame, card: pd.DataFrame, folder: Path, on_progress: Callable[[int, int], None]
) -> dict[tuple[int, str], Path]:
    """Draw a picture for each claim of the paper about which there are data."""
    folder.mkdir(exist_ok=True)
    rows = pd.concat([main_rows(card, n_hidden) for n_hidden in sorted(set(card["n_hidden"].tolist()))])
    rows = rows[rows["verdict"] != "no data"]
    found = {}
    for number, (n_hidden, claim) in enumerate(zip(rows["n_hidden"].tolist(), rows["claim"], strict=True)):
        own = (table[table["n_hidden"] == n_hidden] for table in (frame, card))
        figure = picture(CLAIMS[claim], *own)
        path = found[n_hidden, claim] = folder / f"claim-{claim}-n{n_hidden}.png"
        # Without the version of Matplotlib, which would differ on another machine even if the picture did not.
        save = functools.partial(figure.savefig, format="png", metadata={"Software": None})
        storage.write_atomically(path, save)
        on_progress(number + 1, len(rows))
    return found


def around_marks(page: Path) -> tuple[str, str]:
    """Return what stands before and after the place for the scorecard on a page.

    Parameters
    ----------
    page
        The page.

    Returns
    -------
    Both texts.

    Raises
    ------
    InputError
        If the page has no such place, or cannot be read.

    Examples
    --------
    >>> _ = Path("page.md").write_text(f"Results:\\n{BEGIN}\\nold\\n{END}\\n")
    >>> around_marks(Path("page.md"))
    ('Results:\\n', '\\n')
    """
    text = read_bytes(page, most=MOST_TEXT).decode("utf-8", "replace")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{page} has no place for the scorecard: put the lines {BEGIN} and {END} where it belongs.")
    return before, after


def _link(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
