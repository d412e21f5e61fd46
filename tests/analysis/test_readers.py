"""Activity is read by a table of readers, to which anyone can add one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from recurrent_memory.analysis import READERS, VARIANTS, read_activity, sequentiality_index
from recurrent_memory.analysis.variants import Variant
from recurrent_memory.errors import InputError


def cells(parts: list[Any]) -> np.ndarray:
    """An array of arrays, such as a cell array of MATLAB."""
    found = np.empty(len(parts), dtype=object)
    found[:] = parts
    return found


VALUES = np.random.default_rng(0).random((3, 20, 4)).astype(np.float32)


@dataclass
class SpikeTimes:
    """A recording as another library might hold it: units by (trial, step) of each spike."""

    spikes: list[list[tuple[int, int]]]
    n_trials: int
    n_steps: int


@pytest.fixture
def reader_of_spikes() -> Iterator[None]:
    @READERS.register
    def spike_times(activity: Any) -> np.ndarray | None:
        if not isinstance(activity, SpikeTimes):
            return None
        counts = np.zeros((activity.n_trials, activity.n_steps, len(activity.spikes)))
        for unit, spikes in enumerate(activity.spikes):
            for trial, step in spikes:
                counts[trial, step, unit] += 1
        return counts

    yield
    del READERS._entries["spike_times"]


@pytest.mark.parametrize(
    "activity",
    [
        VALUES,
        jnp.asarray(VALUES),
        list(VALUES),
        tuple(VALUES),
        VALUES.tolist(),
        cells(list(VALUES)),
        cells(list(VALUES)).reshape(1, 3),
        [pd.DataFrame(trial, columns=list("abcd")) for trial in VALUES],
        [pd.DataFrame(trial).astype("Float32") for trial in VALUES],
        [xr.DataArray(trial.T, dims=("neuron", "step")) for trial in VALUES],
        [jnp.asarray(trial) for trial in VALUES],
        xr.DataArray(VALUES, dims=("trial", "time", "unit")).transpose("unit", "trial", "time"),
        xr.DataArray(VALUES, dims=("sweep", "sample", "channel")),
        xr.Dataset({"activity": (("time", "trial", "unit"), VALUES.swapaxes(0, 1)), "loss": 0.5}),
    ],
    ids=[
        "numpy", "jax", "trials", "tuple", "lists", "cells", "row of cells", "data_frames", "nullable", "data_arrays",
        "jax_trials", "data_array", "other_names", "dataset",
    ],
)  # fmt: skip
def test_each_kind_gives_the_same_numbers(activity: Any) -> None:
    read = read_activity(activity)
    assert read.dims == ("trial", "time", "unit")
    np.testing.assert_array_equal(read.values.astype(np.float32), VALUES)


def test_coordinates_of_a_data_set_are_kept() -> None:
    activity = xr.Dataset({"activity": (("trial", "time", "unit"), VALUES)}, coords={"unit": [7, 5, 3, 1]})
    assert read_activity(activity)["unit"].values.tolist() == [7, 5, 3, 1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "uint16", "bool"])
def test_other_numbers_are_numbers_too(dtype: str) -> None:
    values = jnp.asarray(VALUES * 5, dtype)
    np.testing.assert_array_equal(read_activity(values), np.asarray(values, np.float32))


@pytest.mark.parametrize(
    ("activity", "message"),
    [
        ([VALUES[0], VALUES[1, :, :3]], r"trial 1 has the shape \(20, 3\), trial 0 \(20, 4\)"),
        ([VALUES[0], VALUES[1, 0]], r"trial 1 has the shape \(4,\)"),
        (cells([VALUES[0], VALUES[1, :, :3]]), r"trial 1 has the shape \(20, 3\)"),
        ([[[1.0, 2.0], [3.0]]], r"trial 0 is not \(time, unit\)"),
        ([VALUES, VALUES[:2]], "can't be read as an array"),
        ([pd.DataFrame(VALUES[0], columns=[*columns]) for columns in ("abcd", "abdc")], "trial 1 names its units diff"),
        ([xr.DataArray(VALUES[0], dims=("time", "x"))], r"must be time, unit, in any order; they are .*`x` \(not und"),
        (pd.DataFrame(VALUES[0]), r"got a DataFrame of shape \(20, 4\).\nGive a list of one DataFrame"),
        ([pd.DataFrame({"a": ["x"]})], "must hold real numbers, got DataFrame of type"),
        (list(VALUES.astype(complex)), "must hold real numbers, got ndarray of type complex"),
        (VALUES.astype(str), "must hold real numbers, got ndarray of type <U"),
        (VALUES.astype(object), "must hold real numbers, got ndarray of type object"),
        (VALUES.astype("timedelta64[s]"), "must hold real numbers, got ndarray of type timedelta"),
        ({0: VALUES[0]}, "must hold real numbers, got dict"),
        ([], "must have three axes"),
    ],
)
def test_what_is_no_activity_is_refused(activity: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sequentiality_index(activity)
    assert len(str(error.value).splitlines()) <= 4


def test_data_set_without_activity() -> None:
    with pytest.raises(InputError, match=r"`activity` can't be read as an array(.|\n)*It has: rates. Give one"):
        read_activity(xr.Dataset({"rates": (("trial", "time", "unit"), VALUES)}))


@pytest.mark.usefixtures("reader_of_spikes")
def test_own_reader_is_asked_first() -> None:
    recording = SpikeTimes([[(0, 1), (0, 1)], [(1, 4)]], n_trials=2, n_steps=5)
    read = read_activity(recording)
    assert read.shape == (2, 5, 2)
    assert read.values[0, 1, 0] == 2
    assert read.values.sum() == 3
    assert float(sequentiality_index(recording, min_rate=0.0, window=3)["n_active_units"]) == 1


def test_unknown_recording() -> None:
    with pytest.raises(InputError, match="`activity` must hold real numbers, got SpikeTimes"):
        read_activity(SpikeTimes([], n_trials=1, n_steps=1))


def test_own_variant_of_the_index() -> None:
    exact = VARIANTS["exact"]
    VARIANTS.register(
        Variant(
            name="first_half",
            window=exact.window,
            bin_range=lambda n_steps: (0, n_steps // 2),
            needs_odd_window=True,
            undefined_is_nan=True,
        )
    )
    try:
        time, peak = np.arange(40)[:, None], np.array([5, 15, 25, 35])
        activity = 0.1 + np.exp(-0.5 * (time - peak) ** 2)[None]
        own = sequentiality_index(activity, variant="first_half", n_bins=4, min_rate=0.0)
        whole = sequentiality_index(activity, variant="exact", n_bins=4, min_rate=0.0)
    finally:
        del VARIANTS._entries["first_half"]
    assert own.attrs["variant"] == "first_half"
    # Of the four bins, the peaks at 5 and 15 fall into two in the first half; those at 25 and 35 are not counted.
    p = np.array([0.1, 1.1, 0.1, 1.1]) / 2.4
    assert float(own["peak_entropy"]) == pytest.approx(-(p * np.log(p)).sum())
    assert float(whole["peak_entropy"]) == pytest.approx(np.log(4))
    np.testing.assert_array_equal(own["ridge_to_background"], whole["ridge_to_background"])
