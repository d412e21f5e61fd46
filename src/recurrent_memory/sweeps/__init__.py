"""Sweeps: many networks that one file names, a store that keeps them, and whoever trains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import attach

if TYPE_CHECKING:
    from .store.claims import Claims
    from .costs import Estimate, estimate
    from .collect.dataset import collect
    from .store.identity import identity
    from .grid import Expansion, Network, Networks, Sweep, expand, networks, select
    from .store.layout import RESULTS_VERSION, Failure
    from .file.read import load
    from .replay import replay
    from .status import Status, duration, identities, look
    from .store.store import Part, Record, Store
    from .collect.netcdf import Collected, collect_to
    from .collect.tables import table, write_csv, write_parquet
    from .file.templates import template
    from .execute import SweepProgress, execute

__all__ = [
    "RESULTS_VERSION",
    "Claims",
    "Collected",
    "Estimate",
    "Expansion",
    "Failure",
    "Network",
    "Networks",
    "Part",
    "Record",
    "Status",
    "Store",
    "Sweep",
    "SweepProgress",
    "collect",
    "collect_to",
    "duration",
    "estimate",
    "execute",
    "expand",
    "identities",
    "identity",
    "load",
    "look",
    "networks",
    "replay",
    "select",
    "table",
    "template",
    "write_csv",
    "write_parquet",
]

_HOME = {
    "Claims": "claims",
    "Collected": "streaming",
    "Estimate": "costs",
    "Expansion": "grid",
    "Failure": "layout",
    "Network": "grid",
    "Networks": "grid",
    "Part": "store",
    "RESULTS_VERSION": "layout",
    "Record": "store",
    "Status": "status",
    "Store": "store",
    "Sweep": "grid",
    "SweepProgress": "workers",
    "collect": "dataset",
    "collect_to": "streaming",
    "duration": "status",
    "estimate": "costs",
    "execute": "workers",
    "expand": "grid",
    "identities": "status",
    "identity": "digests",
    "load": "reading",
    "look": "status",
    "networks": "grid",
    "replay": "rerun",
    "select": "grid",
    "table": "tables",
    "template": "templates",
    "write_csv": "tables",
    "write_parquet": "tables",
}

# The status of a sweep is looked at often, and needs none of what trains it.
__getattr__, __dir__ = attach(__name__, __all__, _HOME)
