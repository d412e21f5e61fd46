"""What Slurm's commands, and the wrappers of sites, may print: numbers, banners, columns, refusals."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import Outcome
from recurrent_memory.errors import InputError, InterruptedRunError, RefusedError, StuckError
from recurrent_memory.runs.resources import current_job
from recurrent_memory.sweeps import Store, load, networks
from recurrent_memory.sweeps.cluster.slurm import Request, finish, queued, submissions, submit
from recurrent_memory.sweeps.cluster.slurm.commands import Printed, job_number, largest_array, refusal
from recurrent_memory.sweeps.cluster.slurm.queue import MOST_ELEMENTS, _elements
from small import stops_after

Command = Callable[..., Outcome]


def say(folder: Path, name: str, body: str) -> None:
    """Replace one of the stand-ins for Slurm's commands."""
    (folder.parent / "programs" / name).write_text(f"#!/bin/sh\n{body}\n")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("Submitted batch job 7\n", "7"),
        ("Submitted batch job 7 on cluster big\n", "7"),
        ("15786755\n", "15786755"),
        ("15786755;big\r\n", "15786755"),
        ("--- 2 jobs may run ---\nSubmitted batch job 7\nHave a nice day, job 3 of today\n", "7"),
        ("Welcome to 2026!\n12\n", "12"),
        ("sbatch: lua: job 4096M of memory\nYour job 15 has been queued.\n", "15"),
        ("JobID=18 queued\n", "18"),
        ("Job number: 19", "19"),
        ("queued, thank you\n", None),
        ("", None),
    ],
)
def test_the_number_of_a_job_is_found(printed: str, expected: str | None) -> None:
    assert job_number(printed) == expected


@pytest.mark.parametrize(
    ("sbatch", "queue", "number"),
    [
        ("echo 15786755", "", "15786755"),
        ("printf '\\351t\\351\\nSubmitted batch job 8\\n'", "", "8"),  # a banner in Latin-1
        ("echo thank you", "{name}|N/A|9|9|PENDING|None", "9"),
        ("echo thank you", "", "{name}"),
        ("echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1", "{name}|0|9_0|9|R|None", "9"),
        ("echo Submitted batch job 10; echo 'Cannot write the log' >&2; exit 3", "", "10"),
        ("echo 11; echo 'Cannot write the log' >&2; exit 3", "", "11"),  # a wrapper's own trouble
        ("echo thank you; exit 3", "{name}|0|12_0|12|PD|None", "12"),
    ],
)
def test_what_is_queued_is_known_and_followed(sbatch: str, queue: str, number: str, folder: Path) -> None:
    say(folder, "sbatch", f'cp "$1" ../script; {sbatch}')
    say(
        folder, "squeue", f"name=$(sed -n 's/^#SBATCH --job-name=//p' ../script); echo \"{queue.format(name='$name')}\""
    )
    sweep = load(Path("sweep.toml"))
    submitted = submit(networks(sweep)[:3], sweep, Store(sweep.store), Request(per_job=3))
    name, *_ = submitted.submission.arrays()
    assert submitted.ids == [number.format(name=name)]
    (known,) = submissions(Store(sweep.store))
    assert known.folder.absolute() == submitted.submission.folder
    say(folder, "squeue", f"echo '{name}|N/A|15786755|15786755|PENDING|Priority'")
    (job,) = queued(Store(sweep.store))
    assert (job.id, len(job.networks)) == ("15786755", 3)


@pytest.mark.parametrize(
    ("words", "stays"),
    [
        ("Socket timed out on send/recv operation", True),
        ("Unable to contact slurm controller (connect failure)", False),
    ],
)
def test_a_submission_that_may_be_queued_stays(words: str, stays: bool, folder: Path) -> None:
    say(folder, "sbatch", f"echo 'sbatch: error: {words}' >&2; exit 1")
    sweep = load(Path("sweep.toml"))
    with pytest.raises(InputError) as caught:
        submit(networks(sweep), sweep, Store(sweep.store), Request())
    assert words in str(caught.value)
    assert not isinstance(caught.value, RefusedError)
    assert ("If its jobs are queued nevertheless, they are known by" in str(caught.value)) == stays
    assert len(submissions(Store(sweep.store))) == stays


