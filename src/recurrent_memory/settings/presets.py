"""Named sets of values of an experiment."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, nearest

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    "quick": {"n_hidden": 100, "learning_rate": 2.5e-4, "iterations": 6001, "stop_at": 0.25, "test_batches": 501},
}
"""Named sets of values: ``paper`` is the defaults; ``quick`` solves delayed estimation in about a minute.

``quick`` stops by itself, and its learning rate is lower, so that training rarely ends in one of its brief setbacks.
"""


def preset(name: str) -> dict[str, Any]:
    """Return the values of a preset.

    Parameters
    ----------
    name
        A name in `PRESETS`.

    Returns
    -------
    The values that differ from the defaults, by field.

    Raises
    ------
    InputError
        If there is no such preset.

    Examples
    --------
    >>> preset("quick")["n_hidden"]
    100
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"There is no preset {name!r}: use one of {', '.join(PRESETS)}.{nearest(str(name), PRESETS)}")
    return dict(PRESETS[name])
