"""What a report calls measures: as the summary of a run does, whatever variable they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InputError, plain
from ..runs.measures import MEASURES, Measure
from ..tasks import make

LONGEST = 300
"""Characters of a text from a file that are shown."""
SHORT = {
    "fractional_loss_standard_error": "standard error of the fractional loss",
    "fractional_loss_network_error": "network's error in the fractional loss",
    "fractional_loss_reference_error": "reference error in the fractional loss",
    "iterations_done": "iterations done",
    "ridge_to_background": "log ridge to background",
    "sqi": "SqI",
    "above_chance": "sequentiality index above chance",
}
"""Measures that the summary has no row for, or only one within others, and whose long names are long for a heading."""
ANALYSED = {"ridge_to_background": "ridge to background (ratio, average over trials)"}
"""Measures of `analyse` that are others than the variables of the same name in results."""
VARIANTS = {"paper": "", "exact": ", exact", "exact_causal": ", exact causal", "misaligned": ", misaligned"}
ENDINGS = {"_null": ", mean of surrogates", "_delay": ", delay period alone"}
"""Ends of names that are not in the table of measures, and how they are put."""


class Wording(NamedTuple):
    """How a measure is shown.

    Examples
    --------
    >>> Wording("fractional loss, exact", "fractional loss", "exact", "", "").variant
    'exact'
    """

    label: str
    """Its name in words, with the variant."""
    base: str
    """The same without the variant."""
    variant: str
    """`paper`, `exact`, ... ; empty if it is in no table of measures."""
    title: str
    """What it is, in a sentence; may be empty."""
    units: str
    """Empty for a plain number, or if it depends on a task that is not known."""


def text(value: Any, letters: int = LONGEST) -> str:
    """Return a text from anyone's file in one line, without control characters.

    Parameters
    ----------
    value
        The text.
    letters
        Most characters.

    Returns
    -------
    The text.

    Examples
    --------
    >>> text("DE-1\\nand more"), text("\\u202eevil")
    ('DE-1 and more', '\\\\u202eevil')
    """
    return plain(" ".join(str(value).split("\n")), letters, 1)


def wording(name: str, about: Mapping[str, Any]) -> Wording:
    """Return how a measure is shown.

    Parameters
    ----------
    name
        Its variable.
    about
        The attributes `long_name` and `units` of the variable; may be empty.

    Returns
    -------
    Label, title and units.

    Examples
    --------
    >>> wording("fractional_loss_exact_causal", {}).label, wording("n_active_units_delay", {}).label
    ('fractional loss, exact causal', 'active units in a trial, delay period alone')
    >>> wording("sequentiality_index_null", {}).label, wording("sequentiality_index", {}).units
    ('sequentiality index, mean of surrogates', 'nats')
    """
    title = _clean(about.get("long_name", ""))
    if name in (known := _variables()):
        measure, variant, epoch = known[name]
        base = _short(measure) + (f", {epoch} period alone" if epoch else "")
        given = about.get("units", measure.units if isinstance(measure.units, str) else "")
        long = measure.long_name if isinstance(measure.long_name, str) else ""
        return Wording(
            base + VARIANTS.get(variant, f", {variant}"), base, variant, title or _clean(_without_variant(long)),
            units(given),
        )  # fmt: skip
    for ending, words in ENDINGS.items():
        if (stem := name.removesuffix(ending)) != name and stem:
            of = wording(stem, {})
            return Wording(of.label + words, of.base + words, of.variant, title, units(about.get("units", of.units)))
    label = SHORT.get(name, _clean(name).replace("_", " "))
    return Wording(label, label, "", title, units(about.get("units", "")))


def analysed(name: str) -> str:
    """Return what a measure of `recurrent-memory analyse` is called.

    Parameters
    ----------
    name
        Its name in the file.

    Returns
    -------
    The name in words.

    Examples
    --------
    >>> analysed("forward_asymmetry"), analysed("sqi_delay")
    ('forward asymmetry', 'SqI, delay period alone')
    """
    stem = name.removesuffix("_delay")
    base = ANALYSED.get(stem) or wording(stem, {}).label
    return base + (ENDINGS["_delay"] if stem != name else "")


def units(value: Any) -> str:
    """Return a unit as it stands behind a name, empty if there is none.

    Parameters
    ----------
    value
        The attribute `units`.

    Returns
    -------
    The text; counts of units of a network have none, as their names say what is counted.

    Examples
    --------
    >>> units("nats"), units("1"), units("units")
    ('nats', '', '')
    """
    return "" if str(value) in ("1", "none", "units") else text(value, 40)


def units_by_task(name: str, tasks: tuple[str, ...]) -> dict[str, str]:
    """Return the units of a measure whose unit depends on the task.

    Parameters
    ----------
    name
        Its variable.
    tasks
        Names of tasks.

    Returns
    -------
    Units by task, without tasks that are not known here; empty for other measures.

    Examples
    --------
    >>> units_by_task("test_loss", ("de1", "2afc", "my own"))
    {'de1': 'radians', '2afc': 'nats'}
    """
    measure, *_ = _variables().get(name, (None,))
    if measure is None or isinstance(measure.units, str):
        return {}
    found = {}
    for task in tasks:
        try:
            found[task] = units(measure.units(make(task)))
        except InputError:
            continue
    return found


def _variables() -> dict[str, tuple[Measure, str, str | None]]:
    """Return measure, variant and epoch by the name of the variable; users may register more at any time."""
    return {name: (measure, *of) for measure in MEASURES.values() for name, of in measure.variables().items()}


def _short(measure: Measure) -> str:
    if measure.name in SHORT:
        return SHORT[measure.name]
    row = next((row for row in measure.summary if row.epoch is None), None)
    if row is not None:
        return _clean(row.label.replace("({units})", "").replace("{units}", ""))
    long = _without_variant(measure.long_name) if isinstance(measure.long_name, str) else ""
    return _clean(long if 0 < len(long) <= 40 else measure.label)


def _without_variant(long_name: str) -> str:
    return long_name.replace("({variant})", "").replace("{variant}", "").strip()


def _clean(value: Any) -> str:
    return text(value).strip()
