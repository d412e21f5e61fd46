"""The study as sweeps: which networks answer which question, small on one machine and at the size of the paper.

Each part at each scale is the text of a sweep's file. All parts of a scale share one store, in which a network that
occurs in several parts is trained once. Seeds vary slowest, so that an unfinished study has all cells with few seeds.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InputError, suggestion
from ..sweeps.file.axes import evenly_spaced

TASKS = ("de1", "de2", "cd1", "cd2", "gde", "2afc", "sine", "comp")
FOUR = ("de1", "gde", "2afc", "comp")
"""Tasks of parts that need few."""
PRIORS = ("cd1,2afc", "comp,2afc", "2afc,cd1", "2afc,comp")
"""Curricula of the published prior-training scripts; each field of a sweep takes them as text."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large and how many the networks are.

    Examples
    --------
    >>> SCALES["small"].middle
    (0.96, 0.1)
    """

    name: str
    about: str
    experiment: Mapping[str, Any]
    """Values that all networks share."""
    iterations: int
    """How long networks are trained, on each task of a curriculum too."""
    longer: Mapping[str, int] = field(default_factory=dict)
    """The same for tasks that need more, and for curricula that end with them."""
    seeds: int
    lambda0: tuple[float, ...]
    sigma0: tuple[float, ...]
    middle: tuple[float, float]
    """The λ0 and the σ0 of networks in which something else varies: most of them solve their task."""
    rho: tuple[float, ...] = (1e-5, 1e-4, 1e-3)
    lengths: tuple[int, ...] = ()
    """Iterations of the part `length`. One is twice the usual number, as many as a curriculum of two tasks has."""

    def iterations_for(self, tasks: str) -> int:
        """Return how long networks are trained.

        Parameters
        ----------
        tasks
            A task, or the tasks of a curriculum with commas.

        Returns
        -------
        The number of iterations.

        Examples
        --------
        >>> SCALES["paper"].iterations_for("comp,2afc")
        25001
        """
        return self.longer.get(tasks.rpartition(",")[2], self.iterations)

    @property
    def extreme_sigma0(self) -> tuple[float, ...]:
        """The lowest and the highest σ0."""
        return self.sigma0[0], self.sigma0[-1]


_PAPER_SIGMA0 = tuple(evenly_spaced(0.0, 0.402492, 10))  # to 0.018 √500

SCALES = {
    "small": Scale(
        name="small",
        about="N = 100, 3,001 iterations, 10 seeds: about a day on a workstation",
        experiment={"n_hidden": 100, "test_batches": 300},
        iterations=3001,
        longer={"gde": 12_004},
        seeds=10,
        lambda0=(0.94, 0.96, 0.98),
        sigma0=(0.0, 0.05, 0.1),
        middle=(0.96, 0.1),
        lengths=(1001, 6002, 12004),
    ),
    "paper": Scale(
        name="paper",
        about="N = 500, 25,001 iterations, the paper's 10 × 10 grid of λ0 and σ0, 5 seeds: for a cluster",
        experiment={"n_hidden": 500, "test_batches": 2501},
        iterations=25_001,
        seeds=5,
        lambda0=tuple(evenly_spaced(0.80, 0.98, 10)),
        sigma0=_PAPER_SIGMA0,
        middle=(0.96, _PAPER_SIGMA0[5]),
        lengths=(8334, 50_002, 100_004),
    ),
}
"""All scales by name."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Networks of one purpose.

    Examples
    --------
    >>> PARTS["rho"].axes(SCALES["small"])["sigma0"]
    (0.1,)
    """

    name: str
    about: str
    tasks: tuple[str, ...] = TASKS
    shared: Mapping[str, Any] = field(default_factory=dict)
    """Values of all networks of the part."""
    varied: Mapping[str, Any] = field(default_factory=dict)
    """Values on axes; the name of a field of `Scale` stands for its values."""
    exclude: tuple[str, ...] = ()

    def axes(self, scale: Scale) -> dict[str, tuple[Any, ...]]:
        """Return the values on each axis but seeds and tasks.

        Parameters
        ----------
        scale
            The scale.

        Returns
        -------
        The values by field; λ0 and σ0 are always among them.
        """
        given = {name: getattr(scale, of) if isinstance(of, str) else of for name, of in self.varied.items()}
        lambda0, sigma0 = scale.middle
        return {"lambda0": (lambda0,), "sigma0": (sigma0,), **given}


PARTS = {
    part.name: part
    for part in (
        Part(
            name="basic",
            about="tasks × λ0 × σ0",
            varied={"lambda0": "lambda0", "sigma0": "sigma0"},
        ),
        Part(name="rho", about="tasks × ρ, at one λ0 and σ0; ρ = 0 is in `basic`", varied={"rho": "rho"}),
        Part(
            name="conditions",
            about="variable delays, dynamic input, tethering and Hebbian plasticity × tasks",
            varied={"condition": ("variable_delay", "dynamic", "tethered", "hebbian")},
            exclude=("task == 'sine' and condition == 'dynamic'",),
        ),
        Part(
            name="prior",
            about="one task after another",
            tasks=(),
            varied={"curriculum": PRIORS},
        ),
        Part(name="models", about="orthogonal and gated networks × tasks", varied={"model": ("orthogonal", "gru")}),
        Part(
            name="activations",
            about="tanh and softplus in place of relu × four tasks × σ0",
            tasks=FOUR,
            shared={"model": "leaky", "model_options.alpha": 1.0},
            varied={"model_options.activation": ("tanh", "softplus"), "sigma0": "extreme_sigma0"},
        ),
        Part(
            name="dale",
            about="Dale's law, four excitatory units to each inhibitory one × four tasks × σ0",
            tasks=FOUR,
            shared={"model": "leaky", "model_options.alpha": 1.0, "model_options.fraction_excitatory": 0.8},
            varied={"sigma0": "extreme_sigma0"},
        ),
        Part(
            name="length",
            about="shorter and longer training of four tasks",
            tasks=FOUR,
            varied={"iterations": "lengths"},
        ),
    )
}
"""All parts of the study by name."""


def scale_named(name: str, seeds: int | None = None) -> Scale:
    """Return a scale.

    Parameters
    ----------
    name
        Its name.
    seeds
        Number of networks in each cell; None: as many as the scale has.

    Returns
    -------
    The scale.

    Raises
    ------
    InputError
        If there is no such scale.

    Examples
    --------
    >>> scale_named("paper").seeds
    5
    """
    if name not in SCALES:
        raise InputError(f"There is no scale {name!r}.{suggestion(name, SCALES)}")
    return SCALES[name] if seeds is None else replace(SCALES[name], seeds=seeds)


def check_tasks(tasks: Iterable[str]) -> tuple[str, ...]:
    """Return the names of tasks of the study.

    Parameters
    ----------
    tasks
        Names in any spelling; none: all.

    Returns
    -------
    The names, in the order of the study.

    Raises
    ------
    InputError
        If the study has no such task.

    Examples
    --------
    >>> check_tasks(["COMP", "DE-1"])
    ('de1', 'comp')
    """
    wanted = set()
    for task in tasks:
        name = task.strip().lower().replace("-", "").replace("_", "")
        if name not in TASKS:
            raise InputError(f"The study has no task {task!r}.{suggestion(name, TASKS)} Tasks: {', '.join(TASKS)}.")
        wanted.add(name)
    return tuple(task for task in TASKS if task in wanted or not wanted)


def sweep_text(part: Part, scale: Scale, tasks: Iterable[str] = TASKS) -> str:
    """Return the sweep's file of a part of the study.

    Parameters
    ----------
    part, scale
        What is trained, and how large.
    tasks
        Tasks to which the part is limited; a curriculum belongs to its last task.

    Returns
    -------
    Text of the TOML file, in the folder of which the store has the name of the scale; empty if no task is left.

    Examples
    --------
    >>> print(sweep_text(PARTS["rho"], SCALES["small"], ["comp"]).partition("[axes]")[2].strip())
    seed = { range = [0, 10] }
    task = ["comp"]
    lambda0 = [0.96]
    sigma0 = [0.1]
    rho = [1e-05, 0.0001, 0.001]
    """
    axes, wanted = part.axes(scale), set(tasks)
    if part.tasks:
        axes = {"task": tuple(task for task in part.tasks if task in wanted), **axes}
    else:
        axes["curriculum"] = tuple(of for of in axes["curriculum"] if of.rpartition(",")[2] in wanted)
    if not all(axes.values()):
        return ""
    shared, together = {**scale.experiment, **part.shared}, {}
    if "iterations" not in axes:
        name = "task" if part.tasks else "curriculum"
        lengths = tuple(map(scale.iterations_for, axes[name]))
        if len(set(lengths)) == 1:
            shared["iterations"] = lengths[0]
        else:
            together = {name: axes.pop(name), "iterations": lengths}
    about = textwrap.fill(f"The part `{part.name}` of the study of Orhan & Ma (2019), {scale.name}: {part.about}.", 98)
    lines = [
        *(f"# {line}" for line in about.splitlines()),
        f'store = "{scale.name}"',
        'save = ["curves", "weights"]',
        "",
        "[experiment]",
        *(f"{_key(name)} = {_word(value)}" for name, value in shared.items()),
        "",
        "[axes]",
        f"seed = {{ range = [0, {scale.seeds}] }}",
        *(f"{_key(name)} = {_list(values)}" for name, values in axes.items()),
        *(["", "[[zip]]", *(f"{name} = {_list(values)}" for name, values in together.items())] if together else []),
        *(f'\n[[exclude]]\nwhere = "{where}"' for where in part.exclude if _applies(where, wanted)),
    ]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _word(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _list(values: Iterable[Any]) -> str:
    return f"[{', '.join(map(_word, values))}]"


def _applies(where: str, tasks: Collection[str]) -> bool:
    """Return whether a condition names one of the tasks: one that never holds needs no line."""
    return any(f"'{task}'" in where for task in tasks)
