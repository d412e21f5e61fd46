"""Which networks a sweep's file describes, in which order, and what they are called."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from recurrent_memory.experiment import Experiment, preset
from recurrent_memory.sweeps import Sweep, expand, identity, load, networks, select, template

FULL = """
store = "here"
save = ["curves", "activity"]

[experiment]
preset = "quick"
task_options = { stim_dur = 20 }
rho = 0

[axes]
task = ["DE-1", 5, "comp"]
condition = ["basic", "tethered", "variable_delay"]
lambda0 = { linspace = [0.80, 0.98, 10] }
"task_options.delay_dur" = [100, 150]

[[zip]]
n_hidden = [100, 200.0]
learning_rate = [5e-4, 2.5e-4]

[[zip]]
seed = { range = [0, 3] }
sigma0 = [0, 0.5, 1]

[[exclude]]
where = "task == 'VDE-1' and condition in ['tethered', 'basic']"
[[exclude]]
where = "not (0.85 <= lambda0 < 0.9) or task == 'comp' and task_options.delay_dur > 100"
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def full(point: dict[str, Any], **shared: Any) -> Experiment:
    """Return the experiment of a point in the slow way."""
    values = {**shared, **{name: value for name, value in point.items() if "." not in name}}
    options = {name.partition(".")[2]: value for name, value in point.items() if "." in name}
    return Experiment(**{**values, "task_options": {**shared.get("task_options", {}), **options}})


def test_expands_to_what_loops_would_make(write: Any) -> None:
    sweep = load(write(FULL))
    expected = []
    for task, condition, lambda0, delay, (n_hidden, rate), (seed, sigma0) in itertools.product(
        ["de1", "vde1", "comp"],
        ["basic", "tethered", "variable_delay"],
        [0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98],
        [100, 150],
        [(100, 5e-4), (200, 2.5e-4)],
        [(0, 0.0), (1, 0.5), (2, 1.0)],
    ):
        excluded = (task == "vde1" and condition != "variable_delay") or not 0.85 <= lambda0 < 0.9
        if not (excluded or (task == "comp" and delay > 100)):
            expected.append(
                {
                    "task": task,
                    "condition": condition,
                    "lambda0": lambda0,
                    "task_options.delay_dur": delay,
                    "n_hidden": n_hidden,
                    "learning_rate": rate,
                    "seed": seed,
                    "sigma0": sigma0,
                }
            )
    found = expand(sweep)
    assert [network.point for network in found.networks] == expected
    assert [list(network.point) for network in found.networks] == [list(point) for point in expected]
    assert (found.excluded, found.duplicates) == (3 * 3 * 10 * 2 * 2 * 3 - len(expected), 0)
    shared = {**preset("quick"), "rho": 0.0, "task_options": {"stim_dur": 20}}
    for network in found.networks:
        plain = full(network.point, **{k: v for k, v in shared.items() if k not in network.point})
        assert network.experiment == plain
        assert repr(network.experiment) == repr(plain)
        assert network.identity == identity(plain)
    assert list(networks(sweep)) == list(found.networks)
    assert list(networks(sweep)[1::2]) == list(found.networks)[1::2]
    without = found.networks.without({found.networks[0].identity, "of another sweep"})
    assert list(without) == list(found.networks)[1:]
    assert len({network.identity for network in found.networks}) == len(expected)


