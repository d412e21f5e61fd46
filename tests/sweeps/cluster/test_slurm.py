"""Requests, scripts, cancelling and error messages, tested with stand-ins for Slurm's commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import Outcome
from own import OPTIONS, forget, my_lab, write
from recurrent_memory.errors import InputError, InterruptedRunError
from recurrent_memory.runs import resources
from recurrent_memory.sweeps import Store, load, networks
from recurrent_memory.sweeps.cluster.slurm import (
    Chunk,
    Request,
    cancel,
    finish,
    minutes,
    preview,
    queued,
    submissions,
    submit,
)
from recurrent_memory.sweeps.cluster.submission import cut, split
from small import SMALL, stops_after

__all__ = ["my_lab"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("1:30", 2), ("2:00:00", 120), ("0:00:01", 1), ("1-0", 1440), ("1-2:30", 1590), ("1-2:30:30", 1591)],
)
def test_times_are_what_slurm_takes_them_for(text: str, expected: int) -> None:
    assert minutes(text) == expected
    assert Request(time=text).minutes == expected


@pytest.mark.parametrize(
    "text", ["abc", "", "-1", "1:2:3:4", "1-", "1.5", "0", "0:00", "400-0", "١", "1 2", "infinite"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^`time` = .* is not allowed: "):
        Request(time=text)


@pytest.mark.parametrize(
    ("values", "fragments"),
    [
        ({"cpus": 0}, ("`cpus` = 0", "greater than or equal to 1")),
        ({"per_job": -3}, ("`per_job` = -3",)),
        ({"array_limit": 0}, ("`array_limit` = 0",)),
        ({"partition": "a b"}, ("`partition` = 'a b'",)),
        ({"partition": "a\n#SBATCH --wrap=x"}, ("`partition`",)),
        ({"mem": "8 pounds"}, ("`mem` = '8 pounds'",)),
        ({"gpus": "none"}, ("`gpus` = 'none'",)),
        ({"slurm_option": ("--constraint=x",)}, ("'--constraint=x'", "without dashes")),
        ({"slurm_option": ("constraint=",)}, ("'constraint='", "NAME=VALUE")),
        ({"slurm_option": ("comment=a\nb",)}, ("NAME=VALUE",)),
        ({"slurm_option": ("partition=gpu",)}, ("give --partition instead",)),
        ({"slurm_option": ("clusters=big",)}, ("SLURM_CLUSTERS",)),
        ({"slurm_option": ("array=0-3",)}, ("sets --array by itself",)),
        ({"slurm_option": ("exclusive", "exclusive")}, ("exclusive is given twice",)),
    ],
)
def test_mistakes_in_a_request_are_reported(values: dict[str, Any], fragments: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Request(**values)
    assert all(fragment in str(caught.value) for fragment in fragments), caught.value


@given(
    seconds=st.lists(st.floats(0.1, 1e5), min_size=1, max_size=60),
    asked=st.integers(1, 600),
    cpus=st.integers(1, 8),
)
def test_jobs_take_the_time_asked_for_unless_a_network_alone_takes_longer(
    seconds: list[float], asked: int, cpus: int
) -> None:
    sizes = cut(seconds, Request(time=str(asked), cpus=cpus))
    assert sum(sizes) == len(seconds)
    assert min(sizes) >= 1
    first = 0
    for size in sizes:
        assert size <= cpus or sum(seconds[first : first + size]) <= cpus * 60 * asked
        first += size


def test_networks_of_a_job_can_be_given() -> None:
    assert cut([1e9] * 7, Request(per_job=3)) == [3, 3, 1]
    assert cut([1.0] * 6, Request(per_job=3)) == [3, 3]


@given(jobs=st.integers(1, 10_000), largest=st.integers(1, 1001))
def test_job_arrays_are_as_few_as_slurm_allows(jobs: int, largest: int) -> None:
    sizes = split(jobs, largest)
    assert sum(sizes) == jobs
    assert max(sizes) <= largest
    assert len(sizes) == -(-jobs // largest)
    assert max(sizes) - min(sizes) <= 1


def test_a_dry_run_shows_the_script_and_writes_nothing(command: Callable[..., Outcome], folder: Path) -> None:
    options = (
        *("--partition", "gpu", "--time", "2:00:00", "--array-limit", "50", "--cpus", 4, "--mem", "8G"),
        *("--gpus", "a100:1", "--account", "lab", "--qos", "long", "--slurm-option", "constraint=fast|new"),
        *("--slurm-option", "exclusive", "--per-job", 2),
    )
    done = command("run", "sweep.toml", "--slurm", "--dry-run", *options)
    assert done.code == 0, done.err
    given = re.findall(r"^#SBATCH --(\S.*)$", done.out, re.MULTILINE)
    assert {line for line in given if not line.startswith(("job-name", "output"))} == {
        *("partition=gpu", "time=120", "cpus-per-task=4", "mem=8G", "gpus-per-node=a100:1", "account=lab", "qos=long"),
        *("constraint='fast|new'", "exclusive", "requeue", "signal=USR2@90", "open-mode=append", "nodes=1"),
        "array=0-9%10",  # 20 jobs in two arrays, since Slurm allows 16 in one
    }
    assert done.err == "and 1 more job array like this, because Slurm allows no larger ones\n"
    assert f"{sys.executable} -u -m submitit.core._submit {folder}/sweep/slurm/" in done.out
    assert list(folder.iterdir()) == [folder / "sweep.toml"]


def test_what_slurm_refuses_is_one_message_and_leaves_no_submission(
    command: Callable[..., Outcome], folder: Path
) -> None:
    done = command("run", "sweep.toml", "--slurm", "--partition", "nowhere")
    assert (done.code, done.out) == (2, "")
    assert done.err == "Error: Slurm refuses: invalid partition specified: nowhere.\n"
    assert list((folder / "sweep" / "slurm").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--slurm", "--time", "abc"), ("`--time` = 'abc'", "2:00:00")),
        (("--slurm", "--cpus", "0"), ("`--cpus` = 0",)),
        (("--slurm", "--slurm-option", "=x"), ("'=x'",)),
        (("--slurm", "--resubmit", "--dry-run"), ("--resubmit", "--dry-run")),
        (("--slurm", "--look-every", "3"), ("--resubmit",)),
        (("--slurm", "--at-once", "3"), ("--at-once", "--cpus")),
        (("--time", "1:00:00"), ("`--time`", "--slurm")),
        (("--dry-run",), ("`--dry-run`", "--slurm")),
        (("--part", "3/3"), ("'3/3'", "0/10")),
        (("--part", "x"), ("'x'", "0/10")),
    ],
)
def test_bad_options_are_one_short_message(
    command: Callable[..., Outcome], folder: Path, words: tuple[str, ...], fragments: tuple[str, ...]
) -> None:
    done = command("run", "sweep.toml", *words)
    assert done.code == 2
    assert len(done.err.splitlines()) <= 2
    assert all(fragment in done.err for fragment in fragments), done.err
    assert list(folder.iterdir()) == [folder / "sweep.toml"]


def test_without_slurm_or_submitit_it_says_what_is_missing(
    command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "submitit", None)
        done = command("run", "sweep.toml", "--slurm", "--dry-run")
        error, advice = done.err.splitlines()
        assert (done.code, error) == (2, "Error: Slurm needs submitit: pip install submitit.")
        assert advice == "To see a script without Slurm: recurrent-memory sweep export-sbatch sweep.toml"
    monkeypatch.setenv("PATH", "")
    done = command("run", "sweep.toml", "--slurm")
    assert done.code == 2
    assert "There is no Slurm here: no command" in done.err


def made_submission(folder: Path) -> Store:
    """Write what a submission of three jobs in two arrays leaves."""
    place = folder / "sweep" / "slurm" / "20260101-000000-abcdef01"
    place.mkdir(parents=True)
    (place / "chunks.json").write_text('[["a"], ["b", "c"], ["d"]]')
    described = {"name": "sweep-abcdef01", "arrays": [2, 1], "overrides": []}
    (place / "submission.json").write_text(json.dumps(described))
    (folder / "sweep" / "store.json").write_text('{"format": "recurrent-memory sweep 1"}')
    return Store(folder / "sweep")


def test_jobs_are_known_by_their_name_and_not_by_their_number(command: Callable[..., Outcome], folder: Path) -> None:
    store = made_submission(folder)
    (folder / "queue").write_text(
        "sweep-abcdef01-0|1|7_1|7|RUNNING|None\n"
        "sweep-abcdef01-1|N/A|9|9|PENDING|launch failed requeued held\n"
        "sweep-other|0|7_0|7|RUNNING|None\n"
        "a|name|with|bars|N/A|8|8|RUNNING|None\n"
    )
    assert [(job.id, job.networks) for job in queued(store)] == [("7_1", ["b", "c"]), ("9", ["d"])]
    done = command("cancel", "sweep.toml")
    assert done.out.startswith("2 jobs cancelled, 1 of them running")
    assert Path("cancelled").read_text().splitlines() == ["--name=sweep-abcdef01-0 7", "--name=sweep-abcdef01-1 9"]
    assert [known.cancelled for known in submissions(store)] == [True]


WHOLE = {"name": "sweep-abcdef02", "arrays": [1], "overrides": []}
DAMAGED: dict[str, str | bytes | Callable[[Path], None]] = {
    "empty": "",
    "cut": '{"name": "swe',
    "list": "[]",
    "deep": "[" * 100_000,
    "not UTF-8": b"\xff\xfe{}",
    "no name": json.dumps({**WHOLE, "name": 5}),
    "no arrays": json.dumps({**WHOLE, "arrays": None}),
    "negative": json.dumps({**WHOLE, "arrays": [-1]}),
    "text": json.dumps({**WHOLE, "arrays": ["1"]}),
    "more jobs than networks": json.dumps({**WHOLE, "arrays": [3]}),
    "control": json.dumps({**WHOLE, "overrides": ["\x1b[31m", 1]}),
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("file", ["submission.json", "chunks.json"])
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.sampled(4)
def test_a_damaged_submission_keeps_nothing_back(
    content: Any, file: str, command: Callable[..., Outcome], folder: Path
) -> None:
    """Its jobs are known by the name of its folder, and nothing else fails for it."""
    made_submission(folder)
    place = folder / "sweep" / "slurm" / "20260101-000000-abcdef02"
    (place / "array0").mkdir(parents=True)
    (place / "array0" / "chunk0.pkl").touch()
    for name, whole in (("chunks.json", [["e"]]), ("submission.json", WHOLE)):
        (place / name).write_text(json.dumps(whole))
    (place / file).unlink()
    if callable(content):
        content(place / file)
    else:
        (place / file).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "queue").write_text("sweep-abcdef01-0|1|7_1|7|RUNNING|None\nsweep-abcdef02-0|0|8_0|8|PENDING|None\n")
    done = command("run", "sweep.toml", "--slurm", "--dry-run")
    assert (done.code, "#SBATCH" in done.out) == (0, True), done.err
    assert "warning: " in done.err
    assert "abcdef02" in done.err
    assert "is damaged" in done.err
    assert "\x1b" not in done.err
    done = command("status", "sweep.toml")
    assert done.code == 0
    done = command("cancel", "sweep.toml")
    assert (done.code, done.out.splitlines()[0][:40]) == (0, "2 jobs cancelled, 1 of them running; wha"), done.err
    assert {"--name=sweep-abcdef01-0 7", "--name=sweep-abcdef02-0 8"} == set(Path("cancelled").read_text().splitlines())
    with pytest.raises(InputError, match="is damaged"):
        Chunk(folder / "sweep", place, 0)()


@pytest.mark.parametrize("left", ["", "sweep-abcdef01-0|1|7_1|7|COMPLETING|None"])
def test_jobs_that_end_while_they_are_cancelled_are_no_mistake(folder: Path, left: str) -> None:
    store = made_submission(folder)
    (folder / "queue").write_text("sweep-abcdef01-0|1|7_1|7|RUNNING|None\n")
    scancel = folder.parent / "programs" / "scancel"
    refusal = "echo 'scancel: error: Kill job error on job id 7: Invalid job id specified' >&2; exit 1"
    scancel.write_text(f"#!/bin/sh\nprintf '{left}' > queue\n{refusal}\n")
    assert [job.id for job in cancel(store)] == ["7_1"]
    (folder / "queue").write_text("sweep-abcdef01-0|1|7_1|7|RUNNING|None\n")
    scancel.write_text(f"#!/bin/sh\n{refusal}\n")
    with pytest.raises(InputError, match=r"scancel failed: Kill job error on job id 7: Invalid job id"):
        cancel(store)


def test_jobs_that_a_node_could_not_start_are_released_a_few_times(folder: Path) -> None:
    store, sweep = made_submission(folder), load(Path("sweep.toml"))
    (place,) = (folder / "sweep" / "slurm").iterdir()
    (place / "chunks.json").write_text(json.dumps([[network.identity for network in networks(sweep)]]))
    (place / "submission.json").write_text(json.dumps({"name": "sweep-abcdef01", "arrays": [1], "overrides": []}))
    (folder / "queue").write_text("sweep-abcdef01-0|N/A|9|9|PENDING|launch failed requeued held\n")
    told: list[str] = []
    with pytest.raises(InterruptedRunError):
        finish(
            networks(sweep),
            sweep,
            store,
            Request(),
            on_message=told.append,
            should_stop=stops_after(8),
            look_every=0.01,
        )
    assert Path("released").read_text().split() == ["9", "9", "9"]
    assert any("job 9 was held because a node could not start it: released" in line for line in told)
    assert "scontrol release 9" in told[-1]  # what is left to the user


def test_a_plain_script_needs_nothing_but_sbatch(command: Callable[..., Outcome], folder: Path) -> None:
    done = command("export-sbatch", "sweep.toml", "--set", "lambda0=0.9", "--per-job", 8, "--array-limit", 3)
    assert done.code == 0, done.err
    assert subprocess.run(["bash", "-n"], input=done.out, text=True).returncode == 0
    assert "#SBATCH --array=0-4%3\n" in done.out
    assert "#SBATCH --signal=USR2@90\n" in done.out
    assert f'sweep run {folder}/sweep.toml --set lambda0=0.9 --part "$SLURM_ARRAY_TASK_ID/5"\n' in done.out
    assert list(folder.iterdir()) == [folder / "sweep.toml"]
    done = command("export-sbatch", "sweep.toml", "-o", "script.sh")
    assert done.out == "script.sh: check it, then `sbatch script.sh`\n"
    assert Path("script.sh").read_text().startswith("#!/bin/bash\n#SBATCH --job-name=sweep\n")


def test_jobs_run_the_code_that_was_submitted(folder: Path, my_lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "programs" / "sbatch").write_text("#!/bin/sh\necho 'Submitted batch job 7'\n")
    values = {"task": "half", **SMALL, "iterations": 2}
    options = ", ".join(f"{name} = {value}" for name, value in OPTIONS.items())
    (my_lab.parent / "s.toml").write_text(
        'import = ["my_lab.py"]\n[experiment]\n'
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        + f'task_options = {{ {options} }}\n[axes]\nmodel = ["relu", "scaled"]\n'
    )
    sweep = load(my_lab.parent / "s.toml")
    store = Store(sweep.store)
    write(my_lab.parent, rate=0.1)  # after the sweep was read: what was read is submitted
    submitted = submit(networks(sweep), sweep, store, Request(time="5"))
    assert (submitted.networks, submitted.ids) == (2, ["7"])
    place = submitted.submission.folder
    assert b"RATE = 0.5" in (place / "imports" / "0" / "my_lab.py").read_bytes()
    my_lab.unlink()
    forget(monkeypatch)  # as on a node, where the sweep is read anew
    copied = load(place / "sweep.toml", imports=[place / "imports" / "0" / "my_lab.py"], is_copy=True)
    assert [one.identity for one in networks(copied)] == [one.identity for one in networks(sweep)]
    forget(monkeypatch)
    Chunk(store.path, place, 0)()
    assert store.finished() == {one.identity for one in networks(sweep)}


def test_a_sweep_without_a_file_cannot_be_submitted(folder: Path) -> None:
    sweep = load(Path("sweep.toml"))
    without = sweep.replace(source=type(sweep.source)())
    with pytest.raises(InputError, match="write it to a file"):
        preview(networks(sweep), without, Store(sweep.store), Request())


@pytest.mark.parametrize(("given", "expected"), [("1", 1), ("10000", None), ("", None), ("x", None)])
def test_a_job_uses_the_cores_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: int | None
) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    of_machine = resources.cores()
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    assert resources.cores() == (expected or of_machine)
