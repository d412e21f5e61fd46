"""Train the networks of a sweep on this machine, one per core, while other processes may work on the same sweep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ..runs.claims import Claims as Claims
from ..runs.resources import settled
from ..runs.start import check_calls
from .grid import Network, listed
from .store.record import Part
from .store.store import Store
from .supply import Asked, Claimed
from .supply import SweepProgress as SweepProgress

SECONDS_PER_CHECKPOINT = 60.0


def execute(
    networks: Sequence[Network],
    store: Store,
    parts: Collection[Part],
    *,
    on_progress: Callable[[SweepProgress], None] = lambda _: None,
    on_message: Callable[[str], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    at_once: int | None = None,
    batched: bool | None = None,
    verify: bool = True,
    checkpoint_after: float = SECONDS_PER_CHECKPOINT,
    claims: Claims | None = None,
) -> SweepProgress:
    """Train what is left of a sweep, until every network has finished or failed, here or elsewhere.

    Parameters
    ----------
    networks
        All networks of the sweep.
    store
        Where results are kept.
    parts
        What to keep of each network besides its measures.
    on_progress, on_message, should_stop, at_once, batched, checkpoint_after
        As for :func:`recurrent_memory.run_many`.
    verify
        Whether to read all results and failures in the end, and to train networks with damaged files again.
    claims
        Claims to use, for tests; None makes them.

    Returns
    -------
    How far the sweep has come.

    Raises
    ------
    InputError
        If the store cannot be used; before training.
    InterruptedRunError
        If ``should_stop`` said so.
    FileError
        If a file cannot be read, be it the result of a network; nothing that cannot be read is changed.
    OSError
        If nothing more can be written, for example because the disk is full; finished results stay.

    Examples
    --------
    >>> execute([], Store("sweep"), parts=["weights"])
    SweepProgress(networks=0, finished=0, failed=0, running=0, done=0.0)
    """
    check_calls(None, checkpoint_after, on_progress=on_progress, on_message=on_message, should_stop=should_stop)
    store.prepare()
    with claims or Claims(store.claim_path) as held, settled():
        asked = Asked(on_progress, on_message, should_stop, checkpoint_after)
        supply = Claimed(listed(networks), store, parts, held, asked)
        supply.run(at_once, batched)
        while verify and supply.take_back_damaged():
            supply.run(at_once, batched)
        return supply.progress()
