"""The tasks by name: register, list, find and make them, each in any of its conditions."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ..errors import InputError, suggestion
from ..registry import Registry, plain
from .conditions import CONDITIONS, combined
from .responses import RESPONSES
from .task import AbstractTask

_TaskType = TypeVar("_TaskType", bound=type[AbstractTask])


def _check(task: Any) -> None:
    """Refuse anything but a complete task."""
    if not (inspect.isclass(task) and issubclass(task, AbstractTask)):
        raise InputError(f"{task!r} is not a task: derive a class from AbstractTask.")
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not plain(name) or plain(name).isdigit():
        raise InputError(f'{task.__name__} needs a name, for example `name: ClassVar[str] = "my-task"`.')
    missing = [f"`{attribute}`" for attribute in ("title", "remembered", "response") if not hasattr(task, attribute)]
    missing += [f"`{method}`" for method in sorted(getattr(task, "__abstractmethods__", ()))]
    if missing:
        raise InputError(f"{task.__name__} is not a complete task: it lacks {', '.join(missing)}.")
    RESPONSES.find(task.response)


TASKS: Registry[type[AbstractTask]] = Registry("task", check=_check)
"""The tasks by name."""


def register(task: _TaskType) -> _TaskType:
    """Register a task, so that experiments can ask for it by name (a decorator).

    Parameters
    ----------
    task
        A class derived from `AbstractTask`.

    Returns
    -------
    The class itself.

    Raises
    ------
    InputError
        If the class is not a complete task, or its name or code belongs to another task.

    Examples
    --------
    >>> from typing import ClassVar
    >>> from recurrent_memory.tasks import EstimationTask
    >>> @register
    ... class DE3(EstimationTask):
    ...     name: ClassVar[str] = "de3"
    ...     title: ClassVar[str] = "DE-3"
    ...     remembered: ClassVar[str] = "three orientations"
    ...     n_locations: ClassVar[int] = 3
    >>> make("DE-3").n_inputs
    150
    """
    return TASKS.register(task)


def names(condition: str = "basic") -> tuple[str, ...]:
    """List the tasks that exist in a condition.

    Parameters
    ----------
    condition
        ``"basic"``, or names of `CONDITIONS` joined by +.

    Returns
    -------
    Names of the tasks, in the order of their registration.

    Raises
    ------
    InputError
        If there is no such condition.

    Examples
    --------
    >>> "vde1" in names(), "vde1" in names("variable_delay")
    (False, True)
    """
    parts = condition_parts(condition)
    return tuple(task.name for task in TASKS.values() if not _refusal(task, parts))


def find(task: str | int) -> type[AbstractTask]:
    """Return a task's class by name or published code.

    Parameters
    ----------
    task
        A name in any spelling (``"de1"``, ``"DE-1"``), or the integer that the published scripts have for the task.

    Returns
    -------
    The class, in the basic condition.

    Raises
    ------
    InputError
        If there is no such task.

    Examples
    --------
    >>> find("DE-1") is find(0)
    True
    """
    return TASKS.find(task)


def condition_parts(condition: str) -> tuple[str, ...]:
    """Split a combined condition into its parts.

    Parameters
    ----------
    condition
        Names joined by +, in any spelling.

    Returns
    -------
    Names of `CONDITIONS`, in their order; none for ``"basic"``.

    Raises
    ------
    InputError
        If a name is unknown.

    Examples
    --------
    >>> condition_parts("dynamic+vardelay")
    ('variable_delay', 'dynamic')
    """
    found = []
    for word in str(condition).split("+"):
        try:
            found += [CONDITIONS.find(word)] if plain(word) != "basic" else []
        except InputError:
            closest = suggestion(plain(word), CONDITIONS)
            raise InputError(
                f"There is no condition {word.strip()!r} of a task.{closest if 'mean' in closest else ''} "
                f"Conditions: basic, {', '.join(CONDITIONS)}; join them by +, as in variable_delay+dynamic."
            ) from None
    return tuple(name for name, known in CONDITIONS.items() if known in found)


def make(task: str | int | AbstractTask, condition: str = "basic", **settings: Any) -> AbstractTask:
    """Make a task, in any of its conditions.

    Parameters
    ----------
    task
        A name (``"DE-1"``, ``"de1"``), a published code (``0``, ``"0"``), or a task to which condition and settings are
        applied.
    condition
        ``"basic"``, or names of `CONDITIONS` joined by +: ``"variable_delay+distractor"``.
    **settings
        Settings of the task or of the condition that differ from the paper's.

    Returns
    -------
    The task.

    Raises
    ------
    InputError
        If there is no such task or condition, the task does not exist in the condition, or a setting is unknown or out
        of range.

    Examples
    --------
    >>> task = make("de1", "variable_delay+distractor", delays=(50, 100), kappa=3.0)
    >>> task.epochs
    {'stimulus': (0, 25), 'delay': (25, 125), 'distractor': (62, 87), 'response': (125, 150)}
    """
    if isinstance(task, AbstractTask):
        if condition != "basic":
            return _in_condition(type(task), condition)(**{**dict(task), **settings})
        return task.replace(**settings) if settings else task
    made = _in_condition(find(task), condition)(**settings)
    for name, value in settings.items():
        # Pydantic would turn it into a number: "5" and 5 would be two experiments.
        if isinstance(value, str | bool) and type(getattr(made, name, None)) in (int, float):
            raise InputError(f"`{name}` = {value!r} is not allowed: it must be a number, without quotes.")
    return made


def _refusal(task: type[AbstractTask], parts: tuple[str, ...]) -> str:
    """Explain why a task does not exist in a condition; empty if it does."""
    reasons = [CONDITIONS[part].refusal(task) for part in parts]
    reasons += [
        f"{task.title} exists only in the condition {part}, so give that as well"
        for part in task.needs_condition
        if part not in parts
    ]
    return next(filter(None, reasons), "")


def _in_condition(task: type[AbstractTask], condition: str) -> type[AbstractTask]:
    """Return a task's class in a condition; raise `InputError` if either does not fit the other."""
    parts = condition_parts(condition)
    reason = _refusal(task, parts)
    if reason:
        raise InputError(f"The task {task.name!r} cannot be in the condition {condition!r}: {reason}.")
    return combined(task, tuple(CONDITIONS[part] for part in parts))
