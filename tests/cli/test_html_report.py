"""``recurrent-memory report``: of whatever it is given, with invalid input, and while a sweep runs."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import made_up_sweeps
from made_up_report import data_of
from recurrent_memory import storage
from recurrent_memory.cli import html_report
from recurrent_memory.sweeps import Failure, Store, load, networks
from small import contents

FILE = """
[experiment]
n_hidden = 20
[axes]
task = ["de1", "comp"]
seed = [0, 1]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Return the file of a sweep of four networks, two of which have ended."""
    file = tmp_path / "sweep.toml"
    file.write_text(FILE)
    end(file, slice(0, 2))
    return file


def end(file: Path, which: slice) -> None:
    """Give some networks of a sweep a made-up result, and the last of them a failure."""
    of = load(file)
    store = Store(of.store)
    store.prepare()
    chosen = networks(of)[which]
    for network in chosen[:-1]:
        result = xr.Dataset({"fractional_loss": ((), 0.3)})
        store.publish(network.identity, network.experiment.model_dump(), result, {}, (), {"host": "here"})
    store.fail(chosen[-1].identity, Failure("diverged", "the loss is not finite", 3, {}))


def page(path: Path) -> dict[str, Any]:
    return data_of(path.read_text(encoding="utf-8"))


def test_a_sweep(command: Any, sweep: Path) -> None:
    outcome = command("report", sweep, "-o", "report.html", "--set", "n_hidden=20")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("report.html: 4 networks, ")
    found = page(Path("report.html"))
    assert found["commands"][3] == (
        f"recurrent-memory sweep replay {sweep} --set n_hidden=20 --where 'task == \"comp\" and seed == 1'"
    )
    assert found["reload"] is None
    assert found["failures"] == [{"i": 1, "kind": "diverged", "reason": "the loss is not finite", "iteration": 3}]
    assert [path.name for path in Path.cwd().iterdir()] == ["report.html"]


def test_a_part_of_a_sweep(command: Any, sweep: Path) -> None:
    outcome = command("report", sweep, "-o", "report.html", "--where", "task == 'comp'")
    assert outcome.out.startswith("report.html: 2 networks, ")
    found = page(Path("report.html"))
    assert len(found["commands"]) == 2
    assert all("comp" in words for words in found["commands"])
    outcome = command("report", sweep, "-o", "none.html", "--where", "seed == 7")
    assert outcome.code == 2
    assert "--where 'seed == 7' holds for no network" in outcome.err


def test_a_finished_run_and_its_result(command: Any, finished: Path) -> None:
    for source in (finished, finished / "result.nc"):
        outcome = command("report", source, "-o", "run.html")
        assert outcome.code == 0, outcome.err
        found = page(Path("run.html"))
        assert found["n"] == 1
        assert list(found["details"]) == ["0"]
        assert found["commands"][0].startswith("recurrent-memory train --task de1 --n-hidden 8")


def test_a_network_of_the_bank(command: Any) -> None:
    outcome = command("report", "bank:comp-sequential", "-o", "bank.html")
    assert outcome.code == 0, outcome.err
    found = page(Path("bank.html"))
    assert found["n"] == 1
    assert list(found["details"]) == ["0"]
    assert {column["name"] for column in found["columns"]} >= {"fractional_loss", "sequentiality_index"}
    assert found["commands"][0].startswith("recurrent-memory train --task comp")


@pytest.mark.parametrize(
    "words", [("bank:comp-sequential", "-o", "out.txt"), ("no.toml", "-o", "out.html", "--where", "lambda0 >")]
)
def test_what_the_command_line_alone_shows_is_refused_before_the_heavy_imports(words: tuple[str, ...]) -> None:
    code = f"""
import sys
from recurrent_memory.cli.main import main
sys.argv = ["recurrent-memory", "report", *{words!r}]
try:
    main()
