"""Many networks of equal shape in one program, sharded over all devices."""

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
    """A network in an ensemble: how it is trained, and how far it is."""

    trainer: Trainer
    state: TrainingState


class Ensemble:
    """Networks that train in step, one program for all.

    Every member's numbers are its own: none depends on the others, on their order, or on the device it is on, beyond
    the rounding of sums.

    Parameters
    ----------
    members
        Networks of equal shape, whose trainers differ in the values of arrays alone.
    devices
        Where to put them; all local devices by default.
    """

    def __init__(self, members: Sequence[Member], devices: Sequence[jax.Device] | None = None) -> None:
        devices = jax.local_devices() if devices is None else devices
        self.size = len(members)
        self._devices = devices[: max(1, self.size)]
        # Each device gets as many: the last member stands in for those that are missing, and is not looked at.
        filled = [*members, *[members[-1]] * (-self.size % len(self._devices))]
        parts = [eqx.partition(member, eqx.is_array) for member in filled]
        self._static = parts[0][1]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(arrays for arrays, _ in parts))
        by_network = NamedSharding(Mesh(np.array(self._devices), ("network",)), PartitionSpec("network"))
        self._arrays = jax.device_put(stacked, by_network)

    def advance(self, n_iterations: int) -> tuple[list[Chunk], float]:
        """Train all members for up to ``n_iterations`` ≤ ``CHUNK_CAPACITY``; return what each did, and the seconds.

        A member whose loss is not finite stays as it was before that step, and has done fewer iterations.
        """
        started = time.monotonic()
        self._arrays, losses, records = _advance(self._static, self._arrays, jnp.asarray(n_iterations, jnp.int32))
        host = jax.tree.map(np.asarray, (losses, records))
        return [_chunk_of(i, n_iterations, *host) for i in range(self.size)], time.monotonic() - started

    def member(self, number: int) -> Member:
        """Return a network as it is now, apart from the others."""
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
