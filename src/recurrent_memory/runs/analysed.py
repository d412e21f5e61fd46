"""Is the activity of a run or of a recording a sequence? All measures of it, as one labelled data set."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import xarray as xr

from .. import storage
from ..analysis.activity import MASK, check_min_rate
from ..analysis.all_measures import measure_all, measure_names
from ..analysis.arguments import check_count, check_seed
from ..analysis.nulls import NULLS
from ..analysis.readers import read
from ..errors import DamagedResultError, FileError, InputError, first_line
from ..experiment import Experiment
from ..storage.reading import check_holes, most_for
from . import result as results
from .folder import RunFolder

FORMAT = "recurrent-memory analysis 1"
"""Attribute `format` of every analysis."""
ACTIVITY = "activity"


class Recorded(NamedTuple):
    """Activity to measure, from wherever it is.

    Examples
    --------
    >>> Recorded(np.ones((4, 150, 20)), delay=(25, 125)).delay
    (25, 125)
    """

    activity: Any
    """What `read_activity` understands."""
    mask: Any = None
    """(trial, time), True for the steps that count; None: all."""
    delay: tuple[int, int] | None = None
    """First step of the delay and the step after the last; None: not known."""
    weights: Any = None
    """Recurrent weights (from, to), for `forward_asymmetry`; None: not known."""


@dataclass(frozen=True)
class Analysis:
    """What is measured, and with what it is compared.

    Examples
    --------
    >>> Analysis(measures=("SqI",), null="circular-shift").null
    'circular_shift'
    """

    measures: tuple[str, ...] | None = None
    """Names of measures (`ACTIVITY_MEASURES`, and `forward_asymmetry`); None: all."""
    null: str | None = None
    """Name of the surrogates (`NULLS`); None: the values alone."""
    n: int = 1000
    """Number of surrogates."""
    seed: int = 0
    """Of the surrogates."""
    steps: tuple[int, int] | None = None
    """First step measured and the step after the last; None: the whole trial and, if it is known, the delay."""
    min_rate: float | None = None
    """Threshold of active units; None: each measure's own."""

    def __post_init__(self) -> None:
        """Raise an `InputError` if a setting is not allowed, and spell names as they are registered."""
        check_count("n", self.n, 1)
        check_seed(self.seed)
        if self.min_rate is not None:
            check_min_rate(self.min_rate)
        object.__setattr__(self, "measures", None if self.measures is None else measure_names(self.measures))
        object.__setattr__(self, "null", None if self.null is None else NULLS.spelled(self.null))

    def attributes(self) -> dict[str, Any]:
        """Return the settings as attributes of a data set; analyses with the same ones can be put together."""
        return {
            "format": FORMAT,
            "measures": ", ".join(measure_names(self.measures)),
            "null": self.null or "none",
            "n": 0 if self.null is None else self.n,
            "seed": self.seed,
            "steps": "whole trial and delay" if self.steps is None else "{}:{}".format(*self.steps),
            "min_rate": "default of each measure" if self.min_rate is None else float(self.min_rate),
        }


def analyse(
    recorded: Recorded, settings: Analysis, *, threads: int | None = None,
    on_progress: Callable[[float], None] = lambda done: None,
) -> xr.Dataset:  # fmt: skip
    """Measure activity over the whole trial, and over the delay if that is known.

    Parameters
    ----------
    recorded
        The activity.
    settings
        What is measured.
    threads, on_progress
        As in `measure_all`.

    Returns
    -------
    Along `measure` what `measure_all` returns; measures of the delay alone have names that end in `_delay`. Also
    `epoch` (`trial`, `delay` or `steps`), `first_step` and `stop_step`, the step after the last. Attributes: settings
    and versions.

    Raises
    ------
    InputError
        If the activity cannot be read, or has no such steps.

    Examples
    --------
    >>> found = analyse(Recorded(np.eye(20)[None], delay=(5, 15)), Analysis(measures=("sqi",), min_rate=0.0))
    >>> found.measure.values.tolist(), float(found.value.sel(measure="sqi"))
    (['sqi', 'sqi_delay'], 1.0)
    """
    spans = {"trial" if settings.steps is None else "steps": settings.steps}
    if settings.steps is None and recorded.delay is not None:
        spans["delay"] = recorded.delay
    parts = []
    for number, (epoch, steps) in enumerate(spans.items()):
        found = measure_all(
            recorded.activity, settings.measures, null=settings.null, n=settings.n, seed=settings.seed, steps=steps,
            mask=recorded.mask, min_rate=settings.min_rate, weights=recorded.weights, threads=threads,
            on_progress=lambda done, number=number: on_progress((number + done) / len(spans)),  # type: ignore[misc]
        )  # fmt: skip
        parts.append(_of_epoch(found, epoch, steps or (0, _n_steps(recorded.activity))))
    whole = xr.concat(parts, "measure", combine_attrs="drop")
    return whole.assign_attrs({**settings.attributes(), **results.versions()})


