"""Mistakes in a sweep's file are reported before anything starts: file, line, value, and what to do."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recurrent_memory.errors import InputError
from recurrent_memory.sweeps import Sweep, expand, load, template

TASK = '[experiment]\ntask = "de1"\n'
AXES = TASK + "[axes]\n"
TASKS = '[axes]\ntask = ["de1", "comp"]\nlambda0 = [0.9, 0.95]\n[[exclude]]\n'

MISTAKES: dict[str, tuple[str, int | None, tuple[str, ...]]] = {
    # What the file says, the line that has to be named, and what else.
    "not TOML": (TASK + "n_hidden = \n", None, ("is not TOML", "line 3")),
    "key given twice": (TASK + 'task = "de2"\n', None, ("is not TOML", "line 3")),
    "number without end": (f"{TASK}seed = 0x{'f' * 5000}", None, ("too long",)),
    "brackets without end": ("x = " + "[" * 5000, None, ("brackets that are nested too deeply",)),
    "unknown at the top": ("colour = 1\n" + TASK, 1, ("`colour`", "Known: store, save, experiment, axes")),
    "misspelt at the top": (TASK + "[axis]\nlambda0 = [1]", 3, ("`axis`", "Do you mean axes?")),
    "field at the top": ("lambda0 = 0.9\n" + TASK, 1, ("`lambda0`", "below [experiment] or [axes]")),
    "axes as a number": ("axes = 3\n" + TASK, 1, ("write [axes]",)),
    "axes as a list": (TASK + "[[axes]]\nlambda0 = [1]\n", 3, ("write [axes]",)),
    "zip as a table": (TASK + "[zip]\nlambda0 = [1]\n", 3, ("write [[zip]]",)),
    "exclude as words": ('exclude = ["rho > 1"]\n' + TASK, 1, ("write [[exclude]]",)),
    "store as a number": ("store = 3\n" + TASK, 1, ("`store` = 3",)),
    "unknown thing to save": ('save = [\n "curves",\n "weight"]\n' + TASK, 1, ("'weight'", "'weights'")),
    "no task": ("[experiment]\nn_hidden = 3\n", None, ("no task", 'task = "de1"')),
    "unknown preset": ('[experiment]\npreset = "huge"\ntask = "de1"\n', 2, ("'huge'", "paper, quick")),
    "preset as a number": (TASK + "preset = [1]\n", 3, ("preset", "paper, quick")),
    "unknown field": (TASK + "lamda0 = 0.9\n", 3, ("'lamda0'", "lambda0")),
    "unknown axis": (AXES + "\n\nn_hiden = [1, 2]\n", 6, ("'n_hiden'", "n_hidden")),
    "field of nothing": (AXES + "colour = [1]", 4, ("'colour'", "Known: task, condition")),
    "field with a break": (AXES + '"a\\nb" = [1]', None, ("'a\\nb'",)),
    "option of nothing": (AXES + '"colour.x" = [1]', 4, ("'colour.x'",)),
    "option without name": (AXES + '"task_options." = [1]', 4, ("'task_options.'",)),
    "unknown task": (TASK.replace("de1", "de9"), 2, ("'de9'", "de1 (0)")),
    "unknown task of an axis": ('[axes]\ntask = ["de1",\n"de9"]', 2, ("'de9'", "de1 (0)")),
    "unknown model": (AXES + 'model = ["lstm"]', 4, ("'lstm'", "relu (0)")),
    "unknown condition": (AXES + 'condition = ["basic", "rare"]', 4, ("'rare'", "tethered")),
    "curriculum as a number": (AXES + "curriculum = [3]", 4, ("`curriculum` = 3", '["cd1", "2afc"]')),
    "tasks for all": (TASK.replace('"de1"', '["de1"]'), 2, ("`task` = ['de1']", "several belong below [axes]")),
    "values for all": (TASK + "rho = { range = [0, 2] }\n", 3, ("`rho` = {'range': [0, 2]}", "below [axes]")),
    "date for a task": ("[axes]\ntask = [2019-01-01]\n", 2, ("`task` = datetime.date(2019, 1, 1)", "name")),
    "part for a model": (AXES + "model = [0.5]\n", 4, ("`model` = 0.5", "name")),
    "bad value": (TASK + "n_hidden = 0\n", 3, ("`n_hidden` = 0", "greater than or equal to 1")),
    "bad value of an axis": (AXES + "rho = [0, 1e-4,\n -0.1]\n", 4, ("`rho` = -0.1", "greater than or equal to 0")),
    "infinite value": (AXES + "lambda0 = [inf]\n", 4, ("`lambda0` = inf", "finite")),
    "words for a number": (AXES + 'lambda0 = ["high"]\n', 4, ("`lambda0` = 'high'", "number")),
    "part of a unit": (AXES + "n_hidden = { linspace = [1, 2, 3] }\n", 4, ("`n_hidden` = 1.5",)),
    "axis of one value": (AXES + "lambda0 = 0.9\n", 4, ("`lambda0` = 0.9 is not an axis", "list", "[experiment]")),
    "axis of unknown kind": (AXES + "lambda0 = { linspce = [0, 1, 3] }\n", 4, ("is not an axis", "linspace")),
    "axis of two kinds": (AXES + "seed = { range = [0, 1], linspace = [0, 1, 2] }\n", 4, ("is not an axis",)),
    "axis of tables": (AXES + "task_options = [{ delay_dur = 50 }]\n", 4, ('"task_options.SETTING"',)),
    "empty axis": (AXES + "lambda0 = []\n", 4, ("`lambda0` = []", "at least one")),
    "two numbers": (AXES + "lambda0 = { linspace = [0, 1] }\n", 4, ("[0, 1]", "three numbers")),
    "part of a number": (AXES + "lambda0 = { linspace = [0, 1, 2.5] }\n", 4, ("how many", "whole number")),
    "one number": (AXES + "lambda0 = { linspace = [0, 1, 1] }\n", 4, ("from 2 to", "write a list")),
    "words in a space": (AXES + 'lambda0 = { linspace = ["a", 1, 3] }\n', 4, ("three numbers",)),
    "truth in a space": (AXES + "lambda0 = { linspace = [0, 1, true] }\n", 4, ("three numbers",)),
    "nan in a space": (AXES + "lambda0 = { linspace = [nan, 1, 3] }\n", 4, ("three numbers",)),
    "logarithm of zero": (AXES + "rho = { logspace = [0, 1, 3] }\n", 4, ("[0, 1, 3]", "above 0", "linspace")),
    "empty range": (AXES + "seed = { range = [3, 3] }\n", 4, ("no number", "the stop is left out")),
    "range without step": (AXES + "seed = { range = [0, 3, 0] }\n", 4, ("step other than 0",)),
    "range of parts": (AXES + "seed = { range = [0, 1.5] }\n", 4, ("whole numbers",)),
    "range of one": (AXES + "seed = { range = [3] }\n", 4, ("[first, stop]",)),
    "long range": (AXES + "seed = { range = [0, 1_000_001] }\n", 4, ("more than 1,000,000",)),
    "endless range": (AXES + "seed = { range = [0, 9_000_000_000_000_000_000] }\n", 4, ("more than 1,000,000",)),
    "too many": (
        AXES + "seed = { range = [0, 1001] }\nlambda0 = { linspace = [0, 1, 1000] }\n",
        None,
        ("1001 seed × 1000 lambda0 = 1,001,000 networks", "1,000,000"),
    ),
    "twice": (AXES + 'task = ["de1"]\n', None, ("lines 2 and 4", "`task`", "keep one")),
    "twice as an option": (
        TASK + '"task_options.delay_dur" = 5\n[axes.task_options]\ndelay_dur = [5]\n',
        None,
        ("lines 3 and 5", "`task_options.delay_dur`"),
    ),
    "twice in one table": (
        AXES + '"task_options.delay_dur" = [5]\ntask_options.delay_dur = [5]\n',
        None,
        ("lines 4 and 5", "`task_options.delay_dur`"),
    ),
    "twice in zips": (TASK + "[[zip]]\nrho = [1, 2]\n[[zip]]\nrho = [1, 2]\n", None, ("lines 4 and 6", "`rho`")),
    "zip of unequal lengths": (
        TASK + "[[zip]]\nrho = [0, 1]\nlambda0 = [1, 2, 3]\n",
        4,
        ("`rho` has 2", "`lambda0` has 3", "equally many"),
    ),
    "zip of nothing": (TASK + "[[zip]]\n", None, ("[[zip]] without fields",)),
    "exclude without where": (TASK + "[[exclude]]\n", None, ("needs `where`",)),
    "exclude by number": (TASKS + "where = 3\n", 5, ("needs `where`, a text",)),
    "exclude by field": (TASKS + 'lambda0 = "0.9"\n', 5, ("`lambda0` is unknown in [[exclude]]", "where")),
    "not an expression": (TASKS + "where = \"task = 'comp'\"\n", 5, ("is not an expression", "==")),
    "two lines of where": (TASKS + 'where = """\nlambda0 >\n"""\n', 5, ("is not an expression",)),
    "empty where": (TASKS + 'where = ""\n', 5, ("is not an expression",)),
    "unknown name": (TASKS + 'where = "lamda0 > 1"\n', 5, ("`lamda0`", "task, lambda0")),
    "field without value": (TASKS + 'where = "sigma0 > 1"\n', 5, ("no value is given to `sigma0`",)),
    "word without quotes": (TASKS + 'where = "task == comp"\n', 5, ("`comp`", "quotes")),
    "unknown task in where": (TASKS + "where = \"task == 'cmp'\"\n", 5, ("'cmp'", "comp (8)")),
    "number as words": (
        TASKS + "where = \"lambda0 == 'high'\"\n",
        5,
        ("`where` = \"lambda0 == 'high'\": `lambda0` = 'high'",),
    ),
    "call": (TASKS + "where = \"__import__('os').system('true')\"\n", 5, ("is not allowed", "__import__")),
    "attribute": (TASKS + 'where = "lambda0.__class__ == 1"\n', 5, ("`lambda0.__class__`",)),
    "sum": (TASKS + 'where = "lambda0 + 1 > 2"\n', 5, ("because of 'lambda0 + 1 > 2'", "Compare fields")),
    "bits": (TASKS + 'where = "(lambda0 > 0.9) & (lambda0 < 1)"\n', 5, ("and, or, not",)),
    "field alone": (TASKS + 'where = "lambda0"\n', 5, ("because of 'lambda0'",)),
    "constants alone": (TASKS + 'where = "1 < 2"\n', 5, ("is not allowed",)),
    "is": (TASKS + 'where = "lambda0 is None"\n', 5, ("is not allowed",)),
    "in a field": (TASKS + 'where = "lambda0 in task"\n', 5, ("is not allowed",)),
    "in nothing": (TASKS + 'where = "lambda0 in []"\n', 5, ("is not allowed",)),
    "order of words": (TASKS + "where = \"task > 'comp'\"\n", 5, ("because of", "numbers also by <")),
    "table as a setting": (AXES + "task_options.delay_dur = [{ a = 1 }]\n", 4, ("a setting is a number, a text",)),
    "infinite where": (TASKS + 'where = "lambda0 < 1e999"\n', 5, ("is not allowed",)),
    "long where": (TASKS + f'where = "{"not " * 600} lambda0 > 1"\n', 5, ("of at most 2000",)),
    "deep not": (TASKS + f'where = "{"not " * 400} lambda0 > 1"\n', 5, ("more than 50 levels", "several [[exclude]]")),
    "deep parentheses": (TASKS + f'where = "{"(" * 400}lambda0 > 1{")" * 400}"\n', 5, ("is not an expression",)),
    "deep nesting": (
        TASKS + f'where = "{"(seed == 1 or not (" * 60}lambda0 > 1{"))" * 60}"\n',
        5,
        ("levels", "several [[exclude]]"),
    ),
    "deep signs": (TASKS + f'where = "lambda0 > {"-" * 1500}1"\n', 5, ("levels",)),
    "second where": (TASKS + 'where = "lambda0 > 0.92"\n[[exclude]]\nwhere = "rho"\n', 7, ("`rho`",)),
    "nothing left": (TASKS + 'where = "lambda0 > 0"\n', 5, ("leaves out all",)),
    "mixed option": (
        AXES + 'task_options.delay_dur = [5, "a"]\n[[exclude]]\nwhere = "task_options.delay_dur > 3"\n',
        6,
        ("cannot be evaluated",),
    ),
    "impossible for all": (TASK.replace("de1", "vde1"), 2, ("VDE-1 exists only in",)),
    "unknown option": (TASK + "[experiment.task_options]\ncolour = 1\n", 4, ("`colour` is not a setting of DE1",)),
    "impossible combination": (
        '[axes]\ntask = ["de1", "sine"]\nseed = [1, 2]\ncondition = ["basic", "dynamic"]\n',
        2,
        (
            "The task 'sine' cannot be",
            "combination task = 'sine', condition = 'dynamic'.",
            "[[exclude]] can leave it out",
        ),
    ),
    "impossible option": (
        AXES + "seed = [1]\ntask_options.delay_dur = [50, -1]\n",
        5,
        ("`delay_dur` = -1", "combination task_options.delay_dur = -1."),
    ),
}


def message_of(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as error:
        expand(load(path, overrides))
    message = str(error.value)
    assert 1 <= len(message.splitlines()) <= 4, message
    return message


@pytest.mark.parametrize("given", MISTAKES)
def test_tells_file_line_value_and_rule(given: str, tmp_path: Path) -> None:
    text, line, naming = MISTAKES[given]
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    message = message_of(path)
    for word in (str(path) if line is None else f"{path}, line {line}: ", *naming):
        assert word in message
    if line is None:
        assert f"{path}, line " not in message
    assert list(tmp_path.iterdir()) == [path]


def test_tells_of_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "There is no file" in message_of(tmp_path / "nowhere.toml")
    assert "is a folder" in message_of(tmp_path)
    (tmp_path / "latin.toml").write_bytes('store = "é"'.encode("latin-1"))
    assert "not text in UTF-8 (byte 9)" in message_of(tmp_path / "latin.toml")
    assert "cannot be read" in message_of(tmp_path / "latin.toml" / "below")
    assert "cannot be read" in message_of(Path("a\0b"))


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        ("lambda0", ("'lambda0' is not FIELD=VALUE",)),
        ("=3", ("is not FIELD=VALUE",)),
        ("lambda0=", ("is not FIELD=VALUE",)),
        ("lamda0=0.9", ("override 'lamda0=0.9': ", "lambda0")),
        ("lambda0=high", ("override 'lambda0=high': ", "`lambda0` = 'high'")),
        ("task=de9", ("override 'task=de9': ", "'de9'")),
        ("n_hidden=10", ("override 'n_hidden=10': `n_hidden` is in a zip (", "sweep.toml, line 8)")),
        ("task_options.colour=1", ("override 'task_options.colour=1': ", "`colour`")),
        ("preset=huge", ("override 'preset=huge': ", "'huge'")),
    ],
)
def test_tells_of_overrides(words: str, naming: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        '[experiment]\ntask = "de1"\npreset = "quick"\n[axes]\nlambda0 = [0.8, 0.9]\nseed = [0, 1]\n'
        "[[zip]]\nn_hidden = [1, 2]\nrho = [0, 1]\n"
    )
    message = message_of(path, words)
    assert all(word in message for word in naming), message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"axes": [{"rho": [0.0], "lambda0": []}]}, "An axis without values"),
        ({"axes": [{}]}, "An axis without values"),
        ({"axes": [{"rho": [-1.0]}]}, "^`rho` = -1.0"),
        ({"experiment": {"rho": 0.0}, "axes": [{"rho": [0.0]}]}, "^`rho` is given in two places"),
        ({"axes": [{"rho": [0.0]}], "exclude": ["rho > sigma0"]}, "^`where` = .* `sigma0`"),
        ({"save": ["all"]}, "^`save.0` = 'all'"),
        ({"colour": 1}, "`colour` is not a setting of Sweep"),
    ],
)
def test_sweeps_made_in_python_are_checked_alike(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sweep(**{"experiment": {"task": "de1"}, **values})


FIELDS = ["task", "lambda0", "n_hidden", "seed", "condition", "curriculum", "stop_at", "task_options.delay_dur"]
names = st.sampled_from([*FIELDS, "task_options", "model_options", "precision", "separate_clipping", "preset", "x"])
scalars = (
    st.sampled_from(["de1", "comp", "sine", "basic", "dynamic", "tethered", "quick", "float32", ""])
    | st.integers(-1, 60)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=3)
    | st.just(datetime.date(2019, 1, 1))
)
spaces = st.dictionaries(
    st.sampled_from(["linspace", "logspace", "range", "x"]), st.lists(scalars, max_size=4), min_size=1, max_size=2
)
axes = st.dictionaries(names, st.lists(scalars, max_size=3) | spaces | scalars, max_size=3)
operands = st.sampled_from(
    [*FIELDS, "'de1'", "'comp'", "0.9", "-1", "[1, 'a']", "(0.9,)", "x", "f(1)", "None", "1e400"]
)
comparisons = st.builds(
    "{} {} {}".format, operands, st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "is", "+", "="]), operands
)
conditions = st.recursive(
    comparisons | st.text(max_size=5),
    lambda parts: st.builds("({} {} {})".format, parts, st.sampled_from(["and", "or", "and not", "&"]), parts),
    max_leaves=3,
)
files = st.fixed_dictionaries(
    {},
    optional={
        "store": scalars,
        "save": st.lists(st.sampled_from(["curves", "weights", "x"]), max_size=2) | scalars,
        "experiment": st.dictionaries(names, scalars | st.dictionaries(names, scalars, max_size=1), max_size=3)
        | scalars,
        "axes": axes,
        "zip": st.lists(axes, max_size=2) | scalars,
        "exclude": st.lists(st.builds(lambda where: {"where": where}, conditions), max_size=2) | axes,
        "x": scalars,
    },
)


def as_toml(value: Any) -> str:
    """Write a value as TOML, all tables in line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(k)} = {as_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    return str(value)


def expands_or_tells(path: Path, *overrides: str) -> None:
    try:
        found = expand(load(path, overrides))
    except InputError as error:
        message = str(error)
    else:
        assert found.networks
        return
    assert 1 <= len(message.splitlines()) <= 4, message


@settings(max_examples=300, deadline=None)
@given(content=files, override=st.none() | st.tuples(names, scalars))
def test_any_content_expands_or_is_refused(
    content: dict[str, Any], override: tuple[str, Any] | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content.setdefault("experiment", {"task": "de1"})
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"{name} = {as_toml(value)}" for name, value in content.items()), encoding="utf-8")
    expands_or_tells(path, *([] if override is None else [f"{override[0]}={override[1]}"]))


@settings(max_examples=200, deadline=None)
@given(condition=conditions)
@example(condition="lambda0 == 0x" + "f" * 1500)
@example(condition="not seed")
@example(condition="lambda0 == 1j")
@example(condition="lambda0 > task")
def test_any_condition_is_applied_or_refused(condition: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = '[axes]\ntask = ["de1", "comp"]\nlambda0 = [0.9, 1]\nseed = [0, 1]\nseparate_clipping = [true, false]\n'
    path = tmp_path_factory.getbasetemp() / "condition.toml"
    path.write_text(f"{text}[[exclude]]\nwhere = {as_toml(condition)}", encoding="utf-8")
    expands_or_tells(path)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 2000), length=st.integers(0, 30), put=st.text(max_size=3) | st.sampled_from("[]{}=\"'#\n"))
def test_a_damaged_template_expands_or_is_refused(
    place: int, length: int, put: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = template("small")
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_text(text[:place] + put + text[place + length :], encoding="utf-8")
    expands_or_tells(path)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=40))
def test_any_bytes_are_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    message_of(path)
