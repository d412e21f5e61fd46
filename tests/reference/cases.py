"""What is compared in each kind of file: one case for each quantity and precision.

A case holds a function that computes our number and says how far it is from the published one, and how far it
may be. Every array of a file is either compared, or fed to us, or listed here with the reason why it is neither.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from recurrent_memory.analysis import sequentiality_index
from recurrent_memory.evaluation import mispaired_cd1 as misaligned
from recurrent_memory.evaluation.fractional_loss import errors, given, mean, performance
from recurrent_memory.networks import CELLS, find_model
from recurrent_memory.tasks import AbstractTask, PopulationTask, at_every_step, make
from recurrent_memory.training import Answers, paper_adam

from . import runs, trajectory
from .files import ReferenceFile
from .tolerances import (
    TOLERANCE,
    WANDERING_FINAL,
    WANDERING_LOSS,
    WANDERING_PREDICTION,
    least_gradient_scale,
    loss_rounding,
    on_a_trajectory,
    uncertain_answers,
)

PRECISIONS = ("float64", "float32")


class Check(NamedTuple):
    """A deviation and how large it may be."""

    deviation: float
    allowed: float
    what: str = "largest deviation"

    def __str__(self) -> str:
        return f"{self.what} {self.deviation:.1e}, allowed {self.allowed:.1e}"


Measure = Callable[[ReferenceFile, str], list[Check]]


@dataclass(frozen=True)
class Case:
    """One quantity of one file in one precision, or the reason why it is not compared."""

    file: ReferenceFile
    quantity: str
    precision: str = ""
    measure: Measure | None = None
    reason: str = ""

    @property
    def id(self) -> str:
        return "-".join(part for part in (self.file.name, self.quantity, self.precision) if part)

    def checks(self) -> list[Check]:
        assert self.measure is not None
        with jax.enable_x64(self.precision == "float64"):
            return self.measure(self.file, self.precision)


def cases(files: list[ReferenceFile]) -> list[Case]:
    """Return all cases of all files, those that are skipped included."""
    return [case for file in files for case in _cases_of(file)]


def _cases_of(file: ReferenceFile) -> Iterator[Case]:
    if file.cannot_run:
        yield Case(file, "all", reason=file.cannot_run)
        return
    quantities, fed, left_out = _KINDS[file.kind](file)
    for precision in PRECISIONS:
        for quantity, measure in quantities.items():
            yield Case(file, quantity, precision, measure, _not_in(file, quantity, precision))
    for pattern, reason in left_out.items():
        if any(re.fullmatch(pattern, array) for array in file.arrays):
            yield Case(file, re.sub(r"\W", "", pattern), reason=f"{file.path.name}: {reason}")
    known = [*fed, *left_out, *(re.escape(quantity) for quantity in quantities)]
    for array in file.arrays:
        if not any(re.fullmatch(pattern, array) for pattern in known):
            reason = f"{file.path.name}: unknown array {array!r}, nothing to compare it with"
            yield Case(file, array, reason=reason)


def _not_in(file: ReferenceFile, quantity: str, precision: str) -> str:
    """Return why a quantity cannot be compared in a precision; empty where it can."""
    if (file.kind, quantity, precision) == ("clip", "loss0", "float32"):
        return (
            f"{file.path.name}: modulo pi, outputs of 1e5 and more have no digit left in float32, so the "
            "loss cannot be compared; outputs and gradients are"
        )
    return ""


class Contents(NamedTuple):
    """What is done with the arrays of a file."""

    quantities: dict[str, Measure]
    """Compared."""
    fed: tuple[str, ...]
    """Patterns of what we are given, not asked for."""
    left_out: dict[str, str]
    """Patterns of what isn't compared, and why."""


