"""The names that recordings give to their axes are understood, or refused with those that are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr

from recurrent_memory.analysis import cross_validated_order, peak_order, read_activity, sequentiality_index
from recurrent_memory.analysis.dims import DIMS, SYNONYMS, meaning
from recurrent_memory.errors import InputError

VALUES = np.random.default_rng(0).random((3, 20, 4)) + 0.1
LABELLED = xr.DataArray(VALUES, dims=DIMS)


@pytest.mark.parametrize("dims", list(itertools.permutations(("neuron", "bin", "epoch"))))
def test_any_order_of_names_gives_the_same_measures(dims: tuple[str, ...]) -> None:
    renamed = LABELLED.rename(unit="neuron", time="bin", trial="epoch").transpose(*dims)
    np.testing.assert_array_equal(read_activity(renamed), VALUES)
    xr.testing.assert_identical(sequentiality_index(renamed), sequentiality_index(VALUES))
    assert peak_order(renamed).tolist() == peak_order(VALUES).tolist()
    xr.testing.assert_identical(cross_validated_order(renamed), cross_validated_order(VALUES))


@pytest.mark.parametrize(("name", "synonym"), [(name, word) for name, words in SYNONYMS.items() for word in words])
def test_each_synonym_has_one_meaning_however_it_is_written(name: str, synonym: str) -> None:
    assert sum(synonym in words for words in SYNONYMS.values()) == 1
    for written in (synonym, f"{synonym}s", synonym.upper(), synonym.replace("_", " "), f"{synonym}_id"):
        assert meaning(written) == name


@pytest.mark.parametrize("word", ["feature", "network", "x", "", 0, "units of time"])
def test_other_words_have_none(word: object) -> None:
    assert meaning(word) is None


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        (("x", "time", "trial"), r"they are `x` \(not understood\), `time` \(time\), `trial` \(trial\)"),
        (("neuron", "cell", "trial"), r"`neuron` \(unit\), `cell` \(unit\)"),
        (("trial", "time", "feature"), "Names understood: trial: trial, epoch, .*; unit: unit, neuron"),
        (("dim_0", "time", "unit"), r"`dim_0` \(not understood\)"),
    ],
)
def test_names_that_leave_an_axis_unknown_are_refused(dims: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        sequentiality_index(xr.DataArray(VALUES, dims=dims))
    assert len(str(error.value).splitlines()) <= 4


def test_axes_without_names_are_taken_in_their_order() -> None:
    np.testing.assert_array_equal(read_activity(xr.DataArray(VALUES)), VALUES)


def test_coordinates_go_with_their_axes() -> None:
    cells = LABELLED.transpose("unit", "time", "trial").rename(unit="cell", trial="sweep")
    cells = cells.assign_coords(cell=list("abcd"), sweep=[7, 8, 9], trial=("sweep", [1, 2, 3]), session=5)
    measured = sequentiality_index(cells, per_unit=True)
    assert measured["unit"].values.tolist() == list("abcd")
    assert measured["trial"].values.tolist() == [7, 8, 9]


def test_a_mask_may_be_named_too() -> None:
    mask = np.ones((3, 20), bool)
    mask[0, 12:] = False
    named = xr.DataArray(mask.T, dims=("bin", "sweep"))
    xr.testing.assert_identical(sequentiality_index(VALUES, mask=named), sequentiality_index(VALUES, mask=mask))


def test_a_mask_of_other_trials_is_refused() -> None:
    mask = xr.DataArray(np.ones((3, 20), bool), dims=DIMS[:2], coords={"trial": [3, 2, 1]})
    with pytest.raises(InputError, match="different coordinates for trial"):
        sequentiality_index(LABELLED.assign_coords(trial=[1, 2, 3]), mask=mask)
