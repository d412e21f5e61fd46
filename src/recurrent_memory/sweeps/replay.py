"""A network of a sweep as a run of its own again, with its activity."""

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

    Where its weights and curves are in the store, its test trials are run again; otherwise it is trained again, which
    comes to the same.

    Parameters
    ----------
    network
        The network.
    store
        Where its result is.
    place
        The folder to make; a finished one is left as it is.
    watch
        Who is told and asked while it is trained.

    Returns
    -------
    Whether there was no need to train.

    Raises
    ------
    InputError
        Where the folder is another run's, or (as DamagedResultError) the result in the store is damaged.
    DivergedError
        Where it is trained again, and diverges.
    InterruptedRunError
        Where the watch says to stop while it is trained again; its state is saved.
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
        except InterruptedRunError:  # it advises to give this folder as `--out`, as for `train`
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
                    "another processor rounds in another way"
                )
        result = stored.assign(again.data_vars).assign_coords(again.coords)
        place.save_result(trained, result, record.provenance)
    return True
