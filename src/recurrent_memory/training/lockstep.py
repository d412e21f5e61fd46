"""Many networks of equal shape trained in one program, sharded over all devices."""

from __future__ import annotations

import time
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PyTree

from .loop import CHUNK_CAPACITY, Answers, Chunk, Trainer, TrainingState


class Member(eqx.Module):
    """One network of an ensemble: how it is trained, and its state.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> task, key = make("de1"), jax.random.key(0)
    >>> network = initialize(
    ...     key, "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> from recurrent_memory.training import Objective, Optimizer, Schedule, Trainer
    >>> schedule = Schedule.named("constant", {}, iterations=10)
    >>> objective = Objective("angle", resp_dur=25)
    >>> trainer = Trainer(task, objective, key, jnp.asarray(5e-4), schedule, Optimizer(), batch_size=2)
    >>> int(Member(trainer, trainer.start(network)).state.iteration)
    0
    """

    trainer: Trainer
    state: TrainingState


class Ensemble:
    """Networks that train in lockstep, in one program.

    A member's numbers do not depend on the other members, their order or its device, beyond the rounding of sums.

    Parameters
    ----------
    members
        Networks of equal shape whose trainers differ only in the values of arrays.
    devices
        Devices over which to spread them; by default all local devices.

    Examples
    --------
    >>> from recurrent_memory.networks import initialize
    >>> from recurrent_memory.tasks import make
    >>> task, key = make("de1"), jax.random.key(0)
    >>> network = initialize(
    ...     key, "relu", n_inputs=50, n_hidden=3, n_outputs=1,
    ...     readout="linear", is_probability=False, lambda0=0.9, sigma0=0.1,
    ... )
    >>> from recurrent_memory.training import Objective, Optimizer, Schedule, Trainer
    >>> schedule = Schedule.named("constant", {}, iterations=10)
    >>> objective = Objective("angle", resp_dur=25)
    >>> trainer = Trainer(task, objective, key, jnp.asarray(5e-4), schedule, Optimizer(), batch_size=2)
    >>> Ensemble([Member(trainer, trainer.start(network))] * 2).size
    2
    """

    def __init__(self, members: Sequence[Member], devices: Sequence[jax.Device] | None = None) -> None:
        devices = jax.local_devices() if devices is None else devices
        self.size = len(members)
        self._devices = devices[: max(1, self.size)]
        # Every device gets equally many: copies of the last member fill the free places, and are never read.
        filled = [*members, *[members[-1]] * (-self.size % len(self._devices))]
        parts = [eqx.partition(member, eqx.is_array) for member in filled]
        self._static = parts[0][1]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(arrays for arrays, _ in parts))
        by_network = NamedSharding(Mesh(np.array(self._devices), ("network",)), PartitionSpec("network"))
        self._arrays = jax.device_put(stacked, by_network)

    def advance(self, n_iterations: int) -> tuple[list[Chunk], float]:
        """Train all members.

        A member whose loss is not finite stays as it was before that step, and has done fewer iterations.

        Parameters
        ----------
        n_iterations
            Number of iterations, at most ``CHUNK_CAPACITY``.

        Returns
        -------
        The chunk of each member, and the duration (s).
        """
        started = time.monotonic()
        self._arrays, losses, records = _advance(self._static, self._arrays, jnp.asarray(n_iterations, jnp.int32))
        host = jax.tree.map(np.asarray, (losses, records))
        return [_chunk_of(i, n_iterations, *host) for i in range(self.size)], time.monotonic() - started

    def member(self, number: int) -> Member:
        """Return a member as it is now, on one device.

        Parameters
        ----------
        number
            Position among the members, from 0.

        Returns
        -------
        The member.
        """
        arrays = jax.tree.map(lambda leaf: jax.device_put(leaf[number], self._devices[0]), self._arrays)
        member: Member = eqx.combine(arrays, self._static)
        return member


def _chunk_of(number: int, n_iterations: int, losses: np.ndarray, records: PyTree) -> Chunk:
    own = losses[number, :n_iterations]
    broken = np.flatnonzero(~np.isfinite(own))
    done = int(broken[0]) + 1 if broken.size else n_iterations
    return Chunk(done, own[:done], jax.tree.map(lambda r: r[number, :done], records))


def _chunk(
    static: Member, arrays: Member, n_iterations: Int[Array, ""]
) -> tuple[Member, Float[Array, "network iteration"], Answers]:
    def iterate(arrays: Member) -> tuple[Member, Float[Array, ""], Answers]:
        member = eqx.combine(arrays, static)
        state, loss, record = member.trainer.iterate(member.state)
        return eqx.filter(Member(member.trainer, state), eqx.is_array), loss, record

    _, loss, example = jax.eval_shape(jax.vmap(iterate), arrays)
    rows = jax.tree.map(lambda x: jnp.zeros((x.shape[0], CHUNK_CAPACITY, *x.shape[1:]), x.dtype), (loss, example))

    def body(i: Array, carry: PyTree) -> PyTree:
        arrays, rows = carry
        arrays, loss, record = jax.vmap(iterate)(arrays)
        return arrays, jax.tree.map(lambda r, x: r.at[:, i].set(x), rows, (loss, record))

    arrays, (losses, records) = jax.lax.fori_loop(0, n_iterations, body, (arrays, rows))
    return arrays, losses, records


_advance = eqx.filter_jit(_chunk, donate="none")
