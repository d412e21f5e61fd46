"""Own cells: every parameter that their methods read is differentiated, and their fields may have any type."""

from __future__ import annotations

from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from jaxtyping import Array, Bool, Float, Int, Key
from pydantic import Field

from helpers import TOLERANCE, assert_trees_close
from recurrent_memory import networks
from recurrent_memory.errors import InputError
from recurrent_memory.networks import AbstractCell, recur, recur_by_autodiff, recur_by_loop

N_INPUTS, N_HIDDEN, N_TRIALS, N_STEPS = 5, 9, 4, 12
PLACES = ("activity", "initial_state", "drive", "update", "recurrent_weights")


class ProbeCell(AbstractCell):
    """A cell with one parameter that any of its methods may read."""

    model = "probe_test"
    W_in: Float[Array, "neuron unit"]
    W_rec: Float[Array, "unit unit"]
    gain: Float[Array, " unit"]
    places: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def initialize(
        cls, key: Any, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float, places: Any = PLACES
    ) -> ProbeCell:
        W_in = jr.normal(key, (n_inputs, n_hidden))
        W_rec = networks.scaled_identity(key, n_hidden, lambda0, sigma0)
        return cls(W_in=W_in, W_rec=W_rec, gain=jnp.linspace(0.5, 1.5, n_hidden), places=places)

    def of(self, place: str) -> Any:
        return self.gain if place in self.places else 1.0

    def drive(self, inputs: Any) -> Any:
        return self.of("drive") * (inputs @ self.W_in)

    def initial_state(self, drive: Any) -> Any:
        return 0.3 * self.of("initial_state") * jnp.ones_like(drive) + 0.1 * drive

    def recurrent_weights(self) -> Any:
        return self.of("recurrent_weights") * jnp.tanh(self.W_rec)

    def activity(self, state: Any) -> Any:
        return self.of("activity") * jnp.tanh(state)

    def update(self, state: Any, drive: Any, feedback: Any) -> Any:
        return 0.7 * state + self.of("update") * jnp.tanh(drive + feedback)


class TypesCell(AbstractCell):
    """A cell whose `update` reads fields of every type, and whose state counts."""

    model = "types_test"
    W_in: Float[Array, "neuron unit"]
    W_rec: Float[Array, "unit unit"]
    mask: Bool[Array, "unit unit"]
    order: Int[Array, " unit"]
    fixed: Key[Array, ""]
    word: str
    factor: float

    @classmethod
    def initialize(cls, key: Any, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float) -> TypesCell:
        return cls(
            W_in=jr.normal(key, (n_inputs, n_hidden)),
            W_rec=networks.scaled_identity(key, n_hidden, lambda0, sigma0),
            mask=jr.bernoulli(key, 0.5, (n_hidden, n_hidden)),
            order=jnp.arange(n_hidden)[::-1],
            fixed=jr.key(7),
            word="tanh",
            factor=0.5,
        )

    def initial_state(self, drive: Any) -> Any:
        return jnp.zeros_like(drive), jnp.zeros(len(drive), int)

    def activity(self, state: Any) -> Any:
        return state[0]

    def drive(self, inputs: Any) -> Any:
        return inputs @ self.W_in

    def update(self, state: Any, drive: Any, feedback: Any) -> Any:
        active, count = state
        extra = (active @ (self.W_rec * self.mask))[:, self.order] + jr.normal(self.fixed, drive.shape[1:])
        new = getattr(jnp, self.word)(drive + self.factor * feedback + 0.1 * extra)
        return new / (1 + 0.1 * count[:, None]), count + 1


def gradients(run: Any, cell: AbstractCell, masked: bool, *key: Any) -> Any:
    inputs, signal = jr.uniform(jr.key(1), (N_STEPS, N_TRIALS, N_INPUTS)), jr.normal(jr.key(2), (N_TRIALS, N_HIDDEN))
    mask = jr.bernoulli(jr.key(3), 0.6, (N_STEPS, N_TRIALS)) if masked else None

    def loss(differentiated: tuple[AbstractCell, Array]) -> Array:
        return jnp.sum(signal * run(*differentiated, mask, None, *key))

    return eqx.filter_jit(eqx.filter_grad(loss))((cell, inputs))


def made(cell: type[AbstractCell], **options: Any) -> AbstractCell:
    return cell.initialize(jr.key(0), N_INPUTS, N_HIDDEN, lambda0=0.9, sigma0=0.5, **options)


@pytest.mark.parametrize("places", [*[(place,) for place in PLACES], PLACES], ids=[*PLACES, "all"])
@pytest.mark.sampled(3)
def test_what_a_method_reads_is_differentiated(places: tuple[str, ...], x64: None) -> None:
    cell = made(ProbeCell, places=places)
    for masked in (False, True) if places == PLACES else (True,):
        expected = gradients(recur_by_autodiff, cell, masked)
        assert float(jnp.min(jnp.abs(expected[0].gain))) > 1e-3
        assert_trees_close(gradients(recur, cell, masked), expected, TOLERANCE["float64"])


def test_fields_may_be_of_any_type(x64: None) -> None:
    cell = made(TypesCell)
    expected = gradients(recur_by_autodiff, cell, True)
    assert_trees_close(gradients(recur, cell, True), expected, TOLERANCE["float64"])
    assert expected[0].mask is expected[0].order is expected[0].fixed is None


