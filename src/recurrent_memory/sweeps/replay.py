"""Turn a network of a sweep back into a run of its own, with its activity."""

from __future__ import annotations

import os

from ..errors import InterruptedRunError
from ..runs.folder import RunFolder, folder_claims, with_weights
from ..runs.resources import blas_on_one_thread
from ..runs.run import recorded, run_in
from ..runs.session import Watch
from ..runs.start import initial_network
from .grid import Network
from .store.layout import RESULT
from .store.store import DATA, WEIGHT, Store, labelled


def replay(
    network: Network,
    store: Store,
    place: RunFolder | str | os.PathLike[str],
    watch: Watch = Watch(),  # noqa: B008 (immutable)
) -> bool:
    """Make the run folder of a network, as if it had been trained there.

    If the store has weights and curves, only the test trials are run again; otherwise all of it, with the same result.

    Parameters
    ----------
    network
        A network of the sweep.
    store
        Store with its result.
    place
        Folder to make; a finished one stays as it is.
    watch
        Receives progress and messages while the network trains, and may stop it.

    Returns
    -------
    Whether no training was needed.

    Raises
    ------
    InputError
        If the folder belongs to another run, or (as DamagedResultError) the result in the store is damaged.
    DivergedError
        If the network is trained again and diverges.
    InterruptedRunError
        If the watch stops the training; its state is saved.
    """
    experiment, identity = network.experiment, network.identity
    place = place if isinstance(place, RunFolder) else RunFolder(place)
    place.check_free_for(experiment)
    if place.finished:
        return True
    record, kept = store.read_all(identity) if store.is_finished(identity) else (None, {})
    if record is None or f"{DATA}training_loss" not in kept or not any(name.startswith(WEIGHT) for name in kept):
        try:
            with blas_on_one_thread():
                run_in(place, experiment, watch)
        except InterruptedRunError:  # its own message is that of `train`, which takes a folder
            raise InterruptedRunError(f"Stopped; what was reached is kept in {place.path}.") from None
        return False
    with folder_claims() as claims:
        place.claim_for(experiment, claims)
        trained = with_weights(initial_network(experiment), kept, store.file(identity, RESULT), WEIGHT)
        again, stored = recorded(experiment, trained), labelled(record, kept)
        for name in again.data_vars.keys() & stored.data_vars.keys():
            if not again[name].equals(stored[name].astype(again[name].dtype)):
                watch.on_message(
                    f"{name} is {again[name].values} here and was {stored[name].values} where it was trained: "
                    "processors round differently"
                )
        result = stored.assign(again.data_vars).assign_coords(again.coords)
        place.save_result(trained, result, record.provenance)
    return True