def _of_epoch(found: xr.Dataset, epoch: str, steps: tuple[int, int]) -> xr.Dataset:
    names = found["measure"].values
    long_names = ("First step measured", "Step after the last one measured")
    limits = {
        name: ("measure", np.full(names.size, float(step)), {"units": "steps", "long_name": long_name})
        for name, step, long_name in zip(("first_step", "stop_step"), steps, long_names, strict=True)
    }
    ending = "_delay" if epoch == "delay" else ""
    about = ("measure", np.full(names.size, epoch, object), {"long_name": "Part of the trial that is measured"})
    return found.assign(limits).assign_coords(measure=[f"{name}{ending}" for name in names], epoch=about)


def _n_steps(activity: Any) -> int:
    return int(read(activity).shape[1])


def open_recorded(
    path: Path, variable: str | None = None, formats: Mapping[str, Callable[[Path, str | None], Recorded]] | None = None
) -> Recorded:
    """Read activity from a run folder, a result, a file of NumPy or NetCDF, or what a reader of the user's reads.

    Parameters
    ----------
    path
        A run folder, or a file that ends in ``.nc``, ``.npz`` or ``.npy``. Any file is first offered to the readers of
        activity (`READERS`) as a path.
    variable
        Name of the array in the file; None: `activity`, or the only one.
    formats
        Functions that read other files, by the ending of their names.

    Returns
    -------
    The activity; with the array `mask` (trial, time) of the same file, if that holds truth values.

    Raises
    ------
    InputError
        If there is no such file or array, it is not known which array is meant, or the run is not finished.

    Examples
    --------
    >>> np.savez("recording.npz", rates=np.ones((4, 150, 20)), baseline=np.zeros(20))
    >>> open_recorded(Path("recording.npz"), "rates").activity.shape
    (4, 150, 20)
    """
    if path.is_dir():
        place = RunFolder(path)
        place.experiment()  # raises if it is none
        if not place.finished:
            raise InputError(f"{path} is not finished: the same `recurrent-memory train` command resumes it.")
        return of_dataset(results.load(place), path, variable)
    if not path.exists():
        raise FileError(f"There is no file or run folder {path}.")
    own = read(path)
    if own.ndim > 0:  # otherwise no reader took more than the path itself
        return Recorded(own)
    known = {".nc": _of_netcdf, ".npz": _of_npz, ".npy": _of_npy, **(formats or {})}
    if path.suffix not in known:
        raise InputError(
            f"{path} is not understood: give a run folder, or a file that ends in {', '.join(known)}.\n"
            "A reader of your own (`rm.analysis.READERS`) can read other files."
        )
    return known[path.suffix](path, variable)


def of_dataset(dataset: xr.Dataset, path: Path, variable: str | None = None) -> Recorded:
    """Find the activity in a data set, which steps each trial has, and when the delay is.

    Parameters
    ----------
    dataset
        A result, or any data set.
    path
        Where it is from, for messages.
    variable
        Name of the variable; None: `activity`, or the only one.

    Returns
    -------
    The activity.

    Raises
    ------
    InputError
        If there is no such variable, or it is not known which is meant.

    Examples
    --------
    >>> made = xr.Dataset({"rates": (("trial", "time", "unit"), np.ones((4, 3, 20)))})
    >>> made = made.assign_coords(epoch=("time", ["stimulus", "delay", "response"]))
    >>> of_dataset(made, Path("made.nc")).delay
    (1, 2)
    """
    shapes = {str(name): of.shape for name, of in dataset.data_vars.items()}
    activity = dataset[chosen(shapes, path, variable)]
    delay = _delay(dataset, activity.shape[1]) if activity.dims[1:2] == ("time",) else None
    return Recorded(activity, _truths(dataset.get(MASK)), delay, weights_of(dataset))


def weights_of(dataset: xr.Dataset) -> Any:
    """Return the recurrent weights (from, to) of a result: of a gru those of the candidate, the last of its blocks."""
    weights = dataset.get("recurrent_weights")
    if weights is None or weights.ndim != 2 or weights.shape[1] != 3 * weights.shape[0]:
        return weights
    return weights.values[:, -weights.shape[0] :]


def _truths(mask: Any) -> Any:
    """Return an array that can be the mask of trials; None if it cannot, or there is none."""
    return mask if mask is not None and mask.ndim == 2 and mask.dtype.kind == "b" else None


