"""A trained network under changed conditions: other delays, noise, lesions, and parts of its weights cut out.

Each function is a method of :class:`recurrent_memory.runs.trained.TrainedNetwork`. All conditions are tested with equal
trials, and the data set holds all measures that are one number, under their usual names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from .. import analysis
from ..analysis.arguments import check_count, generator
from ..errors import InputError
from ..networks.gated import GRUCell
from ..tasks import AbstractTask
from . import result as results
from .start import with_task_options

if TYPE_CHECKING:
    from .trained import TrainedNetwork

N_BATCHES = 20
"""Test batches in each condition, unless the user says how many: 1,000 trials if a batch has 50."""


def over_delays(
    net: TrainedNetwork, delays: Iterable[Any], n_batches: int = N_BATCHES, *, key: int | PRNGKeyArray | None = None
) -> xr.Dataset:
    """Test the network with several delays, such as longer ones than in training.

    Parameters
    ----------
    delays
        Durations of the delay (steps). If delays vary from trial to trial in the task, all trials have the one given.
    n_batches
        Number of test batches at each.
    key
        Seed or random key of the trials; None: the test trials of the experiment.

    Returns
    -------
    All measures that are one number, over `delay`. Stimuli and labels are the same at all delays; spikes are not.

    Raises
    ------
    InputError
        If a delay is not allowed.
    """
    values = _listed("delays", delays)
    varies = "delays" in type(net.task).model_fields
    options = [{"delay_dur": delay, **({"delays": (delay,)} if varies else {})} for delay in values]
    for one in options:
        with_task_options(net.experiment, one)  # refused before the first test
    tests = [net.test(n_batches, key=key, task_options=one) for one in options]
    return _about(net, _joined(tests, "delay", values, {"long_name": "duration of the delay", "units": "steps"}))


def over_noise(
    net: TrainedNetwork, noise: Iterable[Any], n_batches: int = N_BATCHES, *, key: int | PRNGKeyArray | None = None
) -> xr.Dataset:
    """Test the network with several levels of private noise in the input to its units.

    Parameters
    ----------
    noise
        Standard deviations, each as for :meth:`with_noise`, and in place of noise that was added before.
    n_batches, key
        As for :meth:`over_delays`.

    Returns
    -------
    All measures that are one number, over `noise`. The trials are the same at all levels.

    Raises
    ------
    InputError
        If a level is not allowed.
    """
    values = _listed("noise", noise)
    networks = [net.with_noise(sd) for sd in values]
    tests = [one.test(n_batches, key=key) for one in networks]
    about = {"long_name": "standard deviation of the added noise", "units": "units of the input drive"}
    return _about(net.with_noise(0), _joined(tests, "noise", [float(sd) for sd in values], about))


def lesions_by_peak(
    net: TrainedNetwork,
    n_groups: int = 5,
    n_batches: int = N_BATCHES,
    *,
    n_control: int = 5,
    epoch: str | None = None,
    min_rate: float = 0.0,
    key: int | PRNGKeyArray | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Silence the units group by group in the order of their peaks, and as many units at random for comparison.

    Parameters
    ----------
    n_groups
        Number of groups of active units, as equal in size as possible.
    n_batches, key
        As for :meth:`over_delays`.
    n_control
        Number of random divisions of the active units into groups of the same sizes.
    epoch
        Epoch in which peaks are sought, such as "delay"; None: the whole trial.
    min_rate
        Units whose mean activity is not above this belong to no group (arbitrary units).
    seed
        Seed of the random divisions.

    Returns
    -------
    Measures of the lesioned network (group), of the intact one (`intact_…`), their difference (`change_…`), and that of
    random lesions (`control_change_…`, over group and draw). Further: `first_peak`, `last_peak` (steps), `n_units`
    of each group, and which units it has (`in_group`).

    Raises
    ------
    InputError
        If there are fewer active units than groups, or a setting is not allowed.
    """
    check_count("n_groups", n_groups, 1)
    check_count("n_control", n_control, 0)
    steps = None if epoch is None else steps_of(net.task, epoch)
    intact = net.test(n_batches, key=key)
    order: Any = analysis.peak_order(intact, mask=intact["mask"], steps=steps, min_rate=min_rate)
    if len(order) < n_groups:
        raise InputError(
            f"`n_groups` = {n_groups} is not allowed: {len(order)} units are active (mean activity above `min_rate` = "
            f"{min_rate:g}). Give fewer groups, or a lower `min_rate`."
        )
    units = np.asarray(order)
    groups, rng = np.array_split(units, n_groups), generator(seed)
    draws = [np.array_split(rng.permutation(units), n_groups) for _ in range(n_control)]

    def test(group: np.ndarray) -> xr.Dataset:
        return net.lesion(group).test(n_batches, key=key)

    found = _effects(net, intact, groups, draws, "group", range(n_groups), test)
    return found.assign(_of_groups(groups, order.peak_time, net.experiment.n_hidden))


