"""A cell of your own: leaky units with a saturating nonlinearity, trained on delayed estimation.

Run it with ``python examples/own_cell.py``; it takes a few seconds. (The package's model ``leaky`` can do the same.)
"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from recurrent_memory import Experiment, run
from recurrent_memory.networks import AbstractCell, glorot_normal, register, scaled_identity


@register  # from here on, experiments know it by its name
class LeakyTanhCell(AbstractCell):
    """h_t = (1 − leak)·h_{t−1} + leak·tanh(x_t W_in + b + h_{t−1} W_rec)."""

    model = "leaky_tanh"

    # Arrays are trained; a static field is constant.
    W_in: Float[Array, "neuron unit"]
    W_rec: Float[Array, "unit unit"]
    b: Float[Array, " unit"]
    leak: float = eqx.field(static=True)

    @classmethod
    def initialize(
        cls, key: PRNGKeyArray, n_inputs: int, n_hidden: int, *, lambda0: float, sigma0: float, leak: float = 0.5
    ) -> "LeakyTanhCell":
        """Draw the initial weights; every argument after `sigma0` is an option of the model."""
        key_in, key_rec = jr.split(key)
        W_in = glorot_normal(key_in, n_inputs, n_hidden, gain=1.0)
        W_rec = scaled_identity(key_rec, n_hidden, lambda0, sigma0)
        return cls(W_in=W_in, W_rec=W_rec, b=jnp.zeros(n_hidden), leak=leak)

    def drive(self, inputs: Float[Array, "*batch neuron"]) -> Float[Array, "*batch unit"]:
        """Return the input current, for all steps at once."""
        return inputs @ self.W_in + self.b

    def update(
        self, state: Float[Array, "trial unit"], drive: Float[Array, "trial unit"], feedback: Float[Array, "trial unit"]
    ) -> Float[Array, "trial unit"]:
        """Return the next state; `feedback` is h_{t−1} W_rec. The gradient needs no code."""
        return (1 - self.leak) * state + self.leak * jnp.tanh(drive + feedback)


if __name__ == "__main__":
    experiment = Experiment(
        task="de1",
        model="leaky_tanh",
        model_options={"leak": 0.3},
        n_hidden=20,
        iterations=100,
        batch_size=10,
        test_batches=10,
        task_options={"stim_dur": 5, "delay_dur": 10, "resp_dur": 6},
    )
    result = run(experiment)  # run(experiment, "runs/leaky") would save it in a folder
    loss = result["training_loss"]
    print(f"{experiment.model}: loss {float(loss[0]):.3f} before training, {float(loss[-1]):.3f} after")
    print(f"sequentiality index {float(result['sequentiality_index']):.2f} nats")
