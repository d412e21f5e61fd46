"""Schedules: the course of the learning rate over the iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from pydantic import Field

from ..registry import Registry
from ..settings import Option, checked_options, plain_options_of

SCHEDULES: Registry[Callable[..., Any]] = Registry("learning-rate schedule")
"""Functions that return the learning rate, as a share of its highest value, by the names that experiments use.

To add a schedule, decorate a function. Its first parameter is the share of the training that is done, a traced scalar
from 0 to 1; the others are its options:

>>> @SCHEDULES.register
... def in_two_steps(done, second: float = 0.1):
...     return jnp.where(done < 0.5, 1.0, second)
>>> SCHEDULES.find("in_two_steps") is in_two_steps
True
"""

Share = Annotated[float, Field(ge=0, le=1, description="Learning rate at the end, as a share of `learning_rate`")]
PositiveShare = Annotated[
    float, Field(gt=0, le=1, description="Learning rate at the end, as a share of `learning_rate`")
]


@SCHEDULES.register
def constant(done: Float[Array, ""]) -> Float[Array, ""]:
    """Return 1: the learning rate is constant, as published.

    Parameters
    ----------
    done
        Share of the training that is done, from 0 to 1.

    Returns
    -------
    Share of the highest learning rate.
    """
    return jnp.ones_like(done)


@SCHEDULES.register
def linear(done: Float[Array, ""], end: Share = 0.0) -> Float[Array, ""]:
    """Fall from 1 to ``end`` in a straight line.

    Parameters
    ----------
    done
        Share of the training that is done, from 0 to 1.
    end
        Value at the end of the training.

    Returns
    -------
    Share of the highest learning rate.
    """
    return 1 + (end - 1) * done


@SCHEDULES.register
def cosine(done: Float[Array, ""], end: Share = 0.0) -> Float[Array, ""]:
    """Fall from 1 to ``end`` along half a period of a cosine: slowly at both ends.

    Parameters
    ----------
    done
        Share of the training that is done, from 0 to 1.
    end
        Value at the end of the training.

    Returns
    -------
    Share of the highest learning rate.
    """
    return end + (1 - end) * (1 + jnp.cos(jnp.pi * done)) / 2


@SCHEDULES.register
def exponential(done: Float[Array, ""], end: PositiveShare = 0.01) -> Float[Array, ""]:
    """Fall from 1 to ``end`` by the same factor in each iteration.

    Parameters
    ----------
    done
        Share of the training that is done, from 0 to 1.
    end
        Value at the end of the training.

    Returns
    -------
    Share of the highest learning rate.
    """
    return jnp.power(end, done)


WARMUP = Option(
    "warmup",
    Annotated[
        float,
        Field(ge=0, lt=1, description="Share of the iterations at the start in which the rate rises linearly from 0"),
    ],
    default=0.0,
)
"""The option of every schedule."""


def check_schedule_options(schedule: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule's options, each converted to its type.

    Parameters
    ----------
    schedule
        Name of the schedule.
    options
        Values by name.

    Returns
    -------
    The given options; those that are left out keep their defaults.

    Raises
    ------
    InputError
        If the schedule has no such option, or a value is not allowed.

    Examples
    --------
    >>> check_schedule_options("cosine", {"end": 0.1, "warmup": 0})
    {'end': 0.1, 'warmup': 0.0}
    """
    known = {WARMUP.name: WARMUP, **plain_options_of(SCHEDULES.find(schedule))}
    return checked_options(f"the schedule {schedule}", known, options)


class Schedule(eqx.Module):
    """The learning rate of each iteration.

    Iteration i of n has the learning rate at i/n of the schedule's course. With a warm-up of w, the rate rises during
    the first w·n iterations and follows the course during the others.

    Examples
    --------
    >>> schedule = Schedule.named("linear", {"warmup": 0.2}, iterations=10)
    >>> [round(float(schedule.rate(jnp.asarray(1.0), jnp.asarray(i))), 3) for i in (0, 1, 2, 6)]
    [0.5, 1.0, 1.0, 0.5]
    """

    iterations: Int[Array, ""]
    """Iterations of the whole training; an array, so that networks that share a program may differ in it."""
    course: Callable[..., Any] = eqx.field(static=True, default=constant)
    """Function of the share of the training that is done; its options follow."""
    options: tuple[tuple[str, Any], ...] = eqx.field(static=True, default=())
    warmup: float = eqx.field(static=True, default=0.0)

    @classmethod
    def named(cls, name: str, options: dict[str, Any], iterations: int) -> Schedule:
        """Return a schedule of `SCHEDULES`.

        Parameters
        ----------
        name, options
            Its name, and those of its options that differ from their defaults.
        iterations
            Number of iterations of the whole training.

        Returns
        -------
        The schedule.

        Raises
        ------
        InputError
            If there is no such schedule, or an option is not allowed.
        """
        checked = check_schedule_options(name, options)
        warmup = checked.pop("warmup", 0.0)
        return cls(jnp.asarray(iterations, jnp.int32), SCHEDULES.find(name), tuple(sorted(checked.items())), warmup)

    def rate(self, learning_rate: Float[Array, ""], iteration: Int[Array, ""]) -> Float[Array, ""]:
        """Return the learning rate of an iteration.

        Parameters
        ----------
        learning_rate
            Highest value.
        iteration
            Number of the iteration, from 0.

        Returns
        -------
        The learning rate.
        """
        total = jnp.maximum(self.iterations, 1).astype(learning_rate.dtype)
        done = jnp.clip((iteration / total - self.warmup) / (1 - self.warmup), 0, 1)
        rate: Array = learning_rate * self.course(done, **dict(self.options))
        if self.warmup:
            # i + 1, not i: a first iteration at rate 0 would learn nothing.
            rate = rate * jnp.minimum((iteration + 1) / (self.warmup * total), 1)
        return rate