finally:
    print([name for name in ("jax", "pandas", "xarray") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.strip() == "[]"


def test_an_unfinished_run(command: Any, unfinished: Path) -> None:
    outcome = command("report", unfinished, "-o", "run.html")
    assert outcome.code == 0, outcome.err
    found = page(Path("run.html"))
    assert found["details"] == {}
    assert 0 < found["curves"][0]["bins"] < 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing.toml", "-o", "r.html"), "There is no file nothing.toml"),
        (("nothing", "-o", "r.html"), "There is no nothing"),
        (("data.nc", "-o", "r.htm"), "must end in .html"),
        (("data.nc", "-o", "no/r.html"), "There is no folder"),
        (("data.nc", "-o", "mine.html"), "is not a report"),
        (("data.nc", "-o", "r.html", "--watch"), "do not change"),
        (("data.nc", "-o", "r.html", "--set", "rho=1"), "`--set` is for sweeps"),
        (("data.nc", "-o", "r.html", "--where", ""), "`--where` is for sweeps"),
        (("data.nc", "-o", "r.html", "--activity", "-1"), "-1"),
        (("data.nc", "-o", "r.html", "--analysis", "no.nc"), "There is no file no.nc"),
        (("data.nc", "-o", "r.html", "--analysis", "data.nc"), "is not an analysis"),
        (("mine.html", "-o", "r.html"), "is not understood"),
        (("broken.nc", "-o", "r.html"), "damaged"),
        ((".", "-o", "r.html"), "broken.nc is damaged"),
        (("data.nc",), "--out"),
        (("nothing.toml", "-o", "r.html", "--where", "lambda0 > "), "is not an expression"),
        (("bank:nothing", "-o", "r.html"), "bank:comp-sequential"),
        (("bank:comp-sequential", "-o", "r.html", "--watch"), "do not change"),
        (("sequences.nc", "-o", "r.html"), "--analysis sequences.nc"),
    ],
)
def test_invalid_input_ends_in_one_short_message(command: Any, words: tuple[str, ...], message: str) -> None:
    storage.save_dataset(Path("data.nc"), made_up_sweeps.sweep({"seed": [0, 1]}))
    Path("mine.html").write_text("<html>")
    Path("broken.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    analysis = xr.Dataset({"value": 1.0}, attrs={"format": "recurrent-memory analysis 1"})
    storage.save_dataset(Path("sequences.nc"), analysis)
    before = contents(Path.cwd())
    outcome = command("report", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.splitlines()) <= 6
    assert outcome.out == ""
    assert contents(Path.cwd()) == before


def test_a_missing_library_is_named(command: Any, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else known(name))
    outcome = command("report", sweep, "-o", "report.html")
    assert outcome.code == 2
    assert outcome.err == "Error: A report needs jinja2: pip install jinja2.\n"


def test_a_watched_sweep_is_written_until_it_is_done(
    command: Any, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloads = []

    def sleep(_: float) -> None:
        reloads.append(page(Path("report.html"))["reload"])
        if len(reloads) == 2:
            end(sweep, slice(2, 4))

    monkeypatch.setattr(html_report, "SECONDS_BETWEEN_PAGES", 0.01)
    monkeypatch.setattr(time, "sleep", sleep)
    outcome = command("report", sweep, "-o", "report.html", "--watch")
    assert outcome.code == 0, outcome.err
    assert reloads
    assert all(seconds >= 5 for seconds in reloads)
    found = page(Path("report.html"))
    assert found["reload"] is None
    assert len(found["failures"]) == 2
    assert "2 of 4 networks left" in outcome.err


def test_an_interrupted_watch_leaves_a_page_that_rests(
    command: Any, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: signal.raise_signal(signal.SIGINT))
    outcome = command("report", sweep, "-o", "report.html", "--watch")
    assert outcome.code == 130
    assert "Stopped; report.html is as of" in outcome.err
    assert page(Path("report.html"))["reload"] is None
