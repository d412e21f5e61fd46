"""A Slurm of one's own for a test session: munge, a controller and nodes on this machine, without systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
PACKAGES = "munge slurmctld slurmd slurm-client"

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A job that is put back waits until its credential has expired, 120 s by default. Longer than KillWait, or it may come
# back to a node on which it has not ended yet.
AuthInfo=socket={folder}/munge.socket,cred_expire=8
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MailProg=/bin/true
MpiDefault=none
# Control groups are seldom writable in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=800
SlurmdParameters=config_overrides
# So that sweeps of a few jobs need several job arrays.
MaxArraySize={largest_array}
KillWait=3
SlurmdTimeout=8
SlurmctldTimeout=8
ReturnToService=2
CompleteWait=0
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
FirstJobId={first_job}
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 DefaultTime=5 MaxTime=60 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=9 DefaultTime=5 MaxTime=60 State=UP
"""


class Cluster:
    """Daemons that are children of this process, and nothing outside of one folder.

    Parameters
    ----------
    folder
        Empty, and with a short name: a socket in it must not have more than 107 characters.
    """

    nodes = ("n1", "n2")
    cpus = 2
    largest_array = 6

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all daemons, and wait until jobs can run."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise RuntimeError(f"no {', '.join(missing)}: apt-get install {PACKAGES}")
        host, port = socket.gethostname().partition(".")[0], _free_port()
        self.folder.chmod(0o755)  # munge's clients may be anybody
        (self.folder / "state").mkdir()
        text = CONFIGURATION.format(
            host=host,
            port=port,
            folder=self.folder,
            largest_array=self.largest_array,
            # A number of a job that is used twice would be taken for the older job.
            first_job=int(time.time()) % 50_000_000 + 1000,
        )
        for node in self.nodes:
            text += (
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} CPUs={self.cpus} "
                f"RealMemory=8000 State=UNKNOWN\n"
            )
        self.configuration.write_text(text)
        os.environ["SLURM_CONF"] = str(self.configuration)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = ("key", "socket", "pid", "log", "seed")
        names = {"key": "key-file", "socket": "socket", "pid": "pid-file", "log": "log-file", "seed": "seed-file"}
        munge = [f"--{names[kind]}={self.folder}/munge.{kind}" for kind in files]
        self._launch("munged", "munged", "--foreground", *munge)
        _wait(10, "munge", lambda: (self.folder / "munge.socket").exists())
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        _wait(30, "the nodes", lambda: all(self.is_up(node) for node in self.nodes))

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        if "slurmctld" in self._daemons and _succeeds("scontrol", "ping"):
            _succeeds("scancel", "--signal=KILL", "--full", "--me")
            _succeeds("scancel", "--me")
            with contextlib.suppress(RuntimeError):  # a node that was killed does not answer
                _wait(20, "the end of all jobs", lambda: not call("squeue", "--noheader"))
        for node in self.nodes:
            self._kill_jobs(node)
        for name in reversed(list(self._daemons)):
            daemon = self._daemons.pop(name)
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def start_controller(self) -> None:
        """Start the controller, and wait until it answers."""
        self._launch("slurmctld", "slurmctld", "-D")
        _wait(15, "slurmctld", lambda: _succeeds("scontrol", "ping"))

    def kill_controller(self) -> None:
        """Let the controller die: jobs go on, and nobody can ask for them."""
        daemon = self._daemons.pop("slurmctld")
        daemon.kill()
        daemon.wait()

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._launch(node, "slurmd", "-D", "-N", node)

    def kill_node(self, node: str, *, with_jobs: bool = True) -> None:
        """Let a node die, or its daemon alone, so that its jobs go on while Slurm believes them lost."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()
        if with_jobs:
            self._kill_jobs(node)

    def is_up(self, node: str) -> bool:
        """Return whether jobs can run on a node."""
        return call("sinfo", "--noheader", "-n", node, "-o", "%t", "-p", "main").strip() in ("idle", "mix", "alloc")

    def resume_drained(self) -> None:
        """Do what an administrator does with nodes that Slurm gave up, as it found a job there that it had lost."""
        for node in self.nodes:
            state = call("sinfo", "--noheader", "-n", node, "-o", "%t", "-p", "main").strip()
            if state.startswith(("drain", "drng")):
                call("scontrol", "update", f"nodename={node}", "state=resume")

    def processes(self, node: str) -> list[psutil.Process]:
        """Return the processes of the jobs on a node, with those that Slurm starts them from."""
        found = []
        for process in psutil.process_iter():
            try:
                values = process.environ()
                if values.get("SLURMD_NODENAME") == node and values.get("SLURM_CONF") == str(self.configuration):
                    parent = process.parent()
                    found += [parent] if parent is not None and parent.name().startswith("slurmstepd") else []
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def logs(self) -> str:
        """Return the ends of all logs, for a message."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-8:])
            for path in sorted(self.folder.glob("*.log"))
        )

    def _kill_jobs(self, node: str) -> None:
        for process in self.processes(node):
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue

    def _launch(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}-output.log").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )


def call(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def _wait(seconds: float, what: str, is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > until:
            raise RuntimeError(f"waited {seconds} s for {what}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
