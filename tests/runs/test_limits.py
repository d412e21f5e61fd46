"""What a process may use is less than what the machine has, if a container or a cluster says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from recurrent_memory import limits
from recurrent_memory.errors import InputError
from recurrent_memory.runs import resources
from recurrent_memory.runs.pool import plan
from recurrent_memory.runs.run import run
from small import small_experiment

GB = 10**9
CASES = {
    "version 2, as in a container": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{GB}\n",
            "sys/fs/cgroup/memory.current": "600000000\n",
            "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 100000000\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
        (GB, GB // 2),
        2,
    ),
    "version 2, a limit further up": (
        {
            "proc/self/cgroup": "0::/slurm/job_7/step_0\n",
            "sys/fs/cgroup/slurm/job_7/step_0/memory.max": "max\n",
            "sys/fs/cgroup/slurm/job_7/memory.max": f"{GB}\n",
            "sys/fs/cgroup/slurm/job_7/memory.current": "0\n",
            "sys/fs/cgroup/slurm/job_7/step_0/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slurm/cpu.max": "100000 100000\n",
        },
        (GB, GB),
        1,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "4:memory:/docker/7\n2:cpu,cpuacct:/docker/7\n",
            "sys/fs/cgroup/memory/docker/7/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/memory/docker/7/memory.usage_in_bytes": "700000000\n",
            "sys/fs/cgroup/memory/docker/7/memory.stat": "inactive_file 5\ntotal_inactive_file 200000000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.cfs_period_us": "100000\n",
        },
        (GB, GB // 2),
        1,
    ),
    "version 1, as in a container, which sees its own group as the root": (
        {
            "proc/self/cgroup": "4:memory:/docker/7\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{2 * GB}\n",
        },
        (GB, 0),
        None,
    ),
    "no limit, or nonsense": (
        {
            "proc/self/cgroup": "nonsense\n0::/../..\n4:memory:\n",
            "sys/fs/cgroup/memory.max": "a lot\n",
            "sys/fs/cgroup/cpu.max": "-5\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "",
        },
        None,
        None,
    ),
}


@pytest.mark.parametrize(("files", "memory", "cores"), CASES.values(), ids=CASES)
def test_limits_of_control_groups_are_seen(
    files: Mapping[str, str], memory: tuple[int, int] | None, cores: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found, nowhere = limits.memory(tmp_path), tmp_path / "nowhere"
    assert found.total == (limits.memory(nowhere).total if memory is None else memory[0])
    if memory is not None:
        assert found.free == memory[1]
    unbound = limits.cores(nowhere)
    assert limits.cores(tmp_path) == (unbound if cores is None else min(unbound, cores))


@pytest.mark.parametrize(
    ("given", "megabytes"),
    [
        ({"SLURM_MEM_PER_NODE": "1200"}, 1200),
        ({"SLURM_MEM_PER_CPU": "600", "SLURM_CPUS_PER_TASK": "2"}, 1200),
        ({"SLURM_MEM_PER_CPU": "600", "SLURM_CPUS_ON_NODE": "2"}, 1200),
        ({"SLURM_MEM_PER_NODE": "0"}, None),
        ({"SLURM_MEM_PER_NODE": ""}, None),
        ({"SLURM_MEM_PER_NODE": "much"}, None),
    ],
)
def test_the_memory_of_a_slurm_job_is_seen(
    given: Mapping[str, str], megabytes: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    whole = limits.memory().total
    assert resources.memory().total == (whole if megabytes is None else min(whole, megabytes * 2**20))
    if megabytes is not None:
        assert resources.memory().free <= max(0, megabytes * 2**20 - psutil.Process().memory_info().rss * 0.9)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_hidden": 100_000},
        {"task_options": {"delay_dur": 300_000_000}},
        {"batch_size": 10**6, "task_options": {"delay_dur": 10**4}},
        {"iterations": 10**13},
        {"test_batches": 10**11},
        {"task": "2afc", "curriculum": ("cd1", "2afc"), "n_hidden": 100_000},
    ],
)
def test_what_cannot_fit_is_refused_before_it_starts(changes: dict[str, object], tmp_path: Path) -> None:
    experiment = small_experiment(**changes)
    for refused in (lambda: run(experiment, tmp_path / "run"), lambda: plan([small_experiment(), experiment])):
        with pytest.raises(InputError, match=r"needs about [\d,.]+ GB \(estimate\), but this machine has"):
            refused()
    assert not (tmp_path / "run").exists()
