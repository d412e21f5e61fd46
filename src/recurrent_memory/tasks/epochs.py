"""Epochs: a trial is an ordered list of them, from which its rates, masks, pictures and read-out derive."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A stretch of a trial in which the same thing is shown, or nothing.

    Parameters
    ----------
    name
        Its name; several epochs may share one, as the halves of a delay that a distractor interrupts do.
    duration
        Steps of about 10 ms.
    shows
        Number of the display that is shown, an index of the first axis of a trial's stimuli; None if neurons fire
        spontaneously.
    part_of
        Name of the longer epoch that contains this one, if there is such.

    Examples
    --------
    >>> Epoch("stimulus", 25, shows=0)
    Epoch(name='stimulus', duration=25, shows=0, part_of=None)
    """

    name: str
    duration: int
    shows: int | None = None
    part_of: str | None = None


def windows(epochs: Iterable[Epoch]) -> dict[str, tuple[int, int]]:
    """Return the first step and the end (exclusive) of each epoch by name, parts included.

    Parameters
    ----------
    epochs
        The trial's epochs, in order.

    Returns
    -------
    Windows in order of the first step; an epoch that contains another spans it.

    Examples
    --------
    >>> delay = Epoch("delay", 10)
    >>> windows([Epoch("stimulus", 5), delay, Epoch("distractor", 3, shows=1, part_of="delay"), delay])
    {'stimulus': (0, 5), 'delay': (5, 28), 'distractor': (15, 18)}
    """
    found: dict[str, tuple[int, int]] = {}
    start = 0
    for epoch in epochs:
        stop = start + epoch.duration
        for name in filter(None, (epoch.part_of, epoch.name)):
            found[name] = (found.get(name, (start, stop))[0], stop)
        start = stop
    return found
