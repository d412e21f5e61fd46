"""A task of your own, with an ideal observer: did the cue activate the first or the second half of the neurons?

Run it with ``python examples/own_task.py``; it takes a few seconds.
"""

from typing import ClassVar

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from pydantic import Field

from recurrent_memory import Experiment, run
from recurrent_memory.tasks import AbstractTask, Evidence, HeldRates, register


@register  # from here on, experiments know it by its name
class WhichHalf(AbstractTask):
    """Remember over the delay which half of the input neurons was active."""

    name: ClassVar[str] = "which-half"
    title: ClassVar[str] = "Which half"
    remembered: ClassVar[str] = "which half of the neurons was active"
    response: ClassVar = "probability"  # or "category", "angle", or "value" together with a method `targets`

    # A setting besides those of every task (such as `delay_dur`), with its range: task_options={"cue_rate": 0.8}.
    cue_rate: float = Field(default=0.2, gt=0.02, le=1, description="expected spikes per step of a cued neuron")

    def draw(self, key: PRNGKeyArray) -> tuple[Float[Array, "display location"], Int[Array, ""]]:
        """Draw one trial's hidden variables: the stimuli, and the label to report."""
        label = jr.bernoulli(key).astype(int)
        return label.astype(float).reshape(1, 1), label

    def rates(self, stimuli: Float[Array, "display location"], label: Int[Array, ""]) -> HeldRates:
        """Return every neuron's expected spikes per step in each epoch; the package draws the spikes."""
        half = jnp.arange(self.n_neurons) >= self.n_neurons // 2
        noise = jnp.full(self.n_neurons, 0.02)
        return self.over_time(jnp.where(half == label, self.cue_rate, noise), noise, noise)

    def observe(self, evidence: Evidence, variant: str = "paper", until: int | None = None) -> Float[np.ndarray, "..."]:
        """Return P(second half) given the spikes during the cue; this assumes that both halves are equally large."""
        counts = np.asarray(evidence.counts[:, 0], float)
        sign = np.where(np.arange(self.n_neurons) >= self.n_neurons // 2, 1, -1)
        return np.asarray(1 / (1 + np.exp(-counts @ sign * np.log(self.cue_rate / 0.02))))


if __name__ == "__main__":
    experiment = Experiment(
        task="which-half",
        task_options={"n_neurons": 10, "stim_dur": 5, "delay_dur": 10, "resp_dur": 6},
        n_hidden=20,
        iterations=400,
        batch_size=20,
        learning_rate=5e-3,
        test_batches=10,
    )
    result = run(experiment)  # run(experiment, "runs/which-half") would save it in a folder
    print(f"{experiment.task}: cross-entropy {float(result['test_loss']):.3f} nats (chance: 0.693)")
    print(f"fractional loss {float(result['fractional_loss']):.3f}, {'solved' if result['solved'] else 'not solved'}")
