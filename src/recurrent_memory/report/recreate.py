"""The command that makes a network of a report again."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

from ..experiment import FOLLOWING, Experiment

OWN_CODE = "  # add --import FILE.py: it uses code of your own"


def condition_for(point: Mapping[str, Any]) -> str | None:
    """Return the condition that holds for one network of a sweep alone.

    Parameters
    ----------
    point
        Its values on the axes of the sweep.

    Returns
    -------
    The condition, as `sweep replay --where` takes it; None if the values cannot be written as one.

    Examples
    --------
    >>> condition_for({"task": "comp", "lambda0": 0.9, "seed": 3})
    'task == "comp" and lambda0 == 0.9 and seed == 3'
    """
    parts = [f"{name} == {_literal(value)}" for name, value in point.items()]
    is_plain = all(isinstance(value, str | int | float | tuple | list) for value in point.values())
    is_finite = all(math.isfinite(value) for value in point.values() if isinstance(value, float))
    return " and ".join(parts) if parts and is_plain and is_finite else None


def _literal(value: Any) -> str:
    """Return a value as the condition has it; words in double quotes, which a shell need not escape in single ones."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def train_command(values: Mapping[str, Any]) -> str:
    """Return the command that trains a network with these settings.

    Parameters
    ----------
    values
        Fields of an experiment; options, tasks of a curriculum and snapshots may be JSON. Others are ignored.

    Returns
    -------
    The command, with the fields that differ from their defaults; an empty text if the task is not known.

    Examples
    --------
    >>> train_command({"task": "comp", "n_hidden": 100, "rho": 0.0, "task_options": '{"delay_dur": 50}'})
    'recurrent-memory train --task comp --n-hidden 100 --task-option delay_dur=50'
    """
    words = ["recurrent-memory", "train"]
    for name, field in Experiment.model_fields.items():
        value = _parsed(values[name]) if name in values else None
        if value is None or value == "" or name in FOLLOWING or (name != "task" and _same(value, field.default)):
            continue
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, dict):
            words += [word for of, one in value.items() for word in (flag.removesuffix("s"), f"{of}={_word(one)}")]
        else:
            words += [flag, ",".join(map(_word, value)) if isinstance(value, list | tuple) else _word(value)]
    if "task" not in values:
        return ""
    return shlex.join(words) + (OWN_CODE if values.get("code") else "")


def _parsed(value: Any) -> Any:
    """Return a value as an experiment has it: data sets hold tables and lists as JSON, and NaN in place of None."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, str) and value[:1] in ("{", "[", "n"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _same(value: Any, default: Any) -> bool:
    return bool((list(value) if isinstance(value, list | tuple) else value) == (
        list(default) if isinstance(default, tuple) else default
    ))  # fmt: skip


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
