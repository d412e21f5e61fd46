"""Trained networks that come with the package: ``rm.load("bank:comp-sequential")``.

Each file beside this one is a network that :func:`recurrent_memory.save` has written. ``python -m benchmarks.bank`` in
the repository trains them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["names", "table"]

PREFIX = "bank:"
FOLDER = Path(__file__).parent
COLUMNS = ("fractional_loss", "fractional_loss_exact", "test_loss", "sequentiality_index", "n_active_units")
"""Measures in the table; a file has all those that are one number."""


def names() -> tuple[str, ...]:
    """List the trained networks that come with the package.

    Returns
    -------
    What :func:`recurrent_memory.load` takes, such as "bank:comp-sequential".

    Examples
    --------
    >>> "bank:comp-sequential" in names()
    True
    """
    return tuple(sorted(PREFIX + path.stem for path in FOLDER.glob("*.safetensors")))


def table() -> pd.DataFrame:
    """Describe the trained networks that come with the package.

    Returns
    -------
    A row for each network, by name: its task and settings, and measures of its test, as published unless their names
    say "exact". NaN: the measure is not defined for the task.

    Examples
    --------
    >>> table().loc["bank:comp-sequential", ["task", "condition"]].tolist()
    ['comp', 'basic']
    """
    import pandas as pd

    from ..runs.saved import experiment_of, measures_of
    from ..storage.arrays import load_notes

    rows = {}
    for name in names():
        path = file_of(name)
        notes = load_notes(path)
        experiment, measures = experiment_of(notes, path), measures_of(notes, path)
        settings = ("task", "condition", "model", "n_hidden", "lambda0", "sigma0", "rho", "seed", "iterations")
        rows[name] = {of: getattr(experiment, of) for of in settings} | {of: measures.get(of) for of in COLUMNS}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def is_name(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is the name of a network of the bank, known or not."""
    return str(path).startswith(PREFIX)


def file_of(name: str | os.PathLike[str]) -> Path:
    """Return the file of a network.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    known = names()
    if (given := str(name)) not in known:
        closest = nearest(given, known)
        raise InputError(f"There is no network {given!r}.{closest} The bank has: {', '.join(known)}.")
    return FOLDER / f"{given.removeprefix(PREFIX)}.safetensors"
