"""Loading a trained network: from the bank, a file, a run folder, a sweep, or the published scripts' output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import bank
from .errors import InputError, UnreadableFileError, counted
from .experiment import Experiment
from .own_code import import_file
from .runs.folder import DESCRIPTION, STATE, RunFolder, with_weights
from .runs.saved import is_saved, load_saved
from .runs.start import check_path, fresh_state, initial_network
from .runs.trained import TrainedNetwork
from .runs.weights import arrays_of, replaced
from .storage.paths import expanded
from .storage.reading import unreadable

if TYPE_CHECKING:
    from .sweeps import Network, Store

Found = TypeVar("Found")

MOST_LISTED = 5
"""Networks of a sweep that a message lists."""
PUBLISHED = {
    "input_weights": "W_in",
    "input_bias": "b_in",
    "recurrent_weights": "W_rec",
    "recurrent_bias": "b_rec",
    "output_weights": "W_out",
    "output_bias": "b_out",
}
"""Weights of the published files, and what the networks call them."""


def load(
    path: str | os.PathLike[str], where: str | None = None, *, snapshot: int | None = None,
    imports: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
) -> TrainedNetwork:  # fmt: skip
    """Load a trained network.

    Parameters
    ----------
    path
        A run folder; the file of a sweep (``.toml``); a file that :func:`recurrent_memory.save` wrote
        (``.safetensors``); an output file of the published scripts (``.mat``), whose name gives the experiment; or one
        of the networks that come with the package (`recurrent_memory.bank`), such as "bank:comp-sequential".
    where
        Which network of a sweep, such as ``"task == 'comp' and seed == 3"``: the condition must hold for exactly one.
    snapshot
        Number of iterations after which the network was kept (see ``snapshots`` of the experiment); None: the trained
        network. Of a run folder that is not finished, too.
    imports
        Your own Python files with the task, the cell or other code that the network needs. Those that a sweep's file
        names are imported anyway.

    Returns
    -------
    The network, which can simulate trials, be perturbed, tested, and trained further.

    Raises
    ------
    InputError
        If there is no such network or snapshot, it has not finished, or several match.

    Examples
    --------
    >>> from recurrent_memory import run
    >>> short = {"stim_dur": 2, "delay_dur": 4, "resp_dur": 6, "n_neurons": 4}
    >>> small = {"n_hidden": 4, "batch_size": 2, "iterations": 3, "test_batches": 1}
    >>> _ = run(Experiment(task="de1", task_options=short, **small), "run")
    >>> net = load("run")
    >>> net.weights.W_rec.dims, net.simulate(n_trials=7).activity.shape
    (('source', 'target_unit'), (7, 12, 4))
    >>> load("bank:comp-sequential")
    <COMP, relu of 100 units, 7001 iterations>
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"`path` = {path!r} is not a path: give a run folder, a sweep's file or a .mat file.")
    _import(imports)
    if snapshot is not None and (isinstance(snapshot, bool) or not isinstance(snapshot, int | np.integer)):
        raise InputError(f"`snapshot` = {snapshot!r} is not a number of iterations, such as 100.")
    place = bank.file_of(path) if bank.is_name(path) else expanded(path)
    try:
        return _of_place(place, where, snapshot)
    except OSError as error:  # a folder that is not ours to look into, or on a disk that is away
        raise unreadable(Path(error.filename or place), error) from None


def _of_place(place: Path, where: str | None, snapshot: int | None) -> TrainedNetwork:
    if place.suffix == ".toml" and not place.is_dir():
        return _of_sweep(place, where, snapshot)
    if where is not None:
        raise InputError(f"`where` = {where!r} is only for the file of a sweep (.toml), which {place} is not.")
    if place.suffix == ".mat" and not place.is_dir():
        return _of_mat(place, snapshot)
    if is_saved(place):
        return _of_file(place, snapshot)
    if place.is_dir():
        return _of_folder(place, snapshot)
    raise InputError(_what_is_wrong(place))