@pytest.mark.parametrize("element", ["", "1"])
def test_a_job_finds_its_chunk_by_the_number_that_only_it_knows(element: str, folder: Path) -> None:
    say(folder, "sbatch", 'cp "$1" ../script; echo thank you')
    say(folder, "srun", "env > ran")
    sweep = load(Path("sweep.toml"))
    submitted = submit(networks(sweep)[:4], sweep, Store(sweep.store), Request(per_job=2 if element else 4))
    number = {"SLURM_JOB_ID": "41"} | ({"SLURM_ARRAY_JOB_ID": "40", "SLURM_ARRAY_TASK_ID": element} if element else {})
    for _ in range(2):  # the second time as after a requeue
        subprocess.run(
            ["bash", "../script"], env={"PATH": f"{folder.parent}/programs:/usr/bin:/bin", **number}, check=True
        )
    chunk = submitted.submission.folder / "array0" / f"{'40_1' if element else '41'}_submitted.pkl"
    delayed = pickle.loads(chunk.read_bytes())
    assert delayed.function.number == int(element or 0)
    assert "JAX_COMPILATION_CACHE_DIR" in Path("ran").read_text()


def made_submission(folder: Path) -> Store:
    """Write what a submission of three jobs in two arrays leaves."""
    place = folder / "sweep" / "slurm" / "20260101-000000-abcdef01"
    place.mkdir(parents=True)
    (place / "chunks.json").write_text('[["a"], ["b", "c"], ["d"]]')
    (place / "submission.json").write_text('{"name": "s-abcdef01", "arrays": [2, 1], "overrides": []}')
    return Store(folder / "sweep")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("NAME|ARRAY_TASK_ID|JOBID|ARRAY_JOB_ID|STATE|REASON\ns-abcdef01-0|1|7_1|7|RUNNING|None", ["7_1 RUNNING b,c"]),
        ("*** maintenance | on | Monday | at | noon | sharp\n\nCLUSTER: big\n s-abcdef01-0 |  0 | 7_0 | 7 | R | None ",
         ["7_0 RUNNING a"]),
        ("s-abcdef01-0|1|7_1|7|PENDING|Priority|lab|2026-01-01", ["7_1 PENDING b,c"]),  # two more columns
        ("s-abcdef01-0|0-1%1|7_[0-1%1]|7|PENDING|None", ["7_[0-1%1] PENDING a", "7_[0-1%1] PENDING b,c"]),
        ("s-abcdef01-1|N/A|8|8|pending|None", ["8 PENDING d"]),
        ("s-abcdef01-1|7|8_7|8|RUNNING|None", []),  # no such element
        ("s-abcdef01-0|1|7_1", []),
        ("s-abcdef01-0|NAME|JOBID|x|y|z", []),
        ("", []),
    ],
)  # fmt: skip
def test_the_queue_is_read_whatever_surrounds_it(printed: str, expected: list[str], folder: Path) -> None:
    store = made_submission(folder)
    (folder / "queue").write_text(printed + "\n")
    assert [f"{job.id} {job.state} {','.join(job.networks)}" for job in queued(store)] == expected


def test_a_queue_that_fails_behind_a_pipe_is_not_empty(folder: Path) -> None:
    store = made_submission(folder)
    say(folder, "squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2 | cat")
    with pytest.raises(InputError, match=r"squeue failed: .*Unable to contact slurm controller"):
        queued(store)


def test_the_configuration_is_found_below_a_banner(folder: Path) -> None:
    say(folder, "scontrol", "echo 'Welcome! MaxArraySize is yours.'; echo '  MaxArraySize            = 12'")
    assert largest_array() == 12


@pytest.mark.parametrize(
    ("given", "expected"),
    [("4g", "4G"), ("4G", "4G"), ("4096", "4096"), ("4096m", "4096M"), ("1t", "1T"), ("8GB", "8G"), ("8 GiB", "8G"),
     ("0", "0"), (" 512k ", "512K")],
)  # fmt: skip
def test_memory_is_accepted_in_any_case(given: str, expected: str) -> None:
    assert Request(mem=given).own_flags["mem"] == expected


