"""A network of a sweep as a run of its own again, with its activity."""

from __future__ import annotations

import os

from ..errors import InterruptedRunError
from ..runs import session
from ..runs.folder import RunFolder, with_weights
from ..runs.run import blas_on_one_thread, run_stage
from ..runs.session import Watch
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
                run_stage(experiment, place, watch)
        except InterruptedRunError:  # it advises to give this folder as `--out`, as for `train`
            raise InterruptedRunError(f"Stopped; what was reached is kept in {place.path}.") from None
        return False
    with place.claimed_for(experiment):
        trained = with_weights(session.initial_network(experiment), kept, store.file(identity, RESULT), WEIGHT)
        recorded, stored = session.recorded(experiment, trained), labelled(record, kept)
        for name in recorded.data_vars.keys() & stored.data_vars.keys():
            if not recorded[name].equals(stored[name].astype(recorded[name].dtype)):
                watch.on_message(
                    f"{name} is {recorded[name].values} here and was {stored[name].values} where it was trained: "
                    "another processor rounds in another way"
                )
        result = stored.assign(recorded.data_vars).assign_coords(recorded.coords)
        place.save_result(trained, result, record.provenance)
    return True