def is_single_network(path: Path) -> bool:
    """Return whether a path is a name of the bank, or a file that :func:`recurrent_memory.save` wrote."""
    return bank.is_name(path) or is_saved(path)


def _import(imports: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> None:
    if not isinstance(imports, str | os.PathLike | Iterable):
        raise InputError(f"`imports` must be the path of a file, or a list of some, got {imports!r}.")
    for file in [imports] if isinstance(imports, str | os.PathLike) else imports:
        check_path("imports", file)
        import_file(expanded(file))


def _what_is_wrong(path: Path) -> str:
    """Return why a path that is neither a folder nor a file of a known kind is no network."""
    known = (
        "Give a run folder, a sweep's file (.toml), a file of `rm.save` (.safetensors), an output file of the "
        "published scripts (.mat), or one of `rm.bank.names()`."
    )
    if not path.exists():
        return f"There is no {path}. {known}"
    if (path.parent / DESCRIPTION).is_file():
        return f"{path} is a file of a run: give its folder, {path.parent}."
    return f"{path} is a file without a trained network. {known}"


def _of_file(path: Path, snapshot: int | None) -> TrainedNetwork:
    if snapshot is not None:
        raise InputError(f"{path} has no snapshots: it holds the trained network alone.")
    return _with_hint(lambda: load_saved(path))


def _of_folder(path: Path, snapshot: int | None) -> TrainedNetwork:
    from .runs.result import load as load_result
    from .sweeps.store.layout import DESCRIPTION as OF_STORE

    if (path / OF_STORE).is_file():
        raise InputError(f"{path} is the store of a sweep: give the sweep's file (.toml) and `where`.")
    place = RunFolder(path)
    experiment = _with_hint(place.experiment)
    if snapshot is not None:
        found = place.load_snapshots(experiment.snapshots, initial_network(experiment))
        if snapshot not in found:
            raise InputError(_no_snapshot(snapshot, found, str(path)))
        return TrainedNetwork(experiment, found[snapshot], int(snapshot))
    if not place.finished:
        done = len(place.load_history())
        raise InputError(
            f"{path} is not finished: {done} of {counted(experiment.iterations, 'iteration')} are saved. Finish it "
            "first: start the run again with this folder."
        )
    network, saved = place.load_weights(initial_network(experiment)), None
    if (place / STATE).exists():
        saved = place.load_checkpoint(fresh_state(experiment), STATE)
    if saved is not None:
        return TrainedNetwork(experiment, network, len(saved[1]), saved[0].optimizer)
    return TrainedNetwork(experiment, network, load_result(place).sizes["iteration"])


def _no_snapshot(snapshot: int, known: Iterable[int], path: str) -> str:
    listed = ", ".join(map(str, sorted(known))) or "none"
    return (
        f"{path} has no snapshot after {counted(int(snapshot), 'iteration')}; it has: {listed}. An experiment's "
        "`snapshots` say which are kept."
    )


def _with_hint(read: Callable[[], Found]) -> Found:
    """Read a description; if it names code that is not there, say how to import it."""
    try:
        return read()
    except UnreadableFileError:
        raise
    except InputError as error:
        if str(error).startswith(("There is no task", "There is no model", "There is no condition")):
            raise InputError(
                f"{error}\nIf it is your own, name its file, as in load(…, imports='my_lab.py')."
            ) from None
        raise


def _of_sweep(path: Path, where: str | None, snapshot: int | None) -> TrainedNetwork:
    from . import sweeps

    sweep = sweeps.load(path)
    among: Sequence[Network] = sweeps.networks(sweep)
    chosen = among if where is None else sweeps.select(sweep, among, where)
    if len(chosen) != 1:
        raise InputError(_not_one(chosen, among, path, where))
    (network,) = chosen
    return _of_store(network, sweeps.Store(sweep.store), path, snapshot)


def _of_store(network: Network, store: Store, path: Path, snapshot: int | None) -> TrainedNetwork:
    from .sweeps.store.layout import RESULT
    from .sweeps.store.record import DATA, WEIGHT

    identity, experiment, told = network.identity, network.experiment, _point(network)
    if not store.is_finished(identity):
        if store.has_failed(identity):
            failure = store.failure(identity)
            raise InputError(f"The network {told} of {path} has no result: {failure.kind}, {failure.message}")
        raise InputError(f"The network {told} of {path} has not finished: train it by `recurrent-memory sweep run`.")
    record, kept = store.read_all(identity)
    if not any(name.startswith(WEIGHT) for name in kept):
        raise InputError(
            f"The store of {path} has no weights of the network {told}, because its `save` leaves them out. "
            "Train it again, with the same result, by `recurrent-memory sweep replay`, or from Python by "
            "`sweeps.replay(network, store, folder)`; then load the run folder."
        )
    trained = with_weights(initial_network(experiment), kept, store.file(identity, RESULT), WEIGHT)
    if snapshot is not None:
        numbers = record.coords.get("snapshot", [])
        if snapshot not in numbers:
            raise InputError(_no_snapshot(snapshot, numbers, f"The network {told} of {path}"))
        at = numbers.index(snapshot)
        early = {name: kept[f"{DATA}snapshot_{name}"][at] for name in arrays_of(trained)}
        return TrainedNetwork(experiment, replaced(trained, early), int(snapshot))
    curve = kept.get(f"{DATA}training_loss")
    done = record.measures.get("iterations_done", experiment.iterations if curve is None else len(curve))
    return TrainedNetwork(experiment, trained, int(done))


def _not_one(chosen: Sequence[Network], among: Sequence[Network], path: Path, where: str | None) -> str:
    """Return the message about a condition that holds for no network, or for several."""
    listed = list(chosen[:MOST_LISTED]) or list(among[:MOST_LISTED])
    names = "; ".join(map(_point, listed)) + ("; …" if len(chosen or among) > len(listed) else "")
    if not chosen:
        return f"`where` = {where!r} holds for no network of {path}. Its {len(among)} networks are: {names}."
    differing = [name for name in chosen[0].point if len({repr(one.point[name]) for one in listed}) > 1]
    field = differing[-1] if differing else next(iter(chosen[0].point))
    narrower = " and ".join([*([f"({where})" if " or " in where else where] if where else []), _one(chosen[0], field)])
    begin = f"{path} has" if where is None else f"`where` = {where!r} holds for"
    return f"{begin} {len(chosen)} networks: {names}.\nNarrow it down to one, as by where={narrower!r}."


def _one(network: Network, field: str) -> str:
    return f"{field} == {network.point[field]!r}"


def _point(network: Network) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in network.point.items()) or network.experiment.task


def _of_mat(path: Path, snapshot: int | None) -> TrainedNetwork:
    from .compat import load_mat

    if snapshot is not None:
        raise InputError(f"{path} has no snapshots: files of the published scripts hold the trained network alone.")
    found = load_mat(path)
    names = ("task", "condition", "model", "lambda0", "sigma0", "rho", "seed", "curriculum", "n_hidden")
    values: dict[str, Any] = {name: found.attrs[name] for name in names if name in found.attrs}
    if "task" not in values:
        raise InputError(
            f"{path} does not say which task its network was trained on. Give the file the name that the published "
            "scripts give: basic_sigma…_lambda…_rho…_model…_task….mat."
        )
    experiment = Experiment(**values)
    start = initial_network(experiment)
    weights = {ours: found[theirs].values for theirs, ours in PUBLISHED.items() if theirs in found}
    try:
        network = replaced(start, weights)
    except InputError as error:
        raise InputError(f"{path} has other weights than the experiment that its name says: {error}") from None
    return TrainedNetwork(experiment, network, experiment.iterations)