def test_knows_where_results_belong(write: Any, tmp_path: Path) -> None:
    sweep = load(write(FULL))
    assert (sweep.store, sweep.save) == (tmp_path / "here", ("curves", "activity"))
    sweep = load(write('[experiment]\ntask = "de1"\n'))
    assert (sweep.store, sweep.save) == (tmp_path / "sweep", ("curves", "weights"))
    bare = (tmp_path / "sweep.toml").rename(tmp_path / "bare")
    assert load(bare).store == tmp_path / "bare-results"
    assert [network.point for network in networks(load(bare))] == [{}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('task = ["DE-1"]', 'task = ["de1"]'),
        ("task = [0]", 'task = ["de1"]'),
        ("lambda0 = [0.9]\nrho = [0]", "rho = [0.0]\nlambda0 = [0.9]"),
        ("lambda0 = [0.8, 0.89, 0.98]", "lambda0 = { linspace = [0.8, 0.98, 3] }"),
        ("lambda0 = [1, 2, 3]", "lambda0 = { range = [1, 4] }"),
        ("rho = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3]", "rho = { logspace = [1e-7, 1e-3, 5] }"),
        ("sigma0 = [-0.0]", "sigma0 = [0]"),
        ("n_hidden = [10, 20]", "n_hidden = { linspace = [10, 20, 2] }"),
        ('condition = ["tethered"]', 'condition = [" Tethered+basic"]\nactivity_penalty = [0.1]\nreadout_step = [-10]'),
        ('condition = ["hebbian"]', 'model = ["fast_weights"]'),
        ('curriculum = [["cd1", "2afc"]]', 'curriculum = ["CD-1,2afc"]\ntask = ["2AFC"]'),
        ('"task_options.delay_dur" = [50]', "task_options.delay_dur = [50.0]"),
        ('"model_options.gradient_clip" = [1]', "[axes.model_options]\ngradient_clip = [1.0]"),
        ("separate_clipping = [true]", "separate_clipping = [1]"),
        ('optimizer = ["AdamW"]', 'optimizer = ["adamw"]'),
        ('"optimizer_options.eps" = [1]', "optimizer_options.eps = [1.0]"),
        ('"schedule_options.warmup" = [0.1]', '[axes.schedule_options]\nwarmup = ["0.1"]'),
    ],
)
def test_identity_is_that_of_the_values_not_of_the_spelling(first: str, second: str, write: Any) -> None:
    names = []
    for axes in (first, second):
        head = "" if "task =" in axes or "curriculum" in axes else '[experiment]\ntask = "de1"\n'
        names.append([network.identity for network in networks(load(write(f"{head}[axes]\n{axes}")))])
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0])


def test_identity_tells_all_fields_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Experiment(task="2afc")
    other: dict[str, Any] = {
        "task": "de1",
        "condition": "dynamic",
        "model": "gru",
        "stop_at": 0.3,
        "curriculum": ("cd1", "2afc"),
        "readout": "linear",
        "precision": "tf32",
        "separate_clipping": True,
        "judge_after_step": True,
        "task_options": {"delay_dur": 50},
        "model_options": {"gradient_clip": 2.0},
        "readout_step": -4,
        "optimizer": "adam",
        "optimizer_options": {"b1": 0.8},
        "gradient_clip_norm": 1.0,
        "learning_rate_schedule": "cosine",
        "schedule_options": {"warmup": 0.1},
        "snapshots": (5,),
        "code": "0123456789abcdef0123",
    }
    changed = [
        base.replace(**{name: other.get(name, value + 1 if isinstance(value, int | float) else None)})
        for name, value in base
    ]
    names = {identity(experiment) for experiment in (base, *changed)}
    assert len(names) == len(Experiment.model_fields) + 1
    assert all(len(name) == 20 and int(name, 16) >= 0 for name in names)
    monkeypatch.setattr("recurrent_memory.sweeps.store.identity.RESULTS_VERSION", 2)
    assert identity(base) not in names


def test_identity_is_a_hash_of_canonical_json() -> None:
    # Spelled out, because results on disk are found by it: another identity is another network.
    text = (
        '[1, {"batch_size": 50, "condition": "basic", "curriculum": [], "judge_after_step": 0, "model": "relu", '
        '"model_options": {}, "n_hidden": 500, "precision": "float32", "readout": "auto", "readout_step": -5, '
        '"separate_clipping": 0, "task": "de1", "task_options": {"delay_dur": 50}, "test_batches": 2501}, '
        "[0.98, 0, 1e-07, 3, 0.0005, 0.0001, 25001, null]]"
    )
    json.loads(text)
    experiment = Experiment(task="de1", rho=1e-7, seed=3, task_options={"delay_dur": 50})
    assert identity(experiment) == hashlib.sha256(text.encode()).hexdigest()[:20]


def test_drops_duplicates(write: Any) -> None:
    found = expand(load(write('[axes]\ntask = ["de1", 0]\nseed = [0, 1, 1]\nlambda0 = [1, 1.0]\n')))
    assert [network.point for network in found.networks] == [
        {"task": "de1", "seed": 0, "lambda0": 1.0},
        {"task": "de1", "seed": 1, "lambda0": 1.0},
    ]
    assert (found.excluded, found.duplicates) == (0, 10)


