"""The weights of a network by name: labelled, as arrays of NumPy or PyTorch, and replaced by others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ..errors import InputError, nearest
from ..networks import Network
from ..storage.arrays import flatten

DIMS: dict[str, tuple[str, ...]] = {
    "W_in": ("neuron", "target_unit"),
    "b_in": ("target_unit",),
    "W_rec": ("source", "target_unit"),
    "b_rec": ("target_unit",),
    "connections": ("source", "target_unit"),
    "W_out": ("source", "output"),
    "b_out": ("output",),
}
"""Dimensions of the weights of the built-in cells; those of ``gru`` have three blocks of target units."""
NAMES = {
    "W_in": "input weight, from neuron to target unit",
    "b_in": "bias of the input",
    "W_rec": "recurrent weight, from source to target unit",
    "b_rec": "bias of the recurrent input",
    "connections": "whether the connection exists, from source to target unit",
    "W_out": "weight of the readout, from source to output",
    "b_out": "bias of the readout",
}


def arrays_of(network: Network) -> dict[str, np.ndarray]:
    """Return all arrays of a network by name, such as ``W_rec``; those of its cell first.

    Parameters
    ----------
    network
        The network.

    Returns
    -------
    The arrays, as copies.

    Examples
    --------
    >>> import jax.random as jr
    >>> from recurrent_memory.networks import initialize
    >>> sizes = {"n_inputs": 2, "n_hidden": 3, "n_outputs": 1, "readout": "linear", "is_probability": False}
    >>> list(arrays_of(initialize(jr.key(0), "relu", **sizes, lambda0=0.9, sigma0=0.1)))
    ['W_rec', 'W_in', 'b_in', 'b_rec', 'W_out', 'b_out']
    """
    found = flatten(eqx.filter(network, eqx.is_array))
    return {_short(name, found): np.array(array) for name, array in found.items()}


def _short(name: str, among: Mapping[str, Any]) -> str:
    """Return a name without its ``cell.``, unless the network itself has an array of that name."""
    short = name.removeprefix("cell.")
    return name if short in among else short


def labelled(network: Network) -> xr.Dataset:
    """Return all arrays of a network as a labelled data set.

    Parameters
    ----------
    network
        The network.

    Returns
    -------
    Weights by name. An array that only a cell of the user's has, or that does not fit the usual dimensions, has
    dimensions of its own, ``NAME_0``, ``NAME_1``, ….
    """
    variables: dict[str, xr.Variable] = {}
    sizes: dict[str, int] = {}
    for name, array in arrays_of(network).items():
        dims = DIMS.get(name, ())
        fits = len(dims) == array.ndim and all(sizes.get(d, n) == n for d, n in zip(dims, array.shape, strict=True))
        if not fits:
            dims = tuple(f"{name}_{axis}" for axis in range(array.ndim))
        sizes |= dict(zip(dims, array.shape, strict=True))
        about = {"long_name": NAMES.get(name, name)} | ({} if array.dtype == bool else {"units": "arbitrary units"})
        variables[name] = xr.Variable(dims, array, about)
    return xr.Dataset(variables)


def as_torch(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return arrays as PyTorch tensors, which share no memory with the network.

    Parameters
    ----------
    arrays
        Arrays by name.

    Returns
    -------
    Tensors by name.

    Raises
    ------
    InputError
        If PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InputError(
            "PyTorch is not installed, so there are no tensors: install it (`pip install torch`), or use the arrays of "
            "`weights_numpy()`."
        ) from None
    return {name: torch.tensor(array) for name, array in arrays.items()}


def replaced(network: Network, weights: Mapping[str, Any]) -> Network:
    """Return a network with some arrays replaced.

    Parameters
    ----------
    network
        The network.
    weights
        New arrays by the names of :func:`arrays_of`, of the same shapes; anything that NumPy can read. The dimensions
        of a labelled array may come in any order.

    Returns
    -------
    The new network.

    Raises
    ------
    InputError
        If a name is unknown, or an array has another shape, other dimensions, or is not finite numbers.
    """
    known = flatten(eqx.filter(network, eqx.is_array))
    full = {_short(name, known): name for name in known}
    made, dims = {}, {str(name): of.dims for name, of in labelled(network).items()}
    for name, given in weights.items():
        if name not in full:
            closest = nearest(name, full)
            raise InputError(f"The network has no weights {name!r}.{closest} Its weights: {', '.join(full)}.")
        made[full[name]] = _checked(name, _in_order(name, given, dims[name]), known[full[name]])

    def pick(path: tuple[Any, ...], leaf: Any) -> Any:
        return made.get(jax.tree_util.keystr(path, simple=True, separator="."), leaf)

    dynamic, static = eqx.partition(network, eqx.is_array)
    new: Network = eqx.combine(jax.tree_util.tree_map_with_path(pick, dynamic), static)
    return new


def _in_order(name: str, given: Any, dims: tuple[Any, ...]) -> Any:
    """Return a labelled array with its dimensions in the order of the network's weights; anything else as it is."""
    if not isinstance(given, xr.DataArray | xr.Variable) or given.dims == tuple(f"dim_{i}" for i in range(given.ndim)):
        return given
    if set(given.dims) != set(dims):
        raise InputError(
            f"`{name}` has the dimensions ({', '.join(map(str, given.dims))}), but those of the network are "
            f"({', '.join(map(str, dims))}): rename them, or give the plain array, `.values`."
        )
    return given.transpose(*dims)


def _checked(name: str, given: Any, old: np.ndarray) -> jax.Array:
    try:
        array = np.asarray(given)
        is_number = array.dtype.kind in "fiub"
    except (TypeError, ValueError):
        is_number = False
    if not is_number:
        raise InputError(f"`{name}` is not an array of numbers: give one of the shape {old.shape}.")
    if array.shape != old.shape:
        raise InputError(f"`{name}` has the shape {array.shape}, but the network needs {old.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"`{name}` has entries that are not finite: give numbers.")
    return jnp.asarray(array.astype(old.dtype))
