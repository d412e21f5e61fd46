"""The contenders ("sides"): one training iteration of the same network, in this package and in other libraries.

A side takes the number of units N and returns a function that does one iteration and waits for its end. All sides
train DE-1 with the paper's sizes (150 steps, 50 trials, 50 input neurons) in single precision.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from recurrent_memory import kernel as compiled
from recurrent_memory.experiment import Experiment
from recurrent_memory.runs.resources import cores
from recurrent_memory.runs.start import fresh_state, trainer
from recurrent_memory.training import Optimizer, task_loss

from .onednn import NotBuiltError, Primitive

Iteration = Callable[[], Any]
Side = Callable[[int], Iteration]
STEPS, TRIALS, NEURONS, RESPONSE = 150, 50, 50, 25
PER_CALL = 10
"""Iterations in one call of our sides, because this package trains in compiled chunks of iterations."""


class MissingError(RuntimeError):
    """A library that a side needs is not installed."""


def experiment(n_hidden: int, **changes: Any) -> Experiment:
    """Return the experiment that all sides train on."""
    return Experiment(**{"task": "de1", "n_hidden": n_hidden, "lambda0": 0.98, "sigma0": 0.0, **changes})


def limit(n_hidden: int, rows: int = STEPS * TRIALS, blocks: int = 1) -> Iteration:
    """Return the machine's limit: the three large matrix products of an iteration, each as one product.

    ``rows`` is the number of steps times the number of trials; ``blocks`` that of recurrent inputs of a unit.
    """
    a, b = (jax.random.normal(jax.random.key(i), (rows, n * n_hidden)) for i, n in enumerate((1, blocks)))
    product = jax.jit(lambda a, b: a.T @ b)

    def iteration() -> None:
        for _ in range(3):
            jax.block_until_ready(product(a, b))

    return iteration


def ours(n_hidden: int, *, after: int = 0, by_kernel: bool = True, **changes: Any) -> Iteration:
    """Return this package's training, including the drawing of trials, after a network has trained for some iterations.

    ``changes`` are changes to the experiment.
    """
    if by_kernel and compiled.instruction_set() is None:
        raise MissingError("the package was installed without a compiler")
    made = experiment(n_hidden, **changes)
    on = trainer(made, made.make_task())

    @eqx.filter_jit
    def several(state: Any) -> Any:
        arrays, static = eqx.partition(state, eqx.is_array)

        def body(_: Any, arrays: Any) -> Any:
            return eqx.filter(on.iterate(eqx.combine(arrays, static))[0], eqx.is_array)

        return eqx.combine(jax.lax.fori_loop(0, PER_CALL, body, arrays), static)

    jax.clear_caches()  # otherwise trials would be drawn as for the previous side, with or without the kernel
    with environment(compiled.SWITCH, "on" if by_kernel else "off"):
        start = fresh_state(made)
        # For good: when the caches are cleared for the next side, this one must not compile again while it is timed.
        program: Any = several
        program = program.lower(start).compile()
        for _ in range(after // PER_CALL):
            start = program(start)

    def iteration() -> None:
        jax.block_until_ready(jax.tree.leaves(eqx.filter(program(start), eqx.is_array)))

    return iteration


def plain_scan(n_hidden: int) -> Iteration:
    """Return the same iteration as one would first write it in JAX: a scan, differentiated automatically.

    Its trials are drawn in advance.
    """
    made = experiment(n_hidden)
    task, state = made.make_task(), fresh_state(made)
    trials = task.sample(jax.random.key(0), TRIALS)
    inputs, targets = trials.inputs.swapaxes(0, 1), trials.targets[:, -RESPONSE:]

    def loss(network: Any) -> Any:
        cell = network.cell

        def step(h: Any, x: Any) -> Any:
            h = jax.nn.relu(x @ cell.W_in + cell.b_in + cell.b_rec + h @ cell.W_rec)
            return h, h

        _, h = jax.lax.scan(step, jnp.zeros((TRIALS, n_hidden)), inputs)
        outputs = (h @ network.W_out + network.b_out).swapaxes(0, 1)
        return task_loss("angle", outputs[:, -RESPONSE:], targets) + 1e-4 * jnp.mean(h[-5:] ** 2)

    @eqx.filter_jit
    def one(network: Any, optimizer: Any) -> Any:
        gradient = eqx.filter_grad(loss)(network)
        return Optimizer().step(network, gradient, optimizer, jnp.asarray(5e-4))

    carried = list(one(state.network, state.optimizer))

    def iteration() -> None:
        carried[:] = one(*carried)
        jax.block_until_ready(jax.tree.leaves(eqx.filter(carried, eqx.is_array)))

    return iteration


def torch_loop(n_hidden: int, *, built_in: bool = False) -> Iteration:
    """Return the same iteration in PyTorch, as a plain loop or with ``nn.RNN``, on trials drawn in advance."""
    torch = _import("torch", "pip install torch")
    torch.set_num_threads(cores())
    task = experiment(n_hidden).make_task()
    trials = task.sample(jax.random.key(0), TRIALS)
    inputs = torch.tensor(np.array(trials.inputs.swapaxes(0, 1)))
    targets = torch.tensor(np.array(trials.targets.swapaxes(0, 1)[-RESPONSE:]))
    readout = torch.nn.Linear(n_hidden, 1)
    if built_in:
        rnn = torch.nn.RNN(NEURONS, n_hidden, nonlinearity="relu")
        weights = rnn.weight_hh_l0
        parameters = [*rnn.parameters(), *readout.parameters()]
    else:
        w_in = torch.nn.Linear(NEURONS, n_hidden)
        weights = torch.nn.Parameter(torch.empty(n_hidden, n_hidden))
        parameters = [*w_in.parameters(), weights, *readout.parameters()]
    with torch.no_grad():
        weights.copy_(0.98 * torch.eye(n_hidden))
    optimizer = torch.optim.Adam(parameters, lr=5e-4)

    def activity() -> Any:
        if built_in:
            return rnn(inputs)[0]
        drive, h, kept = w_in(inputs), torch.zeros(TRIALS, n_hidden), []
        for t in range(STEPS):
            h = torch.relu(drive[t] + h @ weights)
            kept.append(h)
        return torch.stack(kept)

    def iteration() -> None:
        optimizer.zero_grad()
        h = activity()
        error = torch.remainder(torch.abs(readout(h[-RESPONSE:]) - targets), np.pi).mean()
        (error + 1e-4 * (h[-5:] ** 2).mean()).backward()
        optimizer.step()

    return iteration


def neuralrnn(n_hidden: int) -> Iteration:
    """Return a step of NeuralRNN's own trainer: its continuous-time network with dt = τ and relu.

    Its trials are drawn in advance. It offers no circular error, so it minimises the squared error of the orientation
    in the response epoch.
    """
    torch = _import("torch", "pip install torch")
    package = _import("neuralrnn", "pip install gymnasium tqdm && pip install --no-deps neuralrnn")
    models = _import("neuralrnn.models.ctrnn", "")
    torch.set_num_threads(cores())
    trials = experiment(n_hidden).make_task().sample(jax.random.key(0), TRIALS)
    in_response = torch.zeros(TRIALS, STEPS)
    in_response[:, -RESPONSE:] = 1
    arrays = {"inputs": torch.tensor(np.array(trials.inputs)), "targets": torch.tensor(np.array(trials.targets))}
    batch = {**arrays, "mask": in_response}

    class ReadyMade:
        def sample_batch(self) -> dict[str, Any]:
            return batch

    settings = models.CTRNNConfig(input_dim=NEURONS, latent_dim=n_hidden, output_dim=1, alpha=1.0, activation="relu")
    model = models.CTRNNModel(settings)
    with torch.no_grad():
        model.h2h.weight.copy_(0.98 * torch.eye(n_hidden))
    arguments = package.TrainingArguments(learning_rate=5e-4, max_steps=1, log_every=0, disable_progress_bar=True)
    trainer = package.Trainer(model, ReadyMade(), package.SupervisedObjective("regression"), arguments)
    return trainer.train  # type: ignore[no-any-return]


def onednn(n_hidden: int) -> Iteration:
    """Return oneDNN's recurrent primitive, forward and backward with the gradients of the weights.

    Neither trials nor losses nor the optimizer are part of it. Its numbers are compared with a plain loop's first.
    """
    made = experiment(n_hidden)
    cell: Any = fresh_state(made).network.cell
    spikes = made.make_task().sample(jax.random.key(0), TRIALS).inputs.swapaxes(0, 1)
    inputs, w_in, w_rec = (np.asarray(a, np.float32) for a in (spikes, cell.W_in, cell.W_rec))
    try:
        primitive = Primitive(inputs, w_in, w_rec)
    except NotBuiltError as reason:
        raise MissingError(str(reason)) from None
    primitive.forward()
    primitive.gradient_of_activity[-RESPONSE:] = np.random.default_rng(0).normal(size=(RESPONSE, TRIALS, n_hidden))
    primitive.backward()
    gradient = _gradient_of_recurrent_weights(inputs, w_in, w_rec, primitive.gradient_of_activity)
    np.testing.assert_allclose(primitive.gradient_of_recurrent_weights, gradient, atol=1e-4 * np.abs(gradient).max())

    def iteration() -> None:
        primitive.forward()
        primitive.backward()

    return iteration


def _gradient_of_recurrent_weights(inputs: Any, w_in: Any, w_rec: Any, gradient_of_activity: Any) -> np.ndarray:
    h = [np.zeros((inputs.shape[1], len(w_rec)))]
    for x in inputs:
        h.append(np.maximum(x @ w_in + h[-1] @ w_rec, 0))
    gradient, following = np.zeros(w_rec.shape), np.zeros(h[0].shape)
    for t in reversed(range(len(inputs))):
        following = (gradient_of_activity[t] + following @ w_rec.T) * (h[t + 1] > 0)
        gradient += h[t].T @ following
    return gradient


@contextlib.contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable within a `with` block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _import(module: str, how: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingError(f"{module} is not installed ({how})") from None


LIMIT, OURS, AFTER = "limit: three large products", "ours, first iterations", "ours, after 1000 iterations"
SIDES: dict[str, Side] = {
    LIMIT: limit,
    OURS: ours,
    AFTER: lambda n: ours(n, after=1000),
    "ours without the kernel": lambda n: ours(n, by_kernel=False),
    "plain jax.lax.scan": plain_scan,
    "oneDNN's vanilla_rnn": onednn,
    "torch.nn.RNN": lambda n: torch_loop(n, built_in=True),
    "plain PyTorch loop": torch_loop,
    "NeuralRNN": neuralrnn,
}
"""All sides by name; a call of one of ours does ``PER_CALL`` iterations."""
