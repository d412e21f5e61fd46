"""What measures are given besides activity: nothing of it is dropped in silence, and what cannot be is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from recurrent_memory import analysis
from recurrent_memory.errors import InputError

RANDOM = np.random.default_rng(0)
ACTIVITY, WEIGHTS, LABEL = RANDOM.random((6, 30, 8)), RANDOM.normal(size=(8, 8)), np.arange(6) % 2
NETWORKS = xr.Dataset({"m": (("g", "seed"), RANDOM.random((2, 4)))}, {"g": ["a", "b"], "seed": range(4)})

OF_WEIGHTS: dict[str, Callable[[Any], xr.Dataset]] = {
    "non_normality": analysis.non_normality,
    "schur_parts": analysis.schur_parts,
    "forward_asymmetry": lambda weights: analysis.forward_asymmetry(weights, np.arange(8), 20),
    "observability": analysis.observability,
    "connectivity_profile": lambda weights: analysis.connectivity_profile(weights, np.arange(8)),
}
OF_LABELS: dict[str, Callable[[Any], Any]] = {
    "tuning": lambda label: analysis.tuning(ACTIVITY, label),
    "as_conditions": lambda label: analysis.as_conditions(ACTIVITY, label),
    "cross_temporal_decoding": lambda label: analysis.cross_temporal_decoding(ACTIVITY, label),
    "peak_consistency": lambda label: analysis.peak_consistency(ACTIVITY, groups=label),
}
OF_SEEDS: dict[str, Callable[[Any], Any]] = {
    "time_decoding": lambda seed: analysis.time_decoding(ACTIVITY, seed=seed),
    "peak_consistency": lambda seed: analysis.peak_consistency(ACTIVITY, seed=seed),
    "cross_temporal_decoding": lambda seed: analysis.cross_temporal_decoding(ACTIVITY, LABEL, seed=seed),
    "forward_asymmetry": lambda seed: analysis.forward_asymmetry(WEIGHTS, np.arange(8), seed=seed),
    "compare": lambda seed: analysis.compare(NETWORKS, "m", between="g", seed=seed),
    "measure_all": lambda seed: analysis.measure_all(ACTIVITY, ["sqi"], seed=seed),
    "against_chance": lambda seed: analysis.against_chance("sqi", ACTIVITY, n=2, seed=seed),
}


def test_masked_peaks_are_units_without_a_peak() -> None:
    peaks = np.ma.masked_array(np.arange(8.0), np.arange(8) > 4)
    found = analysis.forward_asymmetry(WEIGHTS, peaks, 20)
    xr.testing.assert_identical(
        found, analysis.forward_asymmetry(WEIGHTS, np.where(np.arange(8) > 4, np.nan, peaks.data), 20)
    )
    assert found.attrs["n_left_out"] == 3


@pytest.mark.parametrize("measure", OF_WEIGHTS.values(), ids=OF_WEIGHTS)
def test_weights_that_are_masked_or_complex_are_refused(measure: Callable[[Any], xr.Dataset]) -> None:
    with pytest.raises(InputError, match="`weights` holds 11 NaN"):
        measure(np.ma.masked_array(WEIGHTS, WEIGHTS > 1))
    with pytest.raises(InputError, match="`weights` must hold real numbers, got complex128"):
        measure(WEIGHTS + 1j)
    with pytest.raises(InputError, match="`weights` must hold real numbers, got text"):
        measure("x")


@pytest.mark.parametrize("measure", OF_LABELS.values(), ids=OF_LABELS)
def test_labels_that_are_missing_are_refused(measure: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match="masked entries: leave those trials out"):
        measure(np.ma.masked_array(LABEL, LABEL == 1))
    with pytest.raises(InputError, match="without a label"):
        measure([None] * 6)
    with pytest.raises(InputError, match="only texts or only numbers"):
        measure(np.array(["a", 1] * 3, object))


@pytest.mark.parametrize("measure", OF_LABELS.values(), ids=OF_LABELS)
@pytest.mark.parametrize("label", [LABEL, np.array(["left", "right"])[LABEL]], ids=["numbers", "texts"])
def test_labels_of_a_table_are_as_good(measure: Callable[[Any], Any], label: np.ndarray) -> None:
    xr.testing.assert_identical(measure(label.astype(object)), measure(label))


@pytest.mark.parametrize("measure", OF_SEEDS.values(), ids=OF_SEEDS)
@pytest.mark.parametrize("seed", [-1, True, 2**63])
def test_seeds_that_no_generator_takes_or_no_file_holds_are_refused(measure: Callable[[Any], Any], seed: Any) -> None:
    with pytest.raises(InputError, match=r"`seed` must be a whole number from 0 to 2\^63 - 1"):
        measure(seed)


REFUSED: dict[str, Callable[[], Any]] = {
    "readout": lambda: analysis.observability(WEIGHTS, readout="x"),
    "vectors": lambda: analysis.overlap("x", WEIGHTS),
    "inputs": lambda: analysis.fixed_points(lambda h: h / 2, WEIGHTS, inputs="x"),
    "n_bins": lambda: analysis.tuning(ACTIVITY, LABEL, n_bins=10**10),
    "n": lambda: analysis.against_chance("sqi", ACTIVITY, n=10**12),
    "bin_width": lambda: analysis.forward_asymmetry(WEIGHTS, np.arange(8), bin_width=1e-300),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_are_named_that_are_no_numbers_or_too_large(name: str) -> None:
    with pytest.raises(InputError, match=f"`{name}`"):
        REFUSED[name]()


OF_OTHER_TYPES = {
    "background_floor": "sequentiality_index(activity, background_floor='x')",
    "decay": "observability(weights, decay='x')",
    "period": "tuning(activity, label, period='x')",
    "penalty": "cross_temporal_decoding(activity, label, penalty='x')",
    "distance": "fixed_points(lambda h: h / 2, weights, distance='x')",
    "step": "fixed_points(3, weights)",
    "dataset": "compare('x', 'm', between='g')",
    "seed": "time_decoding(activity, seed=0.5)",
}
"""Calls against the types of the arguments, which these tests check at run time, and users do not."""


def test_settings_of_other_types_are_named() -> None:
    program = [
        "import numpy as np, recurrent_memory as rm",
        "activity, weights, label = np.ones((6, 30, 8)), np.eye(8), np.arange(6) % 2",
    ]
    for call in OF_OTHER_TYPES.values():
        program += ["try:", f"    rm.analysis.{call}", "except rm.InputError as error:", "    print(str(error)[:99])"]
    done = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(OF_OTHER_TYPES)
    for name, line in zip(OF_OTHER_TYPES, said, strict=True):
        assert f"`{name}`" in line


def test_a_step_that_takes_or_returns_something_else_is_refused() -> None:
    wrong: list[tuple[Any, Any]] = [(lambda h: "a", None), (lambda h: h / 2, np.ones(3))]
    for step, inputs in wrong:
        with pytest.raises(InputError, match="`step` must be a function of a state"):
            analysis.fixed_points(step, WEIGHTS, inputs=inputs)


@pytest.mark.parametrize("networks", [NETWORKS * np.nan, NETWORKS.isel(seed=[])])
def test_there_is_nothing_to_compare_if_all_networks_have_diverged(networks: xr.Dataset) -> None:
    with pytest.raises(InputError, match="No network has a value of 'm'"):
        analysis.compare(networks, "m", between="g")