def test_spaced_values_are_numpys_up_to_rounding(write: Any) -> None:
    axes = (
        '[experiment]\ntask = "de1"\n[axes]\nlambda0 = { linspace = [-0.3, 1, 14] }\n'
        "rho = { logspace = [2e-7, 3, 7] }\nseed = { range = [10, 0, -3] }\n"
    )
    values = load(write(axes)).values
    np.testing.assert_allclose(values["lambda0"], np.linspace(-0.3, 1, 14), rtol=1e-14, atol=1e-16)
    np.testing.assert_allclose(values["rho"], np.geomspace(2e-7, 3, 7), rtol=1e-14)
    assert values["seed"] == (10, 7, 4, 1)
    # What rounding once is for: numbers as one would write them.
    assert values["lambda0"] == (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert 0.0 not in np.linspace(-0.3, 1, 14)


def test_excluded_combinations_need_not_be_possible(write: Any) -> None:
    text = (
        '[axes]\ntask = ["de1", "sine"]\ncondition = ["basic", "dynamic"]\n'
        "[[exclude]]\nwhere = \"task == 'SINE' and condition == 'Dynamic'\"\n"
    )
    assert [tuple(n.point.values()) for n in networks(load(write(text)))] == [
        ("de1", "basic"),
        ("de1", "dynamic"),
        ("sine", "basic"),
    ]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("seed == 1 and lambda0 > 0.9", [(0, 0.9), (0, 1.0), (1, 0.9), (2, 0.9), (2, 1.0)]),
        ("seed in [0, 2] or lambda0 == 1", [(1, 0.9)]),
        ("seed not in (0,)", [(0, 0.9), (0, 1.0)]),
        ("not seed < 2", [(0, 0.9), (0, 1.0), (1, 0.9), (1, 1.0)]),
        ("0 < seed <= 2", [(0, 0.9), (0, 1.0)]),
        ("-1 < -0.5 < seed", None),
        ("lambda0 >= seed", [(2, 0.9), (2, 1.0), (1, 0.9)]),
        ("not separate_clipping and seed != 1", [(1, 0.9), (1, 1.0)]),
        ("separate_clipping or seed > 0", [(0, 0.9), (0, 1.0)]),
        ("n_hidden == 100 and seed > 0", [(0, 0.9), (0, 1.0)]),
        ("separate_clipping == false and seed > 0", [(0, 0.9), (0, 1.0)]),
        ("curriculum == 'CD-1,2afc' and seed > 0", [(0, 0.9), (0, 1.0)]),
        ("curriculum in [['cd1', '2afc'], 'de1'] and seed > 0", [(0, 0.9), (0, 1.0)]),
        ("precision == 'float32' and\n seed > 0", [(0, 0.9), (0, 1.0)]),
        ("n_hidden > 100", [(s, x) for s in (0, 1, 2) for x in (0.9, 1.0)]),
    ],
)
def test_leaves_out_where_a_condition_holds(condition: str, left: list[Any] | None, write: Any) -> None:
    text = f"""
[experiment]
preset = "quick"
curriculum = ["cd1", "2afc"]
precision = "float32"
separate_clipping = false
[axes]
seed = [0, 1, 2]
lambda0 = [0.9, 1]
[[exclude]]
where = \"\"\"{condition}\"\"\"
"""
    if left is None:
        with pytest.raises(ValueError, match=r"because of '-1 < -0\.5'"):
            load(write(text))
        return
    assert {tuple(network.point.values()) for network in networks(load(write(text)))} == set(left)


def test_settings_that_are_lists_can_be_compared(write: Any) -> None:
    text = '[axes]\ntask = ["vde1"]\n"task_options.delays" = [[20, 30], [10, 20, 40]]\n[experiment]\n'
    sweep = load(write(text + 'condition = "variable_delay"\n'))
    every = networks(sweep)
    for where in ("task_options.delays == [10, 20, 40]", "task_options.delays == '10,20,40'"):
        assert select(sweep, every, where) == list(every)[1:]


