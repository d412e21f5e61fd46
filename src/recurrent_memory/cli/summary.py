"""What the summary of a run says, as text: whoever shows it brings the layout."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from ..errors import InputError, counted, plain
from ..runs.measures import MEASURES, Measure, Row

LONGEST_NOTE = 200
"""Characters of a text from a file that are shown."""
TRIALS_BY_CHANCE, SURROGATES = 50, 10
"""Trials and surrogates for :func:`by_chance`: the mean over so many is off by about 0.01, and takes half a second."""


def title(result: xr.Dataset) -> str:
    """Return one line that says which network, task and training a result is of."""
    a = result.attrs
    words = ", ".join(plain(a[name], LONGEST_NOTE, 1) for name in ("task_title", "condition", "model"))
    return (
        f"{words}: N = {a['n_hidden']}, λ0 = {a['lambda0']:g}, "
        f"σ0 = {a['sigma0']:g}, ρ = {a['rho']:g}, seed {a['seed']}, {counted(result.sizes['iteration'], 'iteration')}"
    )


def rows(result: xr.Dataset) -> list[tuple[str, str, str]]:
    """Return label, published and exact value: of the whole test, of each delay, and of each earlier task."""
    known = sorted(((row, m) for m in MEASURES.values() for row in m.summary), key=lambda of: of[0].place)
    shown = [(row, measure) for row, measure in known if _variables(result, measure, row.epoch)]
    each = [measure for row, measure in shown if row.each]
    n_before = result.sizes.get("stage", 1) - 1
    return [
        *(_row(_label(row, measure, result), result, measure, epoch=row.epoch) for row, measure in shown),
        *(
            _row(f"{measure.label}, delay of {delay} steps", result.isel(delay=number), measure, "delay_")
            for measure in each
            if _variables(result, measure, beginning="delay_")
            for number, delay in enumerate(result["delay"].values)
        ),
        *(
            _row(f"{measure.label} of the task before, {before['stage_task'].item()}", before, measure, "stage_")
            for before in (result.isel(stage=stage) for stage in range(n_before))
            for measure in each
            if _variables(result, measure, beginning="stage_")
        ),
    ]


def explanations(result: xr.Dataset) -> list[str]:
    """Return lines that say what the table's numbers are; fewer if the result is of a version that had fewer."""
    published, exact = (_terms(result, variant) for variant in ("paper", "exact"))
    lines = [f"fractional loss = {published[0]} = {published[1]}"] if published else []
    lines += [f"  exact: {exact[1]}"] if published and exact and exact[1] != published[1] else []
    if "n_active_units" in result:
        also = " or in the average over trials" if "n_active_units_on_average" in result else ""
        lines.append(f"active: mean activity above 0.1, in each trial (shown: mean count){also}")
    return lines


def _terms(result: xr.Dataset, variant: str) -> tuple[str, str] | None:
    """Return the formula of the fractional loss in words and with numbers; None if the result does not have them."""
    names = ("fractional_loss", "fractional_loss_network_error", "fractional_loss_reference_error")
    variables = [MEASURES[name].variable(variant) for name in names]
    if not all(name in result and np.isfinite(result[name]) for name in variables):
        return None
    loss, *errors = (result[name] for name in variables)
    formula = plain(loss.attrs.get("formula", ""), LONGEST_NOTE, 1)
    numbers = {str(of.attrs.get("term", "")): _number(float(of)) for of in errors}
    if not formula or not all(numbers):
        return None
    return formula, re.sub("|".join(map(re.escape, numbers)), lambda term: numbers[term[0]], formula)


def _number(value: float) -> str:
    """Return a number with four decimals, or three digits if it is small."""
    return f"{value:.4f}" if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"


def by_chance(result: xr.Dataset) -> str:
    """Return a line that says what the sequentiality index would be by chance; empty if it is not defined."""
    from ..analysis import against_chance

    some = result.isel(trial=slice(0, None, max(1, result.sizes["trial"] // TRIALS_BY_CHANCE)))
    masked = {"mask": some["mask"].astype(bool)} if not bool(some["mask"].all()) else {}
    found = {}
    for variant in ("paper", "exact"):
        name = MEASURES["sequentiality_index"].variable(variant)
        if name not in result:
            return ""
        settings: dict[str, Any] = {"variant": variant, **(masked if variant == "exact" else {})}
        try:
            chance = against_chance("sequentiality_index", some["activity"], n=SURROGATES, n_bootstrap=0, **settings)
        except InputError:  # a user has changed the activity to something that is none
            return ""
        if np.isfinite([chance["null_mean"], chance["null_sd"]]).all():
            found[variant] = f"{float(chance['null_mean']):.2f} ± {float(chance['null_sd']):.2f}"
    if "paper" not in found:
        return ""
    exact = f" (exact: {found['exact']})" if "exact" in found else ""
    return f"by chance, the index would be {found['paper']}{exact}, units shifted in time (mean ± sd)"


def _label(row: Row, measure: Measure, result: xr.Dataset) -> str:
    units = next((result[name].attrs.get("units", "") for name in _variables(result, measure, row.epoch).values()), "")
    return row.label.replace("{units}", units)


def _row(
    label: str, result: xr.Dataset, measure: Measure, beginning: str = "", epoch: str | None = None
) -> tuple[str, str, str]:
    """Return a row; a measure that has no published variant is shown in the column of the exact one."""
    names = _variables(result, measure, epoch, beginning)
    published, exact = (
        formatted(result[names[variant]], measure) if variant in names else "" for variant in ("paper", "exact")
    )
    return label, published, exact


def _variables(result: xr.Dataset, measure: Measure, epoch: str | None = None, beginning: str = "") -> dict[str, str]:
    """Return the names of a measure's variables in a result, by variant."""
    names = {v: beginning + measure.variable(v, epoch) for v in ("paper", "exact") if v in measure.variants}
    return {variant: name for variant, name in names.items() if name in result}


def formatted(value: xr.DataArray, measure: Measure) -> str:
    """Return a value with the measure's number of decimals, and of how many units if it counts some; or yes or no."""
    if value.dtype.kind == "b":
        return "yes" if bool(value) else "no"
    n_units = value.attrs.get("n_units")
    return f"{float(value):.{measure.decimals}f}" + (f" of {float(n_units):g}" if n_units is not None else "")
