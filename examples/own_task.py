"""A task of your own: was the cue in the first or in the second half of the neurons?

Run it with ``python examples/own_task.py``; it takes some seconds.
"""

from typing import ClassVar

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field

from recurrent_memory import Experiment, run
from recurrent_memory.tasks import AbstractTask, HeldRates, register


@register  # from here on, experiments know it by its name
class WhichHalf(AbstractTask):
    """Remember over the delay which half of the input neurons was active."""

    name: ClassVar[str] = "which-half"
    title: ClassVar[str] = "Which half"
    remembered: ClassVar[str] = "which half of the neurons was active"
    response: ClassVar = "probability"  # or "angle", or "value" together with a method `targets`

    # A setting beyond the usual ones (`delay_dur` and so on), with its range: task_options={"cue_rate": 0.8}.
    cue_rate: float = Field(default=0.5, ge=0, le=1, description="expected spikes a step of a cued neuron")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw one trial's hidden variables: what is shown, and the binary variable to report."""
        label = jr.bernoulli(key).astype(int)
        return label.astype(float).reshape(1, 1), label

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> HeldRates:
        """Return every neuron's expected spikes at every step; the spikes are drawn for you."""
        half = jnp.arange(self.n_neurons) >= self.n_neurons // 2
        noise = jnp.full(self.n_neurons, 0.02)
        return self.over_time(jnp.where(half == label, self.cue_rate, noise), noise, noise)


if __name__ == "__main__":
    experiment = Experiment(
        task="which-half",
        task_options={"n_neurons": 10, "stim_dur": 5, "delay_dur": 10, "resp_dur": 6},
        n_hidden=20,
        iterations=200,
        batch_size=10,
        learning_rate=5e-3,
        test_batches=10,
    )
    result = run(experiment)  # run(experiment, "runs/which-half") would keep it in a folder
    print(f"{experiment.task}: cross-entropy {float(result['test_loss']):.3f} nats, by chance 0.693")
