"""The tasks by name: to make known, to list, to find and to make them."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ..errors import InputError
from ..registry import Registry, plain
from .conditions import condition_parts, in_condition, refusal
from .responses import RESPONSES
from .task import AbstractTask

_TaskType = TypeVar("_TaskType", bound=type[AbstractTask])


def _check(task: Any) -> None:
    """Refuse what is not a complete task."""
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
    """Add a task by its name, so that experiments can ask for it (a decorator).

    Raises
    ------
    InputError
        If the class is not a complete task with a name of its own.
    """
    return TASKS.register(task)


def names(condition: str = "basic") -> tuple[str, ...]:
    """Return the names of all tasks that exist in a condition.

    Raises
    ------
    InputError
        Where there is no such condition.
    """
    parts = condition_parts(condition)
    return tuple(task.name for task in TASKS.values() if not refusal(task, parts))


def find(task: str | int) -> type[AbstractTask]:
    """Return a task's class by name or published code.

    Raises
    ------
    InputError
        Where there is no such task.
    """
    return TASKS.find(task)


def make(task: str | int | AbstractTask, condition: str = "basic", **settings: Any) -> AbstractTask:
    """Return a task by name or published code, in a condition.

    Parameters
    ----------
    task
        A name (``"DE-1"``, ``"de1"``), code (``0``, ``"0"``), or a task, which is returned as it is.
    condition
        ``"basic"``, or names of `CONDITIONS` joined by +: ``"variable_delay+distractor"``.
    **settings
        Settings of the task or of the condition that depart from the paper's.

    Raises
    ------
    InputError
        Where there is no such task or condition, the task does not exist in it, or a setting is unknown or out
        of range.
    """
    if isinstance(task, AbstractTask):
        if condition != "basic":
            return in_condition(type(task), condition)(**{**dict(task), **settings})
        return task.replace(**settings) if settings else task
    return in_condition(find(task), condition)(**settings)
