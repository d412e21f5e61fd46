"""Made-up data sets of sweeps, as `collect` would return them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

SHARED = {
    "task": "de1",
    "condition": "basic",
    "model": "relu",
    "n_hidden": 100,
    "lambda0": 0.98,
    "sigma0": 0.1,
    "rho": 0.0,
}
MEASURES = {
    "sequentiality_index": {"long_name": "sequentiality index", "units": "nats"},
    "fractional_loss": {"long_name": "fractional loss (paper)"},
    "test_loss": {"long_name": "network's loss in the test (paper)", "units": "radians"},
    "solved": {"long_name": "fractional loss < 0.5, the paper's criterion"},
}


def sweep(axes: Mapping[str, Sequence[Any]], *, left: Any = None, failed: Any = None, seed: int = 0) -> xr.Dataset:
    """Return a data set over axes, all of whose networks have finished but those in which a condition holds.

    Conditions take a row of the table of networks. The index is larger for larger σ0 and smaller for larger λ0.
    """
    table = pd.DataFrame(list(itertools.product(*axes.values())), columns=list(axes))
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=len(table))
    along = [table[name].rank(pct=True) if name in table else 0.5 for name in ("lambda0", "sigma0", "rho")]
    table["sequentiality_index"] = 3 + along[1] - along[0] + 0.5 * along[2] + 0.1 * noise
    table["fractional_loss"] = 0.1 + 0.6 * np.abs(along[0] - along[1]) + 0.02 * rng.random(len(table))
    table["test_loss"] = table["fractional_loss"] * 0.3
    table["solved"] = (table["fractional_loss"] < 0.5).astype(float)
    table["status"] = "finished"
    for condition, status in ((left, "left"), (failed, "diverged")):
        if condition is not None:
            table.loc[condition(table), "status"] = status
    table.loc[table["status"] != "finished", list(MEASURES)] = np.nan
    shape = tuple(len(values) for values in axes.values())
    variables = {name: (tuple(axes), table[name].to_numpy().reshape(shape).copy()) for name in [*MEASURES, "status"]}
    variables["versions"] = tuple(axes), np.full(shape, "jax 1")
    variables["delay_loss"] = (*axes, "delay"), np.ones((*shape, 2))
    dataset = xr.Dataset(variables, coords={name: (name, list(values)) for name, values in axes.items()})
    identities = np.reshape([f"{i:020x}" for i in range(len(table))], shape)
    dataset = dataset.assign_coords(identity=(tuple(axes), identities), delay=("delay", [10, 20]))
    for name, attrs in MEASURES.items():
        dataset[name].attrs.update(attrs)
    return dataset.assign_coords({name: value for name, value in SHARED.items() if name not in axes})


def flat(dataset: xr.Dataset, keep: Any = None) -> xr.Dataset:
    """Return a data set over `network`, as of a sweep in which not every combination is there."""
    made = dataset.stack(network=dataset["status"].dims, create_index=False)
    return made if keep is None else made.isel(network=np.flatnonzero(keep(made)))
