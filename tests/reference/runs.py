"""Our own run of what a file holds, once for each file and precision."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from recurrent_memory.networks import CELLS, Network, find_model
from recurrent_memory.tasks import AbstractTask, Trials
from recurrent_memory.training import Objective, Optimizer
from recurrent_memory.training.objective import Terms

from .files import ReferenceFile

Arrays = dict[str, np.ndarray]

BLOCKS = {"r": 0, "u": 1, "c": 2}
"""The published GRU's suffixes (reset, update, candidate) and our order of the blocks."""
NO_CLIPPING = 1e30
AT_ONCE = 20
"""Steps of training that are one program if there are hundreds."""

QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""Programs that run a few times are compiled without optimisations: four times as fast."""
OPTIMIZED = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    "xla_cpu_use_fusion_emitters": True,
}
"""Programs that run hundreds of times are compiled with all of them, whatever is the default of all tests."""


def _forward(objective: Objective, network: Network, trials: Trials) -> tuple[Terms, jax.Array, jax.Array]:
    terms, _ = objective.terms(network, trials)
    return terms, *network(trials.inputs, trials.mask if objective.masked else None)


def _gradient(objective: Objective, network: Network, trials: Trials) -> tuple[jax.Array, jax.Array, Network]:
    return objective.gradient(network, trials)


@functools.cache
def _compiled(function: Callable[..., Any], *, optimized: bool = False) -> Callable[..., Any]:
    """Compile a function whose arguments hold nothing but arrays; files with the same shapes share a program."""
    wanted: dict[str, int | bool] = OPTIMIZED if optimized else QUICK
    return jax.jit(function, compiler_options={k: v for k, v in wanted.items() if _is_option(k, v)})


def _is_option(name: str, value: int | bool) -> bool:
    """Return whether the installed XLA knows an option."""
    try:
        jax.jit(jnp.negative, compiler_options={name: value}).lower(1.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


@dataclass(frozen=True)
class Start:
    """The network of a file before training, on its first batch."""

    terms: dict[str, float]
    outputs: np.ndarray
    activity: np.ndarray
    gradient: Arrays
    """As published: the signals of task and activity term clipped one by one."""
    joint_gradient: Arrays
    """As by default: clipped once."""


@dataclass(frozen=True)
class Training:
    """The same network on its way through all batches, and the weights it ends with."""

    losses_before: np.ndarray
    losses_after: np.ndarray
    weights: Arrays
    outputs: np.ndarray
    """Answers to the first batch, at the end."""


class Problem:
    """What a file describes, ready to run."""

    def __init__(self, file: ReferenceFile, precision: str) -> None:
        self.arrays, self.meta, self.dtype = file.arrays, file.meta, np.dtype(precision)
        self.task = file.make_task()
        self.is_clip_file = file.kind == "clip"

    def objective(self, *, separate_clipping: bool) -> Objective:
        """Return the objective, its coefficients as arrays: one program serves all their values."""
        objective = Objective(
            response=self.task.response,
            resp_dur=self.task.resp_dur,
            masked="mask" in self.arrays,
            separate_clipping=separate_clipping,
        )
        coefficients = (self.meta["act_coeff"], self.meta["rho_val"])
        as_arrays = tuple(jnp.asarray(c, self.dtype) for c in coefficients)
        changed: Objective = eqx.tree_at(lambda o: (o.activity_penalty, o.rho), objective, as_arrays)
        return changed

    def network(self, *, clipped: bool = True) -> Network:
        """Return the network with the stored initial weights."""
        prefix = "init_"
        weights = {n.removeprefix(prefix): v for n, v in self.arrays.items() if n.startswith(prefix)}
        options = {"gradient_clip": self.meta["grad_clip"] if clipped else NO_CLIPPING}
        if self.meta.get("gamma") is not None:
            options["gamma"] = self.meta["gamma"]
        return network_of(weights, self.meta["model"], self.task, self.dtype, sigmoid=self.has_sigmoid, **options)

    def trials(self, batch: int = 0) -> Trials:
        """Return a stored batch; what its hidden variables were does not matter to a network."""
        inputs, targets, *mask = (
            self.arrays[name] if self.is_clip_file else self.arrays[name][batch]
            for name in ("inputs", "target", "mask")
            if name in self.arrays
        )
        return trials_of(inputs, targets, self.dtype, mask=mask[0] if mask else None)

    @property
    def has_sigmoid(self) -> bool:
        """Whether outputs are sigmoid: in the published variable-delay script they are for every task."""
        return self.task.response == "probability" or self.meta.get("variant") == "sigmoid"

    @property
    def n_batches(self) -> int:
        return 1 if self.is_clip_file else len(self.arrays["inputs"])


def network_of(
    weights: Arrays, model: int | str, task: AbstractTask, dtype: np.dtype[Any], *, sigmoid: bool, **options: Any
) -> Network:
    """Return a network with published weights, of a published model."""
    cell_class: Any = CELLS[find_model(model)]
    ours = {name: jnp.asarray(value, dtype) for name, value in _our_weights(weights).items()}
    W_out, b_out = ours.pop("W_out"), ours.pop("b_out")
    return Network(
        cell=cell_class(**ours, **options),
        W_out=W_out,
        b_out=b_out,
        readout="sigmoid" if sigmoid else "linear",
        is_probability=task.response == "probability",
    )


def trials_of(
    inputs: np.ndarray,
    targets: np.ndarray,
    dtype: np.dtype[Any],
    *,
    label: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> Trials:
    """Return trials of stored inputs and targets, without stimuli, and with inputs in place of rates."""
    values = jnp.asarray(inputs, dtype)
    n_trials = len(inputs)
    return Trials(
        inputs=values,
        targets=jnp.asarray(targets, dtype),
        mask=jnp.asarray(np.ones(inputs.shape[:2], bool) if mask is None else mask),
        stimuli=jnp.zeros((n_trials, 0, 0), dtype),
        label=jnp.asarray(np.zeros(n_trials, int) if label is None else label.astype(int)),
        rates=values,
    )


@functools.cache
def start(file: ReferenceFile, precision: str) -> Start:
    """Run the network of a file before training."""
    with jax.enable_x64(precision == "float64"):
        problem = Problem(file, precision)
        network, trials = problem.network(), problem.trials()
        separate, joint = (problem.objective(separate_clipping=s) for s in (True, False))
        terms, outputs, activity = _compiled(_forward)(separate, network, trials)
        return Start(
            terms={name: float(value) for name, value in terms._asdict().items()},
            outputs=np.asarray(outputs),
            activity=np.asarray(activity),
            gradient=published_weights(_compiled(_gradient)(separate, network, trials)[2]),
            joint_gradient=published_weights(_compiled(_gradient)(joint, network, trials)[2]),
        )


@functools.cache
def unclipped_gradient(file: ReferenceFile, precision: str) -> Arrays:
    """Return the first gradient without any clipping."""
    with jax.enable_x64(precision == "float64"):
        problem = Problem(file, precision)
        objective = problem.objective(separate_clipping=False)
        return published_weights(_compiled(_gradient)(objective, problem.network(clipped=False), problem.trials())[2])


def clipping_is_active(file: ReferenceFile) -> bool:
    """Return whether clipping matters at all: whether the gradient, clipped as published, differs without it.

    Decided in double precision, from our own numbers, by more than rounding (1e-12).
    """
    clipped, free = start(file, "float64").gradient, unclipped_gradient(file, "float64")
    return any(np.abs(clipped[p] - free[p]).max() > 1e-12 * np.abs(clipped[p]).max() for p in clipped)


@functools.cache
def training(file: ReferenceFile, precision: str) -> Training:
    """Train the network of a file on its batches, one step each, in order."""
    with jax.enable_x64(precision == "float64"):
        problem = Problem(file, precision)
        objective, network = problem.objective(separate_clipping=True), problem.network()
        learning_rate = jnp.asarray(problem.meta["lr"], problem.dtype)
        before, after = [], []
        for step in steps(objective, network, map(problem.trials, range(problem.n_batches)), learning_rate):
            before.append(step.loss_before)
            after.append(step.loss_after)
            network = step.network
        outputs = _compiled(_forward)(objective, network, problem.trials())[1]
        return Training(np.array(before), np.array(after), published_weights(network), np.asarray(outputs))


class Step(NamedTuple):
    """One step of training on stored trials."""

    loss_before: float
    loss_after: float
    """On the same trials."""
    outputs_after: np.ndarray
    """Answers to the same trials, at every step of the trial."""
    network: Network


def steps(
    objective: Objective, network: Network, batches: Iterable[Trials], learning_rate: jax.Array, *, many: bool = False
) -> Iterator[Step]:
    """Train a network on batches of trials (if ``many``, hundreds), one step each, in order."""
    given, state = iter(batches), Optimizer().start(network)
    if not many:
        gradient_of, step, forward = (_compiled(of) for of in (_gradient, _step, _forward))
        for trials in given:
            loss, _, gradient = gradient_of(objective, network, trials)
            network, state = step(network, gradient, state, learning_rate)
            terms, outputs, _ = forward(objective, network, trials)
            yield Step(float(loss), float(sum(terms)), np.asarray(outputs), network)
    while some := list(itertools.islice(given, AT_ONCE)):
        padded = some + some[-1:] * (AT_ONCE - len(some))
        stacked = jax.tree.map(lambda *of_batches: np.stack(of_batches), *padded)
        (network, state), done = _compiled(_several, optimized=True)(objective, network, state, stacked, learning_rate)
        for i in range(len(some)):
            yield Step(*jax.tree.map(lambda of_all: np.asarray(of_all)[i], done))  # noqa: B023 (used at once)


def _step(network: Network, gradient: Network, state: Any, learning_rate: Any) -> tuple[Network, Any]:
    return Optimizer().step(network, gradient, state, learning_rate)


def _several(
    objective: Objective, network: Network, state: Any, batches: Trials, learning_rate: Any
) -> tuple[tuple[Network, Any], Step]:
    """Take one step for each of the batches, in one program: one for each step would ask for new memory each time."""

    def one(carry: tuple[Network, Any], trials: Trials) -> tuple[tuple[Network, Any], Any]:
        network, state = carry
        loss, _, gradient = _gradient(objective, network, trials)
        network, state = _step(network, gradient, state, learning_rate)
        terms, outputs, _ = _forward(objective, network, trials)
        return (network, state), (loss, sum(terms), outputs, network)

    after, done = jax.lax.scan(one, (network, state), batches)
    return after, Step(*done)


def _our_weights(published: Arrays) -> Arrays:
    """Return weights by our names; the published GRU has one array for each block, ours stacks them."""
    if "W_in" in published:
        return published

    def stack(name: str) -> np.ndarray:
        return np.concatenate([published[f"{name}_{block}"] for block in BLOCKS], axis=-1)

    readout = {name: published[name] for name in ("W_out", "b_out")}
    return {"W_in": stack("W_in"), "b_in": stack("b"), "W_rec": stack("W_hid"), **readout}


def published_weights(network: Network) -> Arrays:
    """Return a network's (or gradient's) arrays by their published names."""
    cell: Any = network.cell
    arrays = {"W_in": cell.W_in, "b_in": cell.b_in, "W_rec": cell.W_rec}
    readout = {"W_out": np.asarray(network.W_out), "b_out": np.asarray(network.b_out)}
    if hasattr(cell, "b_rec"):
        return {name: np.asarray(a) for name, a in {**arrays, "b_rec": cell.b_rec}.items()} | readout
    published = {"W_in": "W_in", "b_in": "b", "W_rec": "W_hid"}
    blocks = {
        f"{published[name]}_{block}": np.split(np.asarray(a), len(BLOCKS), axis=-1)[number]
        for name, a in arrays.items()
        for block, number in BLOCKS.items()
    }
    return blocks | readout
