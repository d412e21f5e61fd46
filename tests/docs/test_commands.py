"""Every ``recurrent-memory …`` on a page is a command that exists, with options and values that are allowed."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from docs.pages import INLINE, PAGES, ROOT, Command, commands, text_of
from helpers import call
from own import TEXT, forget
from recurrent_memory import sweeps
from recurrent_memory.cli import scripts
from recurrent_memory.cli.commands import cli
from recurrent_memory.errors import InputError
from recurrent_memory.experiment import Experiment
from recurrent_memory.own_code import import_file
from recurrent_memory.runs.run import run
from small import SHORT, SMALL, small_experiment

ALL = [command for page in PAGES for command in commands(page)]
MY_LAB = (
    TEXT
    + '''

@tasks.register
class MyTask(Half):
    """The task that the README names."""

    name: ClassVar[str] = "my_task"
    title: ClassVar[str] = "My task"
'''
)
EXECUTED = (
    "tasks",
    "show",
    "analyse",
    *(f"sweep {name}" for name in ("plan", "status", "collect", "show", "export-sbatch")),
)
"""Commands that take a second once there is something to show; the others train, or need a cluster."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries_as_before: None) -> Path:
    """Go to a folder with the Python files that pages name."""
    monkeypatch.chdir(tmp_path)
    forget(monkeypatch)
    Path("my_lab.py").write_text(MY_LAB, encoding="utf-8")
    Path("my_cluster.py").touch()
    return tmp_path


@pytest.fixture
def would_train(monkeypatch: pytest.MonkeyPatch) -> list[Experiment]:
    """Collect experiments instead of training networks."""
    found: list[Experiment] = []
    train, many = (importlib.import_module(f"recurrent_memory.cli.{name}") for name in ("train", "many"))
    monkeypatch.setattr(train, "_train", lambda experiment, *_: found.append(experiment))
    monkeypatch.setattr(many, "train_many", lambda experiments, *_: found.extend(experiments))

    def execute(experiment: Experiment, *_: Any, **__: Any) -> int:
        found.append(experiment)
        return 0

    monkeypatch.setattr(scripts, "_execute", execute)
    return found


