"""Hundreds of consecutive training steps of the published code, and ours on the same trials from the same weights.

A file ``trajectory_{condition}_{task}_model{m}.npz`` holds the trials of all steps (`X`, spike counts), what had to be
answered (`S`), the published observer's answers (`observer`), the loss before each step and the network's answers after
it, and all weights after some steps (`checkpoints`): by name (`W_in_100`) or, as the GRU's, by their number in the
published order (`p0_100`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from recurrent_memory.experiment import Experiment
from recurrent_memory.networks import find_model
from recurrent_memory.tasks import AbstractTask, Trials
from recurrent_memory.training import Objective

from .files import ReferenceFile
from .runs import Arrays, network_of, published_weights, steps, trials_of

GATES = ("u", "r", "c")
"""The published GRU's blocks in its own order: update, reset, candidate."""
ORDER: dict[bool, tuple[str, ...]] = {
    True: (*(f"{array}_{gate}" for gate in GATES for array in ("W_in", "W_hid", "b")), "W_out", "b_out"),
    False: ("W_in", "b_in", "W_rec", "b_rec", "W_out", "b_out"),
}
"""Published order of the parameters, of the GRU and of all others."""
COMPARABLE_STEPS: dict[str, int | None] = {"float64": None, "float32": 100}
"""Steps after which rounding, which grows 10 to 100 times every 100 steps, has not yet parted the two programs."""


@dataclass(frozen=True)
class Trajectory:
    """What training comes to, step by step."""

    losses: np.ndarray
    """Before each step."""
    predictions: np.ndarray
    """Answers at the read-out step after each step, (step, trial, output)."""
    weights: dict[int, Arrays]
    """After some steps, by published names."""


def order(file: ReferenceFile) -> tuple[str, ...]:
    """Return the names of a file's parameters in the published order."""
    return ORDER[find_model(file.model) == "gru"]


def n_compared(file: ReferenceFile, precision: str) -> int:
    """Return the number of steps that are compared."""
    return len(file.arrays["loss"][: COMPARABLE_STEPS[precision]])


def stored_weights(file: ReferenceFile, checkpoint: int) -> Arrays:
    """Return a file's weights after some steps, by their published names."""
    names = order(file)
    if f"p0_{checkpoint}" in file.arrays:
        return {name: file.arrays[f"p{number}_{checkpoint}"] for number, name in enumerate(names)}
    return {name: file.arrays[f"{name}_{checkpoint}"] for name in names}


def experiment(file: ReferenceFile) -> Experiment:
    """Return our experiment, whose defaults are the settings of the published run."""
    return file.experiment().model_copy(update={"rho": file.meta.get("rho_val", 0.0)})


def batch(file: ReferenceFile, step: int, dtype: np.dtype[np.generic]) -> Trials:
    """Return the trials of a step."""
    task, inputs = file.make_task(), file.arrays["X"][step]
    mask = file.arrays["mask"][step] if "mask" in file.arrays else None
    label = cued_location(task, inputs)
    return trials_of(inputs, targets(task, file.arrays["S"][step], inputs, mask), dtype, label=label, mask=mask)


def targets(task: AbstractTask, answers: np.ndarray, inputs: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return targets at every step of the trial, given one answer a trial; 0 at steps that a trial does without.

    Sine's are the same in all trials and known to the task; only those in the response count.
    """
    n_trials, n_steps = inputs.shape[:2]
    if task.response == "value":
        values = np.asarray(task.targets(jnp.zeros((0, 0)), jnp.zeros((), int)))
        return np.broadcast_to(values, (n_trials, *values.shape))
    one_each = answers.reshape(n_trials, 1, task.n_outputs)
    everywhere = np.broadcast_to(one_each, (n_trials, n_steps, task.n_outputs))
    return everywhere if mask is None else np.where(mask[:, :, None], everywhere, 0)


def cued_location(task: AbstractTask, inputs: np.ndarray) -> np.ndarray:
    """Return the cue of each trial, which is not stored; 0 for tasks without.

    It is read off the spikes in the response, of which the cued location has five times more.
    """
    if not (task.n_locations > 1 and task.response == "angle" and task.n_outputs == 1):
        return np.zeros(len(inputs), int)
    start, stop = task.epochs["response"]
    relevant = inputs[:, start:stop, np.asarray(task.input_locations) >= 0]
    counts = relevant.sum(axis=1, dtype=float).reshape(len(inputs), task.n_locations, -1)
    return np.asarray(counts.sum(axis=2).argmax(axis=1))


@functools.cache
def trajectory(file: ReferenceFile, precision: str) -> Trajectory:
    """Train from a file's first weights on its trials."""
    with jax.enable_x64(precision == "float64"):
        dtype, task, settings = np.dtype(precision), file.make_task(), experiment(file)
        network = network_of(stored_weights(file, 0), file.model, task, dtype, sigmoid=task.response == "probability")
        objective = Objective(
            response=task.response, resp_dur=task.resp_dur, masked="mask" in file.arrays, separate_clipping=True
        )
        coefficients = tuple(jnp.asarray(c, dtype) for c in (settings.activity_penalty, settings.rho))
        objective = eqx.tree_at(lambda o: (o.activity_penalty, o.rho), objective, coefficients)
        n_steps, checkpoints = n_compared(file, precision), set(file.arrays["checkpoints"].tolist())

        def batches() -> Iterator[Trials]:
            for step in range(n_steps):
                yield batch(file, step, dtype)

        losses: list[float] = []
        predictions: list[np.ndarray] = []
        weights: dict[int, Arrays] = {}
        for done, step in enumerate(
            steps(objective, network, batches(), jnp.asarray(settings.learning_rate, dtype), many=True), 1
        ):
            losses.append(step.loss_before)
            predictions.append(step.outputs_after[:, settings.readout_step])
            if done in checkpoints:
                weights[done] = published_weights(step.network)
        return Trajectory(np.array(losses), np.array(predictions), weights)


def checkpoints_by_step(file: ReferenceFile, precision: str) -> list[int]:
    """Return after how many steps weights are compared."""
    last = n_compared(file, precision)
    return [k for k in file.arrays["checkpoints"].tolist() if 0 < k <= last]


def parameter_patterns(file: ReferenceFile) -> tuple[str, ...]:
    """Return patterns of the names of a file's parameters."""
    return (*(rf"{re.escape(name)}_\d+" for name in order(file)), r"p\d+_\d+")
