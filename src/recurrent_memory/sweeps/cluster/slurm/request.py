"""What each element of a job array requests from Slurm."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import Field, field_validator

from ....errors import InputError
from ....settings import Settings

LONGEST_SIGNAL_DELAY = 90
"""Seconds before the end of a job's time at which its state is saved; fewer if the time is short."""

_TIME = re.compile(r"(?:(?P<days>[0-9]+)-)?(?P<numbers>[0-9]+(?::[0-9]+){0,2})")
_MEMORY = re.compile(r"([0-9]+)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_NAME = r"^[\w.@+:,/-]+$"
_OPTION = re.compile(r"(?P<name>[a-z][a-z0-9-]*)(?:=(?P<value>[^\n\r\0]+))?")

_OF_OWN_OPTION = {
    "account": "--account",
    "cpus-per-task": "--cpus",
    "gpus-per-node": "--gpus",
    "mem": "--mem",
    "partition": "--partition",
    "qos": "--qos",
    "time": "--time",
}
"""Slurm's options that the command line has as its own."""
_SET_HERE = (
    *("array", "error", "job-name", "no-requeue", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output"),
    *("parsable", "quiet", "requeue", "signal", "test-only", "wait", "wrap"),
)
"""Slurm's options that the sweep sets: an element is one process of a job array that can be requeued."""


def minutes(text: str) -> int:
    """Convert a time in one of Slurm's notations to minutes, rounded up as Slurm does.

    The notations are minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and
    days-hours:minutes:seconds.

    Raises
    ------
    InputError
        If it is none of these, or not from 1 minute to 366 days.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"`time` = {text!r} is not allowed: give minutes, minutes:seconds, hours:minutes:seconds, days-hours, "
            "days-hours:minutes or days-hours:minutes:seconds, such as 2:00:00."
        )
    numbers = [int(number) for number in found["numbers"].split(":")]
    if found["days"] is not None:
        hours, of_hour, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, of_hour, seconds = numbers
    else:
        hours, of_hour, seconds = 0, *(*numbers, 0)[:2]
    total = math.ceil((int(found["days"] or 0) * 24 + hours) * 60 + of_hour + seconds / 60)
    if not 1 <= total <= MOST_MINUTES:
        raise InputError(f"`time` = {text!r} is not allowed: it must be from 1 minute to 366 days.")
    return total


MOST_MINUTES = 366 * 24 * 60


class Request(Settings):
    """What each element of the job array gets, and how many networks it trains.

    Raises
    ------
    InputError
        If a value is not allowed.
    """

    partition: Annotated[str | None, Field(pattern=_NAME, description="Partition, or several with commas")] = None
    time: Annotated[
        str, Field(description="Time of each job: minutes, H:MM:SS, D-HH or another of Slurm's notations")
    ] = "1:00:00"
    cpus: Annotated[int, Field(ge=1, description="Cores of each job, a network on each")] = 1
    mem: Annotated[
        str | None,
        Field(pattern=r"^[0-9]+[KMGT]?$", description="Memory of each job, such as 8G or 4096M (a bare number: MB)"),
    ] = None
    gpus: Annotated[
        str | None, Field(pattern=r"^([\w-]+:)?[1-9][0-9]*$", description="GPUs of each job, such as 1 or a100:1")
    ] = None
    account: Annotated[str | None, Field(pattern=_NAME, description="Account to charge")] = None
    qos: Annotated[str | None, Field(pattern=_NAME, description="Quality of service")] = None
    array_limit: Annotated[int | None, Field(ge=1, description="Jobs that may run at the same time")] = None
    per_job: Annotated[
        int | None, Field(ge=1, description="Networks of each job; by default, about as many as fit into its time")
    ] = None
    slurm_option: Annotated[
        tuple[str, ...], Field(description="Any other option of sbatch, as constraint=skylake or exclusive")
    ] = ()

    @field_validator("mem", mode="before")
    @classmethod
    def _as_slurm_writes_it(cls, mem: Any) -> Any:
        """Accept 4g, 4GB and 4 G, and a number."""
        text = str(mem) if isinstance(mem, int) and not isinstance(mem, bool) else mem
        found = _MEMORY.fullmatch(text.strip()) if isinstance(text, str) else None
        return f"{found[1]}{found[2].upper()}" if found else text

    @field_validator("time")
    @classmethod
    def _is_time(cls, time: str) -> str:
        minutes(time)
        return time.strip()

    @field_validator("slurm_option")
    @classmethod
    def _are_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        seen = set()
        for option in options:
            found = _OPTION.fullmatch(option)
            if found is None:
                raise InputError(
                    f"`slurm_option` = {option!r} is not allowed: write NAME=VALUE, or NAME if the option takes "
                    "no value, without dashes in front; for example constraint=skylake or exclusive."
                )
            name = found["name"]
            if name in _OF_OWN_OPTION:
                raise InputError(f"`slurm_option` = {option!r} is not allowed: give {_OF_OWN_OPTION[name]} instead.")
            if name in _SET_HERE:
                raise InputError(f"`slurm_option` = {option!r} is not allowed: the sweep sets --{name} by itself.")
            if name == "clusters":
                raise InputError(
                    f"`slurm_option` = {option!r} is not allowed: squeue and scancel would not look there. Set the "
                    "environment variable SLURM_CLUSTERS instead, which all of Slurm's commands heed."
                )
            if name in seen:
                raise InputError(f"`slurm_option` = {option!r} is not allowed: {name} is given twice.")
            seen.add(name)
        return options

    @property
    def minutes(self) -> int:
        """Time of each job."""
        return minutes(self.time)

    @property
    def signal_delay(self) -> int:
        """Seconds before the end at which a job is signalled to save its state and exit."""
        return min(LONGEST_SIGNAL_DELAY, 60 * self.minutes // 4)

    @property
    def own_flags(self) -> dict[str, Any]:
        """Options of sbatch that the user has given, by name; True for one without a value."""
        given = {
            "partition": self.partition,
            "cpus-per-task": self.cpus,
            "mem": self.mem,
            "gpus-per-node": self.gpus,
            "account": self.account,
            "qos": self.qos,
        }
        return {name: value for name, value in given.items() if value is not None} | self.other_flags

    @property
    def other_flags(self) -> dict[str, Any]:
        """Options of sbatch given by `slurm_option`."""
        pairs = [option.partition("=") for option in self.slurm_option]
        return {name: value if sign else True for name, sign, value in pairs}