def test_networks_whose_fixed_fields_differ_can_be_batched(x64: None) -> None:
    cells = [eqx.tree_at(lambda c: c.mask, made(TypesCell), jr.bernoulli(jr.key(i), 0.5, (9, 9))) for i in range(2)]
    arrays, static = zip(*(eqx.partition(cell, eqx.is_array) for cell in cells), strict=True)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)
    together = jax.vmap(lambda a: gradients(recur, eqx.combine(a, static[0]), False))(stacked)
    for i, cell in enumerate(cells):
        alone = gradients(recur, cell, False)
        assert_trees_close(jax.tree.map(lambda leaf, i=i: leaf[i], together), alone, TOLERANCE["float64"])


class NoisyCell(ProbeCell):
    """A cell that asks for a key."""

    model = "noisy_test"

    def update(self, state: Any, drive: Any, feedback: Any, key: Any = None) -> Any:
        noise = networks.private_noise(key, drive.shape[1])
        return super().update(state, drive + self.gain * noise, feedback)


def test_the_way_back_sees_the_same_noise(x64: None) -> None:
    cell = made(NoisyCell)
    expected = gradients(recur_by_autodiff, cell, True, jr.key(5))
    assert_trees_close(gradients(recur, cell, True, jr.key(5)), expected, TOLERANCE["float64"])
    other = gradients(recur, cell, True, jr.key(6))
    assert float(jnp.max(jnp.abs(other[0].gain - expected[0].gain))) > 1e-2


def test_noise_of_a_trial_does_not_depend_on_those_beside_it() -> None:
    cell, inputs = made(NoisyCell), jnp.zeros((N_STEPS, N_TRIALS, N_INPUTS))
    whole = recur(cell, inputs, key=jr.key(5))
    assert_trees_close(recur(cell, inputs[:, :2], key=jr.key(5)), whole[:, :2], TOLERANCE["float32"])
    changes = jnp.diff(whole, axis=0)
    assert float(jnp.min(jnp.std(changes, axis=(0, 2)))) > 0.05  # other noise at each step and for each unit,
    assert float(jnp.max(jnp.abs(whole[:, 0] - whole[:, 1]))) > 0.05  # and in each trial


def test_without_a_key_there_is_no_noise_to_draw() -> None:
    with pytest.raises(InputError, match="noisy_test draws random numbers"):
        recur(made(NoisyCell), jnp.zeros((2, 1, N_INPUTS)))


class LowRankCell(AbstractCell):
    """A cell without a field for the matrix that acts."""

    model = "low_rank_test"
    W_in: Float[Array, "neuron unit"]
    left: Float[Array, "unit rank"]
    right: Float[Array, "rank unit"]

    @classmethod
    def initialize(cls, key: Any, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float) -> LowRankCell:
        left, right = jr.normal(key, (2, n_hidden, 2)) / n_hidden**0.5
        return cls(W_in=jr.normal(key, (n_inputs, n_hidden)), left=left, right=right.T)

    def recurrent_weights(self) -> Any:
        return self.left @ self.right

    def drive(self, inputs: Any) -> Any:
        return inputs @ self.W_in

    def update(self, state: Any, drive: Any, feedback: Any) -> Any:
        return jnp.tanh(drive + feedback)


def test_a_matrix_that_is_no_field_is_differentiated(x64: None) -> None:
    cell = made(LowRankCell)
    assert cell.n_hidden == N_HIDDEN
    expected = gradients(recur_by_autodiff, cell, False)
    assert_trees_close(gradients(recur, cell, False), expected, TOLERANCE["float64"])


class AllExcitatoryCell(networks.ReluCell):
    """The relu model under a constraint, which the kernel can run as well."""

    model = "all_excitatory_test"

    def recurrent_weights(self) -> Any:
        return networks.magnitude(self.W_rec)


def test_the_kernel_multiplies_by_the_matrix_that_acts() -> None:
    cell = made(AllExcitatoryCell)
    expected = gradients(recur_by_autodiff, cell, False)
    assert_trees_close(gradients(recur, cell, False), expected, TOLERANCE["float32"])
    assert_trees_close(gradients(recur_by_loop, cell, False), expected, TOLERANCE["float32"])


def test_a_cell_without_recurrent_weights_is_refused() -> None:
    class Nothing(LowRankCell):
        recurrent_weights = AbstractCell.recurrent_weights

    with pytest.raises(InputError, match="Nothing has no recurrent weights: give it a field `W_rec`"):
        networks.register(Nothing)


class OptionsCell(LowRankCell):
    model = "options_test"
    unused: float = eqx.field(static=True, default=0.0)

    @classmethod
    def initialize(  # type: ignore[no-untyped-def,override]
        cls,
        key: Any,
        n_inputs: int,
        n_hidden: int,
        *,
        lambda0: float,
        sigma0: float,
        leak: Annotated[float, Field(gt=0, le=1, description="Share of the new state")],
        steps: int = 3,
        fast: bool = False,
        anything=(),
    ) -> OptionsCell:
        raise NotImplementedError


def test_options_are_read_off_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    options = OptionsCell.options()
    assert list(options) == ["leak", "steps", "fast", "anything"]  # `unused` is none: initialize does not pass it on
    assert options["leak"].description == "Share of the new state"
    allowed = [option.allowed for option in options.values()]
    assert allowed == ["a number > 0 and ≤ 1", "a whole number", "true | false", "anything"]
    given = {"leak": 1, "steps": "2", "fast": "true", "anything": [1]}
    monkeypatch.setattr(networks.CELLS, "_entries", {**networks.CELLS, "x": OptionsCell})
    assert networks.check_options("x", given) == {"leak": 1.0, "steps": 2, "fast": True, "anything": [1]}
    with pytest.raises(InputError, match="model 'x' needs the option 'leak'"):
        networks.check_options("x", {})
    with pytest.raises(InputError, match=r"`model_options.leak` = 1.5 is not allowed: must be less than or equal to 1"):
        networks.check_options("x", {"leak": 1.5})
