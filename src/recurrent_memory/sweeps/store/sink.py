"""Where the state of a network is kept during training, and its result afterwards."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import equinox as eqx
import xarray as xr

from ... import storage
from ...experiment import Experiment
from ...networks import Network
from ...runs.sinks import FolderSink, Trained
from ...runs.start import initial_network
from .log import Log
from .record import Part
from .store import Store


class StoreSink(FolderSink):
    """Keeps the state of a network in its working folder, and its result in the store of the sweep.

    Parameters
    ----------
    experiment, identity
        The network.
    store
        Where its result is kept.
    parts
        What to keep of the result besides its measures.
    events
        Log of the worker that trains it.
    """

    def __init__(
        self, experiment: Experiment, identity: str, store: Store, parts: Collection[Part], events: Log
    ) -> None:
        super().__init__(store.work(identity), experiment)
        self.how_to_go_on = ""
        self._identity, self._store, self._parts, self._events = identity, store, parts, events

    def finished(self, stage: Experiment) -> xr.Dataset | None:
        """Return the result of a stage; None if it is not finished."""
        found = super().finished(stage)
        if found is not None and stage.stage == self._last:
            # Left by an earlier version of this package that died before it moved the result to the store.
            self._publish(stage, self.place.load_weights(initial_network(stage)), found, self.place.timing())
        return found

    def keep(self, stage: Experiment, trained: Trained, result: xr.Dataset, timing: dict[str, Any]) -> None:
        """Publish the result of the last stage; keep that of an earlier one in the working folder."""
        if stage.stage < self._last:
            super().keep(stage, trained, result, timing)
        else:
            self._publish(stage, trained.state.network, result, timing)

    def _publish(self, stage: Experiment, trained: Network, result: xr.Dataset, timing: dict[str, Any]) -> None:
        weights = storage.flatten(eqx.filter(trained, eqx.is_array))
        described = stage.model_dump(mode="json")
        if self._store.publish(self._identity, described, result, weights, self._parts, timing):
            self._events.add("finished", self._identity)
