"""A network of a sweep as a run of its own again, with its activity."""

from __future__ import annotations

from .. import course
from ..course import Watch
from ..runfolder import RunFolder
from ..runner import run_stage
from .grid import Network
from .store import DATA, WEIGHT, Store, labelled


def replay(network: Network, store: Store, place: RunFolder, watch: Watch = Watch()) -> bool:  # noqa: B008 (immutable)
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
        Where the folder is another run's, or the result in the store is damaged.
    """
    experiment, identity = network.experiment, network.identity
    place.check_free_for(experiment)
    if place.finished:
        return True
    record, kept = store.read_all(identity) if store.is_finished(identity) else (None, {})
    if record is None or f"{DATA}training_loss" not in kept or not any(name.startswith(WEIGHT) for name in kept):
        run_stage(experiment, place, watch)
        return False
    with place.claimed_for(experiment):
        trained = store.network(identity, course.initial_network(experiment))
        recorded, stored = course.recorded(experiment, trained), labelled(record, kept)
        for name in recorded.data_vars.keys() & stored.data_vars.keys():
            if not recorded[name].equals(stored[name].astype(recorded[name].dtype)):
                watch.on_message(
                    f"{name} is {recorded[name].values} here and was {stored[name].values} where it was trained: "
                    "another processor rounds in another way"
                )
        result = stored.assign(recorded.data_vars).assign_coords(recorded.coords)
        place.save_result(trained, result, record.provenance)
    return True
