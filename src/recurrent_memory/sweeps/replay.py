"""Turn a network of a sweep into a run of its own, with its activity."""

from __future__ import annotations

import os
from pathlib import Path

import xarray as xr

from ..errors import DamagedResultError, InputError, InterruptedRunError
from ..experiment import Experiment
from ..runs.folder import RunFolder, folder_claims, with_weights
from ..runs.resources import published_randomness, settled
from ..runs.run import run_in
from ..runs.schema import check_result
from ..runs.session import Watch
from ..runs.start import initial_network
from ..runs.testing import recorded
from .grid import Network
from .store.layout import RESULT
from .store.record import DATA, WEIGHT, labelled
from .store.store import Store


def replay(
    network: Network,
    store: Store,
    place: RunFolder | str | os.PathLike[str],
    watch: Watch = Watch(),  # noqa: B008 (immutable)
) -> bool:
    """Make the run folder of a network, as if it had been trained there.

    If the store has weights and curves, only the test trials are run again; otherwise the network is trained again,
    with the same result.

    Parameters
    ----------
    network, store
        A network of a sweep, and the store with its result.
    place
        Folder to make; a finished one stays as it is.
    watch
        Receives progress and messages, and may stop the training.

    Returns
    -------
    Whether no training was needed.

    Raises
    ------
    InputError
        If the folder belongs to another run, or (as DamagedResultError) the result in the store is damaged.
    DivergedError, InterruptedRunError
        If the network is trained again, and diverges or is stopped by the watch.

    Examples
    --------
    >>> from recurrent_memory import sweeps
    >>> (network,) = sweeps.networks(sweeps.Sweep(experiment={"task": "de1"}, axes=[{"seed": [3]}]))
    >>> folder = RunFolder("replayed")
    >>> folder.describe(network.experiment)
    >>> (folder / "result.nc").touch()  # finished
    >>> replay(network, Store("sweep"), folder)
    True
    """
    experiment, identity, source = network.experiment, network.identity, store.file(network.identity, RESULT)
    place = place if isinstance(place, RunFolder) else RunFolder(place)
    place.check_free_for(experiment)
    if place.finished:
        return True
    record, kept = store.read_all(identity) if store.is_finished(identity) else (None, {})
    if record is None or f"{DATA}training_loss" not in kept or not any(name.startswith(WEIGHT) for name in kept):
        _train_again(place, experiment, watch)
        return False
    with folder_claims() as claims, settled():
        place.claim_for(experiment, claims)
        trained = with_weights(initial_network(experiment), kept, source, WEIGHT)
        again, stored = recorded(experiment, trained), labelled(record, kept, source)
        _compare(again, stored, source, watch)
        result = check_result(stored.assign(again.data_vars).assign_coords(again.coords), source)
        place.save_result(trained, result, record.provenance)
    return True


def activity_of(network: Network, store: Store) -> xr.Dataset:
    """Return the test trials of a network that are kept: from its result, or run again with its weights.

    Parameters
    ----------
    network, store
        A finished network of a sweep, and the store with its result.

    Returns
    -------
    Activity, mask and epochs, as in a result.

    Raises
    ------
    InputError
        If the result has neither activity nor weights, or (as DamagedResultError) is damaged.
    """
    identity, source = network.identity, store.file(network.identity, RESULT)
    record, kept = store.read_all(identity)
    if f"{DATA}activity" in kept:
        return labelled(record, kept, source)
    if not any(name.startswith(WEIGHT) for name in kept):
        raise InputError("neither activity nor weights were kept, as `save` says: `replay` trains such a network again")
    with published_randomness():
        trained = with_weights(initial_network(network.experiment), kept, source, WEIGHT)
        again = recorded(network.experiment, trained)
    return again.assign_attrs(experiment=network.experiment.model_dump_json())


def _train_again(place: RunFolder, experiment: Experiment, watch: Watch) -> None:
    try:
        with settled():
            run_in(place, experiment, watch)
    except InterruptedRunError:  # its message tells how to resume with `train`, which takes a folder
        raise InterruptedRunError(f"Stopped; the state is kept in {place.path}.") from None


def _compare(again: xr.Dataset, stored: xr.Dataset, path: Path, watch: Watch) -> None:
    """Report differences between what was stored and what was measured again.

    Raises
    ------
    DamagedResultError
        If they cannot be of the same network.
    """
    for dim in again.sizes.keys() & stored.sizes.keys():
        if again.sizes[dim] != stored.sizes[dim]:
            raise DamagedResultError(
                f"{path} is damaged: `{dim}` has {stored.sizes[dim]} entries, not {again.sizes[dim]}."
            )
    for name in again.variables.keys() & stored.variables.keys():
        if again[name].dims != stored[name].dims or (again[name].dtype.kind in "OSU") != (
            stored[name].dtype.kind in "OSU"
        ):
            raise DamagedResultError(f"{path} is damaged: `{name}` is not what it is in a result.")

    for name in again.data_vars.keys() & stored.data_vars.keys():
        if not again[name].equals(stored[name].astype(again[name].dtype)):
            watch.on_message(
                f"{name} is {again[name].values} here and was {stored[name].values} where it was trained: "
                "processors round differently"
            )