def parse(words: tuple[str, ...]) -> click.Context:
    """Parse words as the command line does, without executing anything."""
    context = cli.make_context("recurrent-memory", [*words])
    while isinstance(context.command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context


def refusal(command: Command) -> str:
    """Return why a command is not allowed; empty if it is."""
    try:
        parse(command.words)
    except click.exceptions.Exit as done:  # --help
        return f"exit code {done.exit_code}" if done.exit_code else ""
    except click.MissingParameter as error:
        return "" if command.is_name else error.format_message()  # prose may name a command alone
    except click.ClickException as error:
        return error.format_message()
    except InputError as error:
        return str(error)
    return ""


def experiments_of(command: click.Command, words: list[str], would_train: list[Experiment]) -> list[Experiment]:
    """Return what a command would train."""
    would_train.clear()
    with pytest.raises(SystemExit):
        command.main(words, standalone_mode=False)
    return [*would_train]


def test_the_pages_have_commands() -> None:
    assert len(ALL) > 60
    assert len({command.page for command in ALL}) > 10


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_are_allowed(page: str, folder: Path) -> None:
    for command in commands(page):
        assert not (message := refusal(command)), f"{command}: {message}"


def test_the_networks_that_pages_train_are_allowed(folder: Path, would_train: list[Experiment]) -> None:
    train = parse(("train",)).command
    trained = [command for command in ALL if command.words[0] == "train" and "--help" not in command.words]
    assert len(trained) > 15
    for command in trained:
        try:
            found = experiments_of(train, [*command.words[1:]], would_train)
            assert found
            assert all(experiment.make_task().n_steps for experiment in found)
        except InputError as error:
            pytest.fail(f"{command}: {error}")


@pytest.mark.parametrize("words", [("train", "--tsk", "de1"), ("sweep", "rum", "sweep.toml"), ("sweep", "run")])
def test_a_wrong_command_is_found(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        parse(words)


# The paper's experiments ------------------------------------------------------------------------------------------


def rows_of_experiments() -> list[tuple[str, list[str], list[str]]]:
    """Return the rows of the table of experiments: name, published commands, our options."""
    table = text_of("docs/experiments.md").partition("|---|---|---|\n")[2].partition("\n\n")[0]
    cells = [row.strip("| ").split(" | ") for row in table.splitlines()]
    return [(name, INLINE.findall(published), INLINE.findall(ours)) for name, published, ours in cells]


def published_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command of a published script, and its words."""
    variables = [word for word in words if re.fullmatch(r"\w+=\d+", word)]
    file, *flags = words[len(variables) + 1 :]
    options = [f"--{variable}" for variable in variables]
    if names := re.fullmatch(r"multitask/run_expts_(\w+)_(\w+)\.py", file):
        first, second = (name.replace("har12", "2afc") for name in names.groups())
        return scripts.multitask_command(first, second), [*options, *flags]
    return scripts.single_task_command(file.removeprefix("run_").removesuffix("_expts.py")), [*options, *flags]


@pytest.mark.parametrize(
    ("name", "published", "ours"), [pytest.param(*row, id=row[0]) for row in rows_of_experiments()]
)
def test_our_command_is_the_published_experiment(
    name: str, published: list[str], ours: list[str], folder: Path, would_train: list[Experiment]
) -> None:
    assert len(published) == len(ours) >= 1
    program = published[0] if published[0].startswith(("python", "jobidx")) else "python run_basic_expts.py"
    program = program.partition(" --")[0]
    for theirs, own in zip(published, ours, strict=True):
        words = shlex.split(theirs if program in theirs else f"{program} {theirs}")
        (expected,) = experiments_of(*published_command(words), would_train)
        (found,) = experiments_of(parse(("train",)).command, shlex.split(own), would_train)
        for field in ("task", "condition", "model", "curriculum", "activity_penalty", "readout_step"):
            assert getattr(found, field) == getattr(expected, field), field
        if "--lambda_val" in theirs:
            for name in ("lambda0", "sigma0", "rho"):
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=0.02)


def test_every_published_script_is_in_the_table() -> None:
    files = [*ROOT.glob("run_*_expts.py"), *(ROOT / "multitask").glob("*.py")]
    text = text_of("docs/experiments.md")
    assert len(files) == 8
    assert not [file.name for file in files if file.relative_to(ROOT).as_posix() not in text]


# Those that are cheap are executed --------------------------------------------------------------------------------


def is_cheap(command: Command) -> bool:
    """Return whether a command is executed, which one that prose only names is not."""
    name = " ".join(command.words[: 1 + (command.words[0] == "sweep")])
    return name in EXECUTED and (name == "tasks" or not command.is_name)


@pytest.fixture
def with_results(folder: Path) -> Path:
    """Put results where pages have theirs: runs, a recording and a sweep."""
    import_file(Path("my_lab.py"))
    run(small_experiment(task="comp"), Path("runs/comp"))
    run(small_experiment(), Path("runs/first"))
    run(Experiment(task="half", **SMALL), Path("runs/half"))
    np.savez("session.npz", rates=np.random.default_rng(0).gamma(5.0, size=(6, 210, 8)))
    settings: dict[str, Any] = {"task_options": SHORT, **SMALL}
    axes: list[dict[str, list[Any]]] = [{"task": ["comp", "2afc"]}, {"lambda0": [0.9, 0.98]}, {"sigma0": [0.0, 0.1]}]
    sweep = sweeps.Sweep(experiment=settings, axes=axes)
    sweeps.execute(sweeps.networks(sweep), sweeps.Store("sweep"), ["weights", "activity"])
    lines = [f"{name} = {value}" for name, value in settings.items() if name != "task_options"]
    options = ", ".join(f"{name} = {value}" for name, value in SHORT.items())
    varied = [f"{name} = {values}".replace("'", '"') for axis in axes for name, values in axis.items()]
    text = [
        'store = "sweep"', 'save = ["weights", "activity"]', "[experiment]", *lines, f"task_options = {{ {options} }}",
        "[axes]", *varied,
    ]  # fmt: skip
    Path("sweep.toml").write_text("\n".join(text), encoding="utf-8")
    return folder


@pytest.mark.thorough
def test_cheap_commands_of_pages_do_what_they_say(
    with_results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cheap = {command.words: command for command in ALL if is_cheap(command)}
    assert len(cheap) > 12
    fewer = ("--surrogates", "3")  # each takes as long as the measure itself
    done = {
        str(command): call(monkeypatch, capsys, *words, *(fewer if "--null" in words else ()))
        for words, command in cheap.items()
    }
    assert not {command: of.err for command, of in done.items() if of.code}
    for words in {command.words for command in ALL if command.words[:2] == ("sweep", "init")}:
        Path("sweep.toml").unlink(missing_ok=True)
        assert call(monkeypatch, capsys, *words).code == 0, words
        assert sweeps.load("sweep.toml")
