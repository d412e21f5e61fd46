"""Data sets as MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import xarray as xr

from recurrent_memory import compat
from recurrent_memory.errors import InputError


def dataset() -> xr.Dataset:
    activity = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    return xr.Dataset(
        {
            "activity": (("trial", "time", "unit"), activity, {"units": "arbitrary units"}),
            "mask": (("trial", "time"), np.ones((3, 4), bool)),
            "label": ("trial", [0, 1, 0]),
            "fractional_loss": 0.3,
            "a_name_that_is_longer_than_matlab_allows_" + "x" * 40: 1.0,
        },
        coords={"epoch": ("time", ["stimulus", "delay", "delay", "response"])},
        attrs={"task": "de1", "n_hidden": 2},
    )


def test_matlab_reads_what_was_written(tmp_path: Path) -> None:
    weights = xr.Dataset({"W_rec": (("source", "target_unit"), np.eye(2))})
    compat.to_mat(tmp_path / "out.mat", dataset(), weights)
    found = scipy.io.loadmat(tmp_path / "out.mat")
    np.testing.assert_array_equal(found["activity"], dataset().activity)
    assert found["activity"].dtype == np.float32
    assert found["label"].shape == (3, 1)
    assert found["fractional_loss"].item() == 0.3
    np.testing.assert_array_equal(found["W_rec"], np.eye(2))
    assert [of.item() for of in found["epoch"].ravel()] == ["stimulus", "delay", "delay", "response"]
    simple = scipy.io.loadmat(tmp_path / "out.mat", simplify_cells=True)
    assert simple["attributes"] == {"task": "de1", "n_hidden": 2}
    assert simple["dimensions"]["W_rec"] == "source, target_unit"
    assert simple["units"] == {"activity": "arbitrary units"}
    assert max(map(len, found)) == 63
    read = compat.mat_recorded(tmp_path / "out.mat")
    np.testing.assert_array_equal(read.activity, dataset().activity)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    other = dataset().assign(label=("trial", [1, 1, 1]))
    with pytest.raises(InputError, match="`label` differs between the data sets"):
        compat.to_mat(tmp_path / "out.mat", dataset(), other)
    with pytest.raises(InputError, match=r"must end in \.mat"):
        compat.to_mat(tmp_path / "out.nc", dataset())
    with pytest.raises(InputError, match=r"no/out\.mat cannot be written to"):
        compat.to_mat(tmp_path / "no" / "out.mat", dataset())
    assert not [*tmp_path.iterdir()]