def chosen(shapes: Mapping[str, Any], path: Path, variable: str | None) -> str:
    """Return the name of the array that holds the activity.

    Parameters
    ----------
    shapes
        The arrays of a file by name, with their shapes; an empty text if a shape is not known.
    path
        The file, for messages.
    variable
        The name that the user gave; None: `activity`, or the only array beside a mask.

    Returns
    -------
    The name.

    Raises
    ------
    InputError
        If there is none, or several; the message lists the names.

    Examples
    --------
    >>> chosen({"rates": (4, 150, 20), "mask": (4, 150)}, Path("recording.npz"), None)
    'rates'
    """
    listing = ", ".join(f"{name} {shape}".rstrip() for name, shape in shapes.items()) or "nothing"
    if variable is not None:
        if variable not in shapes:
            raise InputError(f"{path} has no variable {variable!r}.\nIt has: {listing}.")
        return variable
    candidates = [name for name in shapes if name != MASK]
    if ACTIVITY in candidates:
        return ACTIVITY
    if len(candidates) == 1:
        return candidates[0]
    if len(possible := [name for name in candidates if len(shapes[name]) == 3]) == 1:  # (trial, time, unit)
        return possible[0]
    raise InputError(
        f"{path}: which variable is the activity, (trial, time, unit)? Give its name as `variable`.\nIt has: {listing}."
    )


def _delay(dataset: xr.Dataset, n_steps: int) -> tuple[int, int] | None:
    """Return the steps of the delay: of the result's experiment, or those that are named so."""
    found = None
    with contextlib.suppress(InputError, ValueError, TypeError):  # a task of the user's own may not be here
        about = dataset.attrs
        if "experiment" in about:
            found = Experiment(**json.loads(about["experiment"])).make_task().epochs.get("delay")
        elif "task" in about and ACTIVITY in dataset:  # a file of the published scripts
            of_task = Experiment(task=about["task"], condition=about.get("condition", "basic"))
            found = of_task.make_task().epochs.get("delay")
    if found is None and "epoch" in dataset.coords and dataset["epoch"].dims == ("time",):
        (named,) = np.nonzero(dataset["epoch"].values == "delay")
        found = (int(named[0]), int(named[-1]) + 1) if named.size else None
    return found if found is not None and 0 <= found[0] < found[1] <= n_steps else None


def _of_netcdf(path: Path, variable: str | None) -> Recorded:
    try:
        found = storage.load_dataset(path)
    except DamagedResultError as error:
        if (path.parent / "experiment.json").exists():
            raise
        what = "a NetCDF file that has activity (trial, time, unit)"
        raise DamagedResultError(f"{first_line(error)}\nRestore it from a copy, or give {what}.") from None
    return of_dataset(found, path, variable)


def _of_npz(path: Path, variable: str | None) -> Recorded:
    with _reading(path) as opened, _unpacked(path, opened) as file:
        activity = file[chosen(_shapes(opened), path, variable)]
        mask = file[MASK] if MASK in file and variable != MASK else None
    return Recorded(activity, _truths(mask))


def _of_npy(path: Path, variable: str | None) -> Recorded:
    if variable is not None:
        raise InputError(f"`variable` = {variable!r} is not allowed: {path} holds a single array without a name.")
    with _reading(path) as opened:
        return Recorded(np.load(opened, allow_pickle=False))


def _shapes(opened: BinaryIO) -> dict[str, Any]:
    """Return the shapes of the arrays of an archive that hold numbers, "" of others, from their headers alone."""
    shapes: dict[str, Any] = {}
    with zipfile.ZipFile(opened) as archive:
        for member in archive.namelist():
            if not member.endswith(".npy"):
                shapes[member] = ""
                continue
            with archive.open(member) as array:
                version = np.lib.format.read_magic(array)
                header = (
                    np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = header(array)
            shapes[member.removesuffix(".npy")] = shape if dtype.kind in "biuf" else ""
    return shapes


def _unpacked(path: Path, opened: BinaryIO) -> Any:
    """Return the arrays of an archive, which are read on first use; it must not unpack to far more than it is."""
    with zipfile.ZipFile(opened) as archive:
        size, unpacked = path.stat().st_size, sum(of.file_size for of in archive.infolist())
    if unpacked > most_for(size):
        raise DamagedResultError(
            f"{path} unpacks to too much: its {size:,} bytes to {unpacked:,}. If it is a recording, save it by "
            "np.savez, which does not pack."
        )
    opened.seek(0)
    return np.load(opened, allow_pickle=False)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and turn the errors of NumPy about it into one that says what to do."""
    check_holes(path)
    try:
        with path.open("rb") as opened:  # NumPy would leave a damaged file open
            yield opened
    except (InputError, OSError):
        raise
    except Exception as error:  # on a damaged file, NumPy and what it is built on raise almost any exception
        what = first_line(error)
        if "allow_pickle" in what:
            what = "it holds Python objects, not numbers: pad the trials to one length, and add a `mask`"
        raise DamagedResultError(f"{path} cannot be read as arrays of NumPy ({what}).") from None