def schur_cuts(
    net: TrainedNetwork,
    n_blocks: int = 1,
    n_batches: int = N_BATCHES,
    *,
    n_control: int = 5,
    key: int | PRNGKeyArray | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Cut out what the modes of the recurrent weights feed forward to each other, or what they do to themselves.

    Parameters
    ----------
    n_blocks
        Number of blocks of modes. With several, the feed-forward weights from block to block are also cut one by one.
    n_batches, key
        As for :meth:`over_delays`.
    n_control
        Number of random rotations of what is cut: matrices of the same singular values, in other directions.
    seed
        Seed of the random rotations.

    Returns
    -------
    Measures after each `cut` ("feedforward": all feed-forward weights; "modes": only these are left; "0 to 0", "0 to
    1", …: see :func:`recurrent_memory.analysis.schur_parts`), of the intact network (`intact_…`), their difference
    (`change_…`), and that of random cuts (`control_change_…`, over cut and draw). `cut_share` of the squared norm.

    Raises
    ------
    InputError
        If a rule binds the weights that act (Dale's law, missing connections), or a setting is not allowed.

    Notes
    -----
    Of a `gru`, the candidate's weights are cut; its gates stay as they are.
    """
    check_count("n_control", n_control, 0)
    weights, columns = _recurrent(net)
    parts = analysis.schur_parts(weights[:, columns], n_blocks)
    matrix, modes = parts["weights"].values, parts["weights"].sel(part="modes").values
    names = parts["part"].values.tolist()[1:] if n_blocks > 1 else []
    cuts = {"feedforward": matrix[1:].sum(axis=0), "modes": modes, **dict(zip(names, matrix[1:], strict=False))}
    rng = generator(seed)
    turns = [_rotation(rng, modes) for _ in range(n_control)]
    draws = [[turn @ cut @ turn.T for cut in cuts.values()] for turn in turns]

    def without(cut: np.ndarray) -> TrainedNetwork:
        new = weights.copy()
        new[:, columns] -= cut
        return _with_recurrent(net, new)

    def test(cut: np.ndarray) -> xr.Dataset:
        return without(cut).test(n_batches, key=key)

    without(modes)  # refused before the first test
    found = _effects(net, net.test(n_batches, key=key), [*cuts.values()], draws, "cut", [*cuts], test)
    share = parts["share"].values
    shares = [share[1:].sum(), share[0], *share[1 : 1 + len(names)]]
    return found.assign(cut_share=("cut", shares, {"units": "1", "long_name": "Share of ‖W‖² that is cut"}))


def steps_of(task: AbstractTask, epoch: str) -> tuple[int, int]:
    """Return the first step of an epoch and the step after its last; raise `InputError` if there is no such epoch."""
    if epoch not in task.epochs:
        raise InputError(f"There is no epoch {epoch!r} in {task.title}: choose from {', '.join(task.epochs)}.")
    return task.epochs[epoch]


def _recurrent(net: TrainedNetwork) -> tuple[np.ndarray, slice]:
    """Return the recurrent weights that act, and the columns of them that can be cut."""
    weights = np.asarray(net.network.cell.recurrent_weights(), np.float64)
    n_units = len(weights)
    is_gated = isinstance(net.network.cell, GRUCell)
    return weights, slice(2 * n_units, None) if is_gated else slice(None)


def _with_recurrent(net: TrainedNetwork, weights: np.ndarray) -> TrainedNetwork:
    """Return a network with other recurrent weights, if it is free to have them."""
    new = net.with_weights(W_rec=weights)
    acting = np.asarray(new.network.cell.recurrent_weights())
    if acting.shape != weights.shape or not np.allclose(acting, weights, rtol=1e-4, atol=1e-6):
        raise InputError(
            f"The recurrent weights of this {net.experiment.model} network cannot be cut: those that act follow from "
            "`W_rec` by a rule, such as Dale's law or missing connections, which the cut weights would break.\n"
            "Cut those of a network without such a rule; lesions of units, `lesions_by_peak`, are possible in any."
        )
    return new


def _rotation(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Draw an orthogonal matrix, uniformly."""
    basis, triangle = np.linalg.qr(rng.normal(size=like.shape))
    return np.asarray(basis * np.sign(np.diagonal(triangle)))


def _effects(
    net: TrainedNetwork,
    intact: xr.Dataset,
    changes: Sequence[Any],
    draws: Sequence[Sequence[Any]],
    dim: str,
    labels: Sequence[Any],
    test: Callable[[Any], xr.Dataset],
) -> xr.Dataset:
    """Return the measures after each change, of the intact network, their difference, and that of random changes."""
    before = results.numbers_of(intact)
    after = _joined([test(one) for one in changes], dim, labels)
    parts = [after, _renamed(before, "intact_{}"), _difference(after, before, "change_{}", "")]
    if draws:
        control = xr.concat([_joined([test(one) for one in draw], dim, labels) for draw in draws], "draw")
        parts.append(_difference(control, before, "control_change_{}", "random control: "))
    return _about(net, xr.merge(parts, combine_attrs="drop_conflicts"))


def _difference(after: xr.Dataset, before: xr.Dataset, name: str, of: str) -> xr.Dataset:
    change = after.astype(float) - before.astype(float)
    for variable, values in change.data_vars.items():
        about = before[variable].attrs
        label = {"long_name": f"{of}{about.get('long_name', variable)}, minus that of the intact network"}
        values.attrs = label | {key: of for key, of in about.items() if key == "units"}
    return _renamed(change, name)


def _renamed(dataset: xr.Dataset, name: str) -> xr.Dataset:
    return dataset.rename({old: name.format(old) for old in dataset.data_vars})


def _joined(
    tests: Sequence[xr.Dataset], dim: str, labels: Sequence[Any], about: dict[str, str] | None = None
) -> xr.Dataset:
    """Return the measures of several tests that are one number, over a dimension of their own."""
    found = xr.concat([results.numbers_of(test) for test in tests], dim, combine_attrs="drop_conflicts")
    return found.assign_coords({dim: (dim, [*labels], about or {})})


def _about(net: TrainedNetwork, found: xr.Dataset) -> xr.Dataset:
    """Describe what was tested, as in a result."""
    return net.described(
        found.drop_attrs(deep=False).assign_attrs(results.provenance(net.experiment, net.task), status="tested")
    )


def _of_groups(groups: Sequence[np.ndarray], peak_time: np.ndarray, n_units: int) -> dict[str, Any]:
    steps = {"units": "steps from the start of the trial"}
    peaks = [peak_time[group] for group in groups]
    inside = [np.isin(np.arange(n_units), group) for group in groups]
    return {
        "first_peak": ("group", [of.min() for of in peaks], {"long_name": "earliest peak in the group", **steps}),
        "last_peak": ("group", [of.max() for of in peaks], {"long_name": "latest peak in the group", **steps}),
        "n_units": ("group", [len(group) for group in groups], {"long_name": "number of units in the group"}),
        "in_group": (("group", "unit"), np.array(inside), {"long_name": "whether the unit is in the group"}),
    }


def _listed(name: str, given: Any) -> list[Any]:
    """Return different values as a list, those of NumPy as Python's."""
    values = np.asarray(given).tolist() if isinstance(given, np.ndarray) else given
    values = [*values] if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    if not values or any(values.count(one) > 1 for one in values):
        raise InputError(f"`{name}` = {given!r} is not allowed: give one or more different values, as in a list.")
    return values