@pytest.mark.parametrize("given", ["", "G", "-4G", "4.5G", "4P", "4 G B", "four", "4G\n#SBATCH --wrap=x", "٤G"])
def test_other_memory_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="`mem` = "):
        Request(mem=given)


REFUSALS = {
    "Invalid account or account/partition combination specified": "for good",
    "invalid partition specified: nowhere": "for good",
    "Invalid qos specification": "for good",
    "Requested time limit is invalid (missing or exceeds some limit)": "for good",
    "Requested node configuration is not available": "for good",
    "Memory specification can not be satisfied": "for good",
    "User's group not permitted to use this partition": "for good",
    "Access/permission denied; please contact the help desk": "for good",
    "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)": "limit",
    "AssocMaxSubmitJobLimit": "limit",
    "QOSMaxSubmitJobPerUserLimit": "limit",
    "Slurm temporarily unable to accept job, sleeping and retrying": "for now",
    "Requested partition configuration not available now": "for now",
    "Required node not available (down, drained or reserved)": "for now",
    "Unable to contact slurm controller (connect failure)": "for now",
    "Socket timed out on send/recv operation": "for now",
    "the site's plugin says no": "unknown",
    "": "unknown",
}


@pytest.mark.parametrize(("words", "kind"), REFUSALS.items())
@pytest.mark.parametrize("others", ["7_1\n", ""])
def test_it_is_known_which_refusals_pass(words: str, kind: str, others: str, folder: Path) -> None:
    (folder / "queue").write_text(others)
    found = refusal(Printed(1, "banner\n", f"Welcome to the cluster\nsbatch: error: {words}\n"))
    assert words.rstrip(".") in str(found)
    assert "Welcome" not in str(found)
    passes = kind == "for now" or (kind == "limit" and others)
    assert isinstance(found, RefusedError) != bool(passes)
    assert getattr(found, "for_good", False) == (kind == "for good")


@pytest.mark.parametrize(
    ("words", "tries"),
    [
        ("Invalid qos specification", 2),
        ("AssocMaxSubmitJobLimit", 4),
        ("Socket timed out on send/recv operation", None),
    ],
)
def test_only_what_passes_is_tried_for_ever(
    words: str, tries: int | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(
        folder, "sbatch", f"echo >> tries; [ $(wc -l < tries) -gt 1 ] || exec echo 7; echo 'error: {words}' >&2; exit 1"
    )
    say(folder, "squeue", "exit 0")
    monkeypatch.setattr("recurrent_memory.sweeps.cluster.follow.MOST_REFUSALS", 3)
    sweep = load(Path("sweep.toml"), ["seed=1"])
    told: list[str] = []

    def go() -> None:
        finish(
            networks(sweep), sweep, Store(sweep.store), Request(), on_message=told.append, look_every=0.001,
            should_stop=stops_after(12),
        )  # fmt: skip

    if tries is None:
        with pytest.raises(InterruptedRunError):
            go()
        assert any("Trying again every" in line for line in told)
        return
    with pytest.raises(StuckError, match=rf"{words}.* 1 network left"):
        go()
    assert len(Path("tries").read_text()) == tries


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "٣", "9" * 5000, " "])
def test_odd_variables_of_a_job_are_no_mistake(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    for name in ("SLURM_RESTART_COUNT", "SLURM_CPUS_PER_TASK"):
        monkeypatch.setenv(name, value)
    job = current_job()
    assert job is not None
    assert (job.id, job.restart) == ("7", 0)


@pytest.mark.parametrize(
    ("index", "elements"),
    [("N/A", [0]), ("", [0]), ("3", [3]), ("[0-2,7%2]", [0, 1, 2, 7]), ("[5-3]", [0]), ("9" * 5000, None),
     ("[0-6:3,1]", [0, 1, 3, 6]), ("0-3:0", [0, 1, 2, 3])],
)  # fmt: skip
def test_elements_of_an_array_are_read_and_bounded(index: str, elements: list[int] | None) -> None:
    found = _elements(index)
    assert elements is None or found == elements


@pytest.mark.parametrize("index", ["[0-999999999]", ",".join(["0-999999999"] * 3)])
def test_a_range_that_no_array_can_have_does_not_fill_the_memory(index: str) -> None:
    assert len(_elements(index)) <= MOST_ELEMENTS + 1