def deviation(actual: ArrayLike, expected: ArrayLike, least_scale: float = 0.0) -> float:
    """Return the largest difference over the largest expected entry; infinite where NaN and such differ."""
    ours, theirs = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert ours.shape == theirs.shape, f"shape {ours.shape}, expected {theirs.shape}"
    assert theirs.size, "nothing to compare"
    finite = np.isfinite(theirs)
    same_elsewhere = np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
    if not (same_elsewhere and np.isfinite(ours[finite]).all()):
        return np.inf
    scale = max(np.abs(theirs[finite]).max(initial=0.0), least_scale)
    return float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0) / (scale or 1.0))


# Tasks ---------------------------------------------------------------------------


def _task_contents(file: ReferenceFile) -> Contents:
    quantities: dict[str, Measure] = {
        "target": _measure_task("rates", _targets),
        "s": _measure_task("rates", _truth),
        "optimal": _optimal,
    }
    left_out = {
        "obs_.*": "our observers do not return the intermediate values obs_*; `optimal` is compared",
    }
    if "rates_irrelevant" in file.arrays:
        quantities["rates_irrelevant"] = _measure_task("rates", _irrelevant_rates)
    if "mask" in file.arrays:
        quantities["mask"] = _steps
    if "rates" in file.arrays:
        quantities |= {"rates": _measure_task("rates", _rates), "phi": _measure_task("rates", _preferred)}
    else:
        left_out["phi"] = "not preferred values but the abscissa of the sine, which `target` shows"
    fed = ("inputs", "s1", "s2", "stim", "change", "change_loc", "cue", "choice", "alpha", "delay_durs", "meta")
    return Contents(quantities, fed, left_out)


def _task(file: ReferenceFile) -> AbstractTask:
    settings: dict[str, Any] = {"alpha": float(file.arrays["alpha"])} if "alpha" in file.arrays else {}
    return file.make_task(**settings)


def _measure_task(
    tolerance: str, compute: Callable[[AbstractTask, dict[str, np.ndarray], Any], tuple[ArrayLike, ArrayLike]]
) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        actual, expected = compute(_task(file), file.arrays, np.dtype(precision))
        return [Check(deviation(actual, expected), TOLERANCE[precision][tolerance])]

    return measure


def _hidden_variables(arrays: dict[str, np.ndarray], dtype: Any) -> tuple[jax.Array, jax.Array]:
    """Return stimuli (trial, display, location) and label (trial)."""
    n_trials = len(arrays["inputs"])
    shown = [arrays[name].reshape(n_trials, -1) for name in ("s1", "s2", "stim") if name in arrays]
    stimuli = np.stack(shown, axis=1) if shown else np.zeros((n_trials, 0, 0))
    label = next((arrays[name] for name in ("change", "cue", "choice") if name in arrays), np.zeros(n_trials))
    return jnp.asarray(stimuli, dtype), jnp.asarray(label.astype(int))


