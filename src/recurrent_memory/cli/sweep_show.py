"""``recurrent-memory sweep show``."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import formats_option
from .paths import PATH
from .sweep_file import SETTINGS, SweepFile, of_sweep, selected, where_option

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class _MeasureOption(click.Option):
    """An option whose help lists the default measures; their table is imported only when the help is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the flag and its help."""
        flag, text = super().get_help_record(ctx) or ("", "")
        return flag, f"{text}  [default: {', '.join(_default_measures())}]"


def _default_measures() -> tuple[str, ...]:
    from ..runs.measures import MEASURES

    drawn = sorted((measure.drawn, name) for name, measure in MEASURES.items() if measure.drawn is not None)
    return tuple(name for _, name in drawn)


@click.command(context_settings=SETTINGS)
@of_sweep
@where_option
@click.option(
    "--measure",
    "measures",
    cls=_MeasureOption,
    multiple=True,
    metavar="NAME",
    help="Measure to draw, any that is one number per network; may be repeated",
)
@click.option("--x", metavar="FIELD", help="Horizontal axis  [default: lambda0 if it varies, else the first number]")
@click.option("--y", metavar="FIELD", help="Vertical axis of maps; one line per value  [default: the next number]")
@click.option(
    "--by", multiple=True, metavar="FIELD", help="One panel per value; may be repeated  [default: all other fields]"
)
@click.option(
    "--solved-only/--all-networks",
    default=None,
    help="Show only networks that solved their task, as the paper does, or all  [default: solved only for measures "
    "of activity, such as the sequentiality index; all for other measures]",
)
@click.option(
    "-o",
    "--out",
    type=PATH,
    help="Folder for the pictures  [default: pictures, in the folder of the results]",
)
@formats_option
def show(
    of: SweepFile,
    where: str | None,
    measures: tuple[str, ...],
    x: str | None,
    y: str | None,
    by: tuple[str, ...],
    solved_only: bool | None,
    out: Path | None,
    formats: tuple[str, ...],
) -> None:
    """Draw measures as maps over two fields and as lines.

    Lines have intervals over seeds. The sweep need not be finished. Fields that are neither on an axis nor split into
    panels are averaged over, as the seed is; each picture says so.

    \b
    Example:
      recurrent-memory sweep show sweep.toml --measure peak_entropy --x rho
    """
    from ..sweeps import collect
    from .display import Display
    from .report import save_figures

    sweep, store = of.open()
    networks = selected(of, sweep, where)
    with Display() as display:
        dataset = collect(networks, store, on_progress=display.update_reading, on_message=display.message)
    counts = Counter(dataset["status"].values.ravel().tolist())
    if not counts["finished"]:
        told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        click.echo(f"{of.file}: no network has finished yet ({told}), so there is nothing to draw.")
        return
    about = of.file.name if where is None else f"{of.file.name} where {where}"
    folder = store.path / "pictures" if out is None else out
    figures = _figures(dataset, measures or _measured(dataset), x, y, by or None, solved_only, about)
    for path in save_figures(figures, folder, formats):
        click.echo(path)


def _measured(dataset: xr.Dataset) -> tuple[str, ...]:
    """Return the default measures that the results have; older results may lack some."""
    return tuple(name for name in _default_measures() if name in dataset)


def _figures(
    dataset: xr.Dataset,
    measures: tuple[str, ...],
    x: str | None,
    y: str | None,
    by: tuple[str, ...] | None,
    solved_only: bool | None,
    about: str,
) -> dict[str, Callable[[], Figure]]:
    """Return functions that draw the pictures, by file name."""
    from ..figures import has_map, measure_lines, measure_map

    shared: dict[str, Any] = {"solved_only": solved_only, "about": about}
    with_map = has_map(dataset, x, y, by)
    found: dict[str, Callable[[], Figure]] = {}
    for measure in measures:
        if with_map:
            found[f"{measure}_map"] = functools.partial(measure_map, dataset, measure, x, y, by, **shared)
        found[f"{measure}_lines"] = functools.partial(measure_lines, dataset, measure, x, y, by, **shared)
    return found
