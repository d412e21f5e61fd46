"""The networks whose activity a report shows, and what is done to get it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import xarray as xr

from ..errors import InputError, InterruptedRunError, counted, first_line
from ..runs.resources import settled
from .contents import Detail
from .details import detail, most_telling

MOST_DETAILS = 100
"""Networks whose activity is shown unless another number is given: some 25 kB each."""


@dataclass(frozen=True)
class Wanted:
    """What is read, and who is told how far it is.

    Examples
    --------
    >>> Wanted().activity
    100
    """

    activity: int = MOST_DETAILS
    """Most networks whose activity is shown."""
    analysis: Path | None = None
    """File of `recurrent-memory analyse` of the same networks."""
    on_reading: Callable[[int, int], None] = lambda done, total: None
    on_curves: Callable[[int, int], None] = lambda done, total: None
    on_claims: Callable[[int, int], None] = lambda done, total: None
    on_activity: Callable[[int, int], None] = lambda done, total: None
    on_message: Callable[[str], None] = lambda line: None
    should_stop: Callable[[], bool] = lambda: False
    known: dict[str, Detail] = field(default_factory=dict)
    """Activity in earlier reports of the same networks, by identity."""

    def quiet(self) -> Wanted:
        """Return the same without progress, as for a page that is written again."""
        nobody = type(self)()
        return replace(self, on_reading=nobody.on_reading, on_curves=nobody.on_curves, on_activity=nobody.on_activity)

    def look_up(self) -> None:
        """Raise an `InterruptedRunError` if the user has stopped the command."""
        if self.should_stop():
            raise InterruptedRunError("Stopped; the report was not written.")


def details_of(
    table: pd.DataFrame, fields: Sequence[str], activity: Callable[[int], xr.Dataset], wanted: Wanted
) -> tuple[dict[int, Detail], list[str]]:
    """Return the activity of some networks.

    Parameters
    ----------
    table
        All networks.
    fields
        Columns that are settings.
    activity
        Returns the result of the network in a row, with activity.
    wanted
        What is read.

    Returns
    -------
    Details by row, and sentences about networks that have none.

    Raises
    ------
    InterruptedRunError
        If the user has stopped the command.

    Examples
    --------
    >>> table = pd.DataFrame({"status": ["finished", "left"]})
    >>> details_of(table, [], lambda row: xr.Dataset(), Wanted())
    ({}, ['1 network without activity: its result has no activity.'])
    """
    varying = [name for name in fields if name != "seed" and table[name].nunique(dropna=False) > 1]
    chosen = most_telling(table, varying, wanted.activity)
    found: dict[int, Detail] = {}
    missing: dict[str, int] = {}
    with settled():
        for number, row in enumerate(chosen):
            wanted.look_up()
            identity = str(table["identity"][row]) if "identity" in table else str(row)
            try:
                if identity not in wanted.known:
                    wanted.known[identity] = _detail(activity(row))
                found[row] = wanted.known[identity]
            except InputError as error:
                reason = first_line(error)
                missing[reason] = missing.get(reason, 0) + 1
            wanted.on_activity(number + 1, len(chosen))
    return found, list(_told(table, chosen, missing, wanted.activity))


def _detail(result: xr.Dataset) -> Detail:
    if "activity" not in result:
        raise InputError("its result has no activity")
    return detail(result)


def _told(table: pd.DataFrame, chosen: Sequence[int], missing: Mapping[str, int], most: int) -> Iterator[str]:
    finished = int((table["status"] == "finished").sum())
    if 0 < most <= len(chosen) < finished:
        yield (
            f"Activity is shown for {len(chosen)} of {finished} finished networks, spread over all settings; "
            "--activity N shows more."
        )
    elif most == 0 and finished:
        yield "No activity is shown, because of --activity 0."
    for reason, count in missing.items():
        yield f"{counted(count, 'network')} without activity: {reason}."