def _rates_at_every_step(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> jax.Array:
    rates: jax.Array = jax.vmap(lambda *hidden: at_every_step(task.rates(*hidden)))(*_hidden_variables(arrays, dtype))
    return rates


def _rates(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[ArrayLike, ArrayLike]:
    rates = _rates_at_every_step(task, arrays, dtype)
    return rates[..., task.input_locations >= 0], arrays["rates"]


def _irrelevant_rates(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[ArrayLike, ArrayLike]:
    rates = _rates_at_every_step(task, arrays, dtype)
    stored = arrays["rates_irrelevant"]
    return rates[..., task.input_locations < 0], np.broadcast_to(stored, (len(rates), *stored.shape))


def _targets(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[jax.Array, np.ndarray]:
    targets = jax.vmap(task.targets)(*_hidden_variables(arrays, dtype))
    return jnp.where(arrays["mask"][:, :, None], targets, 0) if "mask" in arrays else targets, arrays["target"]


def _steps(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare the steps left by the stored delays with those that we can draw for them."""
    task, delays = _task(file), file.arrays["delay_durs"]
    drawn = np.asarray(task.sample(jax.random.key(0), 200).mask)
    ours = {int(mask.sum()) - task.stim_dur - task.resp_dur: mask for mask in drawn}
    actual = np.stack([ours[int(delay)] for delay in delays])
    return [Check(deviation(actual, file.arrays["mask"]), 0.0)]


def _preferred(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[ArrayLike, ArrayLike]:
    assert isinstance(task, PopulationTask)
    return task.preferred(), arrays["phi"]


def _truth(task: AbstractTask, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[ArrayLike, ArrayLike]:
    trials = runs.trials_of(arrays["inputs"], np.asarray(_targets(task, arrays, dtype)[0]), dtype)
    truth = task.evidence(trials).truth
    return truth, _for_each_trial(arrays["s"], truth.shape)


def _optimal(file: ReferenceFile, precision: str) -> list[Check]:
    task, arrays, dtype = _task(file), file.arrays, np.dtype(precision)
    label = np.asarray(_hidden_variables(arrays, dtype)[1])
    trials = runs.trials_of(arrays["inputs"], arrays["target"], dtype, label=label)
    answers = task.ideal_observer(trials)
    expected = _for_each_trial(_without_time(arrays["optimal"]), answers.shape)
    return [Check(deviation(answers, expected), _observer_tolerance(task, precision))]


def _observer_tolerance(task: AbstractTask, precision: str) -> float:
    # An observer that is told the truth is as exact as the targets are.
    return TOLERANCE[precision]["rates" if task.response == "value" else "observer"]


def _without_time(stored: np.ndarray) -> np.ndarray:
    """Return one answer a trial: with variable delays, angles are stored for every step, always the same."""
    if stored.ndim < 3:
        return stored
    assert (stored == stored[:, :1]).all()
    return np.asarray(stored[:, 0])


def _for_each_trial(stored: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give a stored answer our shape: CD-1's is (1, trial), and Sine's, the same in all trials, (1, time)."""
    return stored.reshape(shape) if stored.size == np.prod(shape) else np.broadcast_to(stored, shape)


# Training ---------------------------------------------------------------------------

_FED_TO_NETWORKS = ("init_.*", "inputs", "target", "mask", "delay_durs", "meta")


def _train_contents(file: ReferenceFile) -> Contents:
    names = [name.removeprefix("grad0_") for name in file.arrays if name.startswith("grad0_")]
    losses = {"loss0": "", "loss0_task": "task", "loss0_act": "activity", "loss0_wdecay": "weights"}
    quantities: dict[str, Measure] = {
        "settings": _settings,
        **{quantity: _first_loss(quantity, term) for quantity, term in losses.items()},
        "pred0": _first_outputs,
        "hidden0": _first_activity,
        "hidden0_mean": _mean_activity,
        **{f"grad0_{name}": _first_gradient(name) for name in names},
        **{f"joint_grad0_{name}": _joint_gradient(name) for name in names},
        "loss_before": _losses("loss_before"),
        "loss_after": _losses("loss_after"),
        **{f"final_{name}": _final_weights(name) for name in names},
        "pred_final": _last_outputs,
        "optimal": _training_observer,
        "fractional_loss": _first_fractional_loss,
    }
    return Contents(quantities, (*_FED_TO_NETWORKS, "s"), {})


def _clip_contents(file: ReferenceFile) -> Contents:
    names = [name.removeprefix("grad0_") for name in file.arrays if name.startswith("grad0_")]
    quantities: dict[str, Measure] = {
        "loss0": _clip_file_loss,
        "pred0": _first_outputs,
        "hidden0": _first_activity,
        **{f"grad0_{name}": _clipped_gradient(name) for name in names},
        **{f"joint_grad0_{name}": _joint_gradient(name) for name in names},
        **{f"gradnoclip_{name}": _unclipped_gradient(name) for name in names},
    }
    return Contents(quantities, _FED_TO_NETWORKS, {})


def _response(file: ReferenceFile, array: str) -> tuple[np.ndarray, np.ndarray]:
    """Return stored outputs to the first batch in the response epoch, and their targets."""
    steps = slice(-file.make_task().resp_dur, None)
    targets = file.arrays["target"] if file.kind == "clip" else file.arrays["target"][0]
    return file.arrays[array][:, steps], targets[:, steps]


def _settings(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare the settings of the published run with our defaults, so far as files share them."""
    meta, cell = file.meta, CELLS[find_model(file.meta["model"])]
    experiment, options = file.experiment(), inspect.signature(paper_adam).parameters
    ours = {
        "lr": experiment.learning_rate,
        **{theirs: options[ours].default for theirs, ours in (("beta1", "b1"), ("beta2", "b2"), ("eps", "eps"))},
        "grad_clip": cell.__dataclass_fields__["gradient_clip"].default,
        "n_in": file.make_task().n_inputs,
    }
    if meta["gamma"] is not None:
        ours["gamma"] = cell.__dataclass_fields__["gamma"].default
    ours |= {"act_coeff": experiment.activity_penalty, "readout_offset": experiment.readout_step}
    theirs = {name: meta[name] for name in ours} | ({"n_in": file.arrays["inputs"].shape[-1]})
    return [Check(float(ours[name] != theirs[name]), 0.0, f"difference in {name}") for name in ours]


def _first_loss(quantity: str, term: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        terms = runs.start(file, precision).terms
        actual, expected = terms[term] if term else sum(terms.values()), float(file.arrays[quantity])
        allowed = TOLERANCE[precision]["loss"]
        if precision == "float32" and term in ("", "task"):
            allowed += loss_rounding(file.make_task().response, *_response(file, "pred0")) / expected
        return [Check(deviation(actual, expected), allowed)]

    return measure


def _clip_file_loss(file: ReferenceFile, precision: str) -> list[Check]:
    actual, expected = sum(runs.start(file, precision).terms.values()), float(file.arrays["loss0"])
    return [Check(deviation(actual, expected), TOLERANCE[precision]["clipped_loss"])]


def _first_outputs(file: ReferenceFile, precision: str) -> list[Check]:
    actual, expected = runs.start(file, precision).outputs, file.arrays["pred0"]
    return [Check(deviation(actual, expected), TOLERANCE[precision]["prediction"])]


def _first_activity(file: ReferenceFile, precision: str) -> list[Check]:
    expected = file.arrays["hidden0"]
    actual = runs.start(file, precision).activity[: len(expected)]
    return [Check(deviation(actual, expected), TOLERANCE[precision]["hidden"])]


def _mean_activity(file: ReferenceFile, precision: str) -> list[Check]:
    actual = runs.start(file, precision).activity.mean(dtype=np.float64)
    return [Check(deviation(actual, file.arrays["hidden0_mean"]), TOLERANCE[precision]["hidden_mean"])]


def _gradient_check(file: ReferenceFile, precision: str, name: str, actual: np.ndarray, tolerance: str) -> Check:
    expected = file.arrays[f"grad0_{name}"]
    outputs, targets = _response(file, "pred0")
    allowed = TOLERANCE[precision][tolerance]
    if precision == "float32" and file.kind == "train":
        allowed += 2 * uncertain_answers(file.make_task().response, outputs, targets)
    return Check(deviation(actual, expected, least_gradient_scale(name, outputs.shape[-1])), allowed)


def _first_gradient(name: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        gradient = runs.start(file, precision).gradient[name]
        return [_gradient_check(file, precision, name, gradient, "gradient")]

    return measure


def _clipped_gradient(name: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        gradient = runs.start(file, precision).gradient[name]
        return [_gradient_check(file, precision, name, gradient, "clipped_gradient")]

    return measure


def _joint_gradient(name: str) -> Measure:
    """Compare our default way of clipping, which must not matter unless a signal reaches the bound."""

    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        tolerance = "jointly_clipped_gradient" if runs.clipping_is_active(file) else "gradient"
        gradient = runs.start(file, precision).joint_gradient[name]
        return [_gradient_check(file, precision, name, gradient, tolerance)]

    return measure


def _unclipped_gradient(name: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        actual = runs.unclipped_gradient(file, precision)[name]
        expected = file.arrays[f"gradnoclip_{name}"]
        return [Check(deviation(actual, expected), TOLERANCE[precision]["unclipped_gradient"])]

    return measure


def _losses(quantity: Literal["loss_before", "loss_after"]) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        training, expected = runs.training(file, precision), file.arrays[quantity]
        actual = training.losses_before if quantity == "loss_before" else training.losses_after
        if precision == "float64":
            return [Check(deviation(actual, expected), TOLERANCE[precision]["loss"])]
        response = file.make_task().response
        rounding = max(loss_rounding(response, *_response(file, array)) for array in ("pred0", "pred_final"))
        differences = np.abs(actual - expected) / np.abs(expected)
        return [
            Check(float(differences.max()), WANDERING_LOSS["largest"] + rounding, "largest relative difference"),
            Check(
                float(np.median(differences)),
                WANDERING_LOSS["median"] + rounding,
                "median relative difference",
            ),
        ]

    return measure


def _final_weights(name: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        actual, expected = runs.training(file, precision).weights[name], file.arrays[f"final_{name}"]
        if precision == "float64":
            return [Check(deviation(actual, expected), TOLERANCE[precision]["final"])]
        off = np.abs(actual - expected) / file.meta["lr"]
        most = WANDERING_FINAL["each step"] * len(file.arrays["inputs"])
        checks = [Check(float(off.max()), most, "largest difference in learning rates")]
        if off.size >= 40:
            mean_off = float(off.mean())
            checks.append(Check(mean_off, WANDERING_FINAL["mean"], "mean difference in learning rates"))
        return checks

    return measure


def _last_outputs(file: ReferenceFile, precision: str) -> list[Check]:
    actual, expected = runs.training(file, precision).outputs, file.arrays["pred_final"]
    if precision == "float64":
        return [Check(deviation(actual, expected), TOLERANCE[precision]["prediction"])]
    difference = np.abs(actual - expected) / np.abs(expected).max()
    return [
        Check(float(difference.max()), WANDERING_PREDICTION["largest"]),
        Check(float(difference.mean()), WANDERING_PREDICTION["mean"], "mean deviation"),
    ]


def _training_answers(file: ReferenceFile, batch: int, outputs: np.ndarray, dtype: Any) -> Answers:
    """Return answers with the evidence of a stored batch."""
    task, inputs, targets = file.make_task(), file.arrays["inputs"][batch], file.arrays["target"][batch]
    steps = slice(-task.resp_dur, None)
    label = trajectory.cued_location(task, inputs)
    trials = runs.trials_of(inputs, targets, dtype, label=label)
    return Answers(jnp.asarray(outputs[:, steps]), trials.targets[:, steps], task.evidence(trials))


def _training_observer(file: ReferenceFile, precision: str) -> list[Check]:
    task, checks = file.make_task(), []
    for batch, expected in enumerate(file.arrays["optimal"]):
        answers = _training_answers(file, batch, file.arrays["target"][batch], np.dtype(precision))
        actual = task.observe(answers.evidence)
        distance = deviation(actual, _for_each_trial(_without_time(expected), actual.shape))
        allowed = _observer_tolerance(task, precision)
        checks.append(Check(distance, allowed, f"batch {batch}: largest deviation"))
    return checks


def _first_fractional_loss(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare with the published measure, written out here, of the stored answers to the first batch."""
    task, step = file.make_task(), file.meta["readout_offset"]
    outputs = runs.start(file, precision).outputs
    answers = _training_answers(file, 0, outputs, np.dtype(precision))
    actual = performance(task.response, errors(task.response, *given(task, answers, step))).fractional_loss
    network, reference = _published_errors(file, task, step)
    allowed = TOLERANCE[precision]["fractional_loss"]
    if task.response == "value":
        return [Check(deviation(actual, network), allowed)]
    expected = (network - reference) / reference if task.response == "angle" else network / reference
    # For angles the outputs' own size decides how much rounding they bring in.
    largest = float(np.abs(file.arrays["pred0"]).max()) / reference if task.response == "angle" else 1.0
    return [Check(deviation(actual, expected, max(1.0, largest)), allowed)]


def _published_errors(file: ReferenceFile, task: AbstractTask, step: int) -> tuple[float, float]:
    truth, best = (file.arrays[name][0] for name in ("s", "optimal"))
    best = _without_time(best)
    outputs = file.arrays["pred0"]
    if task.response == "value":
        return float(np.mean(np.abs(truth - outputs[:, -task.resp_dur :, 0]))), 0.0
    network = outputs[:, step].reshape(-1)
    truth, best = truth.reshape(-1), best.reshape(-1)
    if task.response == "angle":
        return tuple(float(np.nanmean(np.mod(np.abs(truth - a), np.pi))) for a in (network, best))  # type: ignore[return-value]
    with np.errstate(all="ignore"):
        of_network = best * np.log(best / network) + (1 - best) * np.log((1 - best) / (1 - network))
        of_chance = best * np.log(2 * best) + (1 - best) * np.log(2 * (1 - best))
    return float(np.nanmean(of_network)), float(np.nanmean(of_chance))


# Trajectories ---------------------------------------------------------------------------


def _trajectory_contents(file: ReferenceFile) -> Contents:
    quantities: dict[str, Measure] = {
        "observer": _trajectory_observer,
        "loss": _trajectory_losses,
        "prediction_after_step": _trajectory_predictions,
        **{name: _trajectory_weights(name) for name in trajectory.order(file)},
    }
    fed = ("X", "S", "mask", "delay_durs", "checkpoints", "meta", *trajectory.parameter_patterns(file))
    return Contents(quantities, fed, {})


def _trajectory_observer(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare all observers' answers, of all steps at once."""
    task, dtype = file.make_task(), np.dtype(precision)
    answers = [task.ideal_observer(trajectory.batch(file, k, dtype)) for k in range(len(file.arrays["observer"]))]
    stored = [_for_each_trial(_without_time(o), a.shape) for o, a in zip(file.arrays["observer"], answers, strict=True)]
    return [Check(deviation(np.array(answers), np.array(stored)), _observer_tolerance(task, precision))]


def _trajectory_losses(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare the loss before every step, each on its own scale."""
    ours = trajectory.trajectory(file, precision).losses
    off = np.abs(ours / file.arrays["loss"][: len(ours)] - 1)
    return _checks_of_steps(off, "loss", precision)


def _trajectory_predictions(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare the answers after every step, on the scale of the largest answer to its batch."""
    ours = trajectory.trajectory(file, precision).predictions
    theirs = file.arrays["prediction_after_step"][: len(ours)].reshape(ours.shape)
    axes = tuple(range(1, ours.ndim))
    off = np.abs(ours - theirs).max(axis=axes) / np.abs(theirs).max(axis=axes)
    return _checks_of_steps(off, "prediction", precision)


def _checks_of_steps(off: np.ndarray, quantity: str, precision: str) -> list[Check]:
    """Return the check of the step that comes nearest to what is allowed, or goes farthest beyond."""
    allowed = np.array([on_a_trajectory(quantity, k, precision) for k in range(len(off))])
    k = int(np.argmax(np.nan_to_num(off, nan=np.inf) / allowed))
    return [Check(float(off[k]), float(allowed[k]), f"step {k}: difference")]


def _trajectory_weights(name: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        ours = trajectory.trajectory(file, precision).weights
        # A bias near zero counts as large as one step of learning.
        least_scale = trajectory.experiment(file).learning_rate
        return [
            Check(
                deviation(ours[k][name], trajectory.stored_weights(file, k)[name], least_scale),
                on_a_trajectory("weights", k, precision),
                f"after {k} steps: largest deviation",
            )
            for k in trajectory.checkpoints_by_step(file, precision)
        ]

    return measure


# Sequentiality ---------------------------------------------------------------------------

_SEQUENTIALITY = {
    "SI": "sequentiality_index",
    "trial": "trial_sequentiality_index",
    "entropy": "trial_peak_entropy",
    "logridge": "trial_ridge_to_background",
    "nactive": "trial_n_active_units",
    "logridge_units": "unit_ridge_to_background",
}


def _sequentiality_contents(file: ReferenceFile) -> Contents:
    quantities = {
        f"{field}_{name}": _sequentiality(str(name), field) for name in file.arrays["names"] for field in _SEQUENTIALITY
    }
    return Contents(quantities, ("act_.*", "names", "bins", "window", "threshold", "meta"), {})


def _sequentiality(name: str, field: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        arrays = file.arrays
        measured = sequentiality_index(
            jnp.asarray(arrays[f"act_{name}"], precision),
            min_rate=float(arrays["threshold"]),
            n_bins=int(arrays["bins"]),
            window=int(arrays["window"]),
            per_unit=True,
        )
        actual, expected = measured[_SEQUENTIALITY[field]].to_numpy(), arrays[f"{field}_{name}"]
        return [Check(deviation(actual, expected), TOLERANCE[precision]["sequentiality"])]

    return measure


# Fractional loss ---------------------------------------------------------------------------


def _fractional_contents(file: ReferenceFile) -> Contents:
    fields = ("loss", "err_opt", "err_net", "num", "den", "n_nan_num", "n_nan_den", "loss_published")
    left_out = {
        ".*_published_error": "the published program fails here; the loss of matching arrays is compared",
    }
    quantities: dict[str, Measure] = {"CD1_loss_published": _misaligned}
    for array in file.arrays:
        match = re.fullmatch(rf"(\w+?)_({'|'.join(fields)})", array)
        if match and array not in quantities and not any(re.fullmatch(pattern, array) for pattern in left_out):
            quantities[array] = _fractional(match[1], match[2])
    return Contents(quantities, (".*_s", ".*_opt", ".*_net", "meta"), left_out)


def _misaligned(file: ReferenceFile, precision: str) -> list[Check]:
    """Compare what the published program reports for CD-1, where each batch's observer meets all batches' answers."""
    network = file.arrays["CD1_net"].astype(precision)
    observer = file.arrays["CD1_opt"].reshape(network.shape)
    actual = misaligned.fractional_loss(misaligned.quantities(observer, network).sum(axis=0))
    return [Check(deviation(actual, file.arrays["CD1_loss_published"]), TOLERANCE[precision]["measure"])]


def _fractional(name: str, field: str) -> Measure:
    def measure(file: ReferenceFile, precision: str) -> list[Check]:
        arrays = file.arrays
        base = name.removesuffix("nan")  # which only has an observer of its own
        truth, network = (arrays[f"{base}_{part}"].astype(precision) for part in ("s", "net"))
        task, observer = make(base), arrays[f"{name}_opt"]
        shape = network.shape if network.size >= truth.size else truth.shape
        truth, observer, network = (_for_each_trial(array, shape) for array in (truth, observer, network))
        of = errors(task.response, truth, observer, network)
        actual = {
            "err_net": mean(of.network),
            "num": mean(of.network),
            "err_opt": mean(of.reference),
            "den": mean(of.reference),
            "n_nan_num": float(np.isnan(of.network).sum()),
            "n_nan_den": float(np.isnan(of.reference).sum()),
        }.get(field, performance(task.response, of).fractional_loss)
        return [Check(deviation(actual, arrays[f"{name}_{field}"]), TOLERANCE[precision]["measure"])]

    return measure


_KINDS: dict[str, Callable[[ReferenceFile], Contents]] = {
    "task": _task_contents,
    "train": _train_contents,
    "clip": _clip_contents,
    "trajectory": _trajectory_contents,
    "sequentiality": _sequentiality_contents,
    "fractional_loss": _fractional_contents,
}
