"""The tasks by name: to make known, to list, to find and to make them."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ..errors import InputError
from .conditions import condition_parts, in_condition, refusal
from .task import AbstractTask

_TASKS: dict[str, type[AbstractTask]] = {}
_TaskType = TypeVar("_TaskType", bound=type[AbstractTask])


def register(task: _TaskType) -> _TaskType:
    """Make a task known by its name, so that experiments can ask for it; used as a decorator.

    Raises
    ------
    InputError
        Where the class is not a complete task with a name of its own.
    """
    if not (inspect.isclass(task) and issubclass(task, AbstractTask)):
        raise InputError(f"{task!r} is not a task: derive a class from AbstractTask.")
    name = getattr(task, "name", None)
    if not isinstance(name, str) or not _plain(name) or _plain(name).isdigit():
        raise InputError(f'{task.__name__} needs a name, for example `name: ClassVar[str] = "my-task"`.')
    missing = [f"`{attribute}`" for attribute in ("title", "remembered", "response") if not hasattr(task, attribute)]
    missing += [f"`{method}`" for method in sorted(getattr(task, "__abstractmethods__", ()))]
    if missing:
        raise InputError(f"{task.__name__} is not a complete task: it lacks {', '.join(missing)}.")
    for known_name, known in _TASKS.items():
        # Running a notebook's cell again defines the same class again, which may replace its former self.
        again = (known.__module__, known.__qualname__) == (task.__module__, task.__qualname__)
        if not again and (known_name == _plain(name) or (task.code is not None and known.code == task.code)):
            raise InputError(
                f"{task.__name__} cannot have the name {name!r} and code {task.code}: {known.__name__} has "
                f"the name {known.name!r} and code {known.code}. Choose another."
            )
    _TASKS[_plain(name)] = task
    return task


def names(condition: str = "basic") -> tuple[str, ...]:
    """Return the names of all tasks that exist in a condition.

    Raises
    ------
    InputError
        Where there is no such condition.
    """
    parts = condition_parts(condition)
    return tuple(task.name for task in _TASKS.values() if not refusal(task, parts))


def find(task: str | int) -> type[AbstractTask]:
    """Return a task's class by name or published code.

    Raises
    ------
    InputError
        Where there is no such task.
    """
    if not isinstance(task, bool):
        code = str(task).strip()  # as it is: the code -1 must not pass for 1
        for name, known in _TASKS.items():
            if _plain(str(task)) == name or code == str(known.code):
                return known
    listing = ", ".join(
        known.name if known.code is None else f"{known.name} ({known.code})" for known in _TASKS.values()
    )
    raise InputError(f"There is no task {task!r}. Tasks and their codes: {listing}.")


def make(task: str | int | AbstractTask, condition: str = "basic", **settings: Any) -> AbstractTask:
    """Return a task by name or published code, in a condition.

    Parameters
    ----------
    task
        A name (``"DE-1"``, ``"de1"``), code (``0``, ``"0"``), or a task, which is returned as it is.
    condition
        ``"basic"``, ``"dynamic"``, ``"variable_delay"``, or both: ``"variable_delay+dynamic"``.
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


def _plain(name: str) -> str:
    """Drop case and punctuation, in which ``DE-1``, ``de_1`` and ``de1`` differ."""
    return name.lower().translate(str.maketrans("", "", "-_ "))