def test_overrides_take_the_place_of_axes(write: Any) -> None:
    path = write(FULL)
    overrides = ["lambda0=0.86", "task=comp", "task_options.delay_dur=50", "condition = tethered", "stop_at = 0.5"]
    sweep = load(path, overrides)
    found = networks(sweep)
    assert [list(network.point) for network in found] == [["n_hidden", "learning_rate", "seed", "sigma0"]] * 6
    for network in found:
        experiment = network.experiment
        assert (experiment.lambda0, experiment.task, experiment.condition) == (0.86, "comp", "tethered")
        assert experiment.task_options == {"stim_dur": 20, "delay_dur": 50}
        assert (experiment.stop_at, experiment.activity_penalty) == (0.5, 0.1)
    assert load(path, ["lambda0=0.8", *overrides, "lambda0=0.88"]).shared["lambda0"] == 0.88
    assert load(path, ["task_options={ delay_dur = 7 }"]).shared["task_options.delay_dur"] == 7
    assert load(path, ["preset=paper"]).shared.keys() == {"rho", "task_options.stim_dur"}


def test_sweeps_can_be_made_in_python(write: Any) -> None:
    made = Sweep(
        experiment={"task": "DE-1", "task_options": {"delay_dur": 50}},
        axes=({"lambda0": (0.9, 1)}, {"n_hidden": [10, 20], "rho": np.linspace(0, 1, 2)}),
        exclude=("n_hidden > 10 and lambda0 == 1",),
    )
    text = """
exclude = [{ where = "lambda0 > 0.9 and n_hidden == 20" }]
[experiment]
task = "de1"
task_options.delay_dur = 50
[axes]
lambda0 = [0.9, 1]
[[zip]]
n_hidden = [10, 20]
rho = [0, 1]
"""
    assert list(networks(made)) == list(networks(load(write(text))))
    assert len(networks(made)) == 3
    assert list(networks(made.replace(exclude=()))) == list(networks(load(write(text)).replace(exclude=())))


def test_order_is_that_of_the_file(write: Any) -> None:
    text = '[[zip]]\nrho = [0, 1]\n[axes]\nseed = [0, 1]\n[experiment]\ntask = "de1"\n'
    found = networks(load(write(text)))
    assert [tuple(network.point.items()) for network in found] == [
        (("rho", 0.0), ("seed", 0)),
        (("rho", 0.0), ("seed", 1)),
        (("rho", 1.0), ("seed", 0)),
        (("rho", 1.0), ("seed", 1)),
    ]


@pytest.mark.parametrize(("preset", "count"), [("paper", 700), ("small", 12)])
def test_templates_can_be_used_as_they_are(preset: Literal["paper", "small"], count: int, write: Any) -> None:
    text = template(preset)
    found = expand(load(write(text)))
    assert (len(found.networks), found.excluded, found.duplicates) == (count, 0, 0)
    assert max(map(len, text.split("\n"))) <= 120
    points = [network.experiment for network in found.networks]
    assert {e.n_hidden for e in points} == {500 if preset == "paper" else 100}
    if preset == "paper":
        published = np.linspace(0.0, 0.018, 10) * np.sqrt(500)
        np.testing.assert_allclose(sorted({e.sigma0 for e in points}), published, atol=1e-6)
        assert {e.iterations for e in points} == {25_001}


@pytest.mark.parametrize(("preset", "count"), [("paper", 5_440), ("small", 48)])
def test_what_templates_have_as_comments_can_be_used(preset: Literal["paper", "small"], count: int, write: Any) -> None:
    text, changed = re.subn(r"(?m)^# (?=\[\[|[\w.\"]+ += )", "", template(preset))
    assert changed == (8 if preset == "paper" else 7)
    found = expand(load(write(text)))
    assert len(found.networks) == count
    assert {network.experiment.batch_size for network in found.networks} == {50, 100}


@pytest.mark.thorough
def test_a_hundred_thousand_networks_take_seconds(write: Any) -> None:
    text = """
[experiment]
preset = "quick"
[axes]
task = ["de1", "2afc"]
lambda0 = { linspace = [0.80, 0.98, 10] }
sigma0 = { linspace = [0, 0.4, 10] }
rho = { logspace = [1e-7, 1e-3, 10] }
seed = { range = [0, 50] }
[[exclude]]
where = "task == 'de1' and lambda0 > 0.97 and rho < 1e-6"
"""
    path = write(text)
    networks(load(path, ["seed=0"]))
    started = time.process_time()
    found = expand(load(path))
    taken = time.process_time() - started
    assert (len(found.networks), found.excluded, found.duplicates) == (98_500, 1_500, 0)
    for network in found.networks[::9973]:
        plain = full(network.point, **{k: v for k, v in preset("quick").items() if k not in network.point})
        assert (network.experiment, network.identity) == (plain, identity(plain))
    assert taken < 10  # about 2 s; machines of tests are slower, and busy
