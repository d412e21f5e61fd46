"""Sweep files to start from."""

from __future__ import annotations

from typing import Literal

_HEAD = """\
# A sweep: which networks to train. Lines that begin with # are comments.

# Folder for the results, relative to this file; without it, the name of this file without .toml.
# store = "sweep-results"

# What to keep of each network besides its measures: any of "curves", "weights", "activity".
save = ["curves", "weights"]
"""

_TAIL = """
# Values that go together, as one more axis. There may be several [[zip]].
# [[zip]]
# batch_size    = [50, 100]
# learning_rate = [5e-4, 1e-3]

# Combinations to leave out. There may be several [[exclude]].
# [[exclude]]
# where = "task == 'comp' and lambda0 > 0.95"
"""

_PAPER = f"""\
{_HEAD}
# Values that all networks share.
[experiment]
preset     = "paper"   # the values of Orhan & Ma (2019), which include the two below
n_hidden   = 500
iterations = 25_001

# Every combination of these is trained: 7 × 10 × 10 × 1 × 1 = 700 networks. λ0 and σ0 have the 10 × 10 grid of the
# published scripts that train on several tasks. There the values are of σ0/√N, from 0 to 0.018.
[axes]
task    = ["de1", "de2", "cd1", "cd2", "gde", "2afc", "comp"]
lambda0 = {{ linspace = [0.80, 0.98, 10] }}     # first, last, how many
sigma0  = {{ linspace = [0.0, 0.402492, 10] }}  # 0.018 √500 = 0.402492
rho     = [0.0]                               # or {{ logspace = [1e-7, 1e-3, 5] }}
seed    = {{ range = [0, 1] }}                  # first, and the one after the last
# condition = ["basic", "dynamic"]
# "task_options.delay_dur" = [50, 100]        # a setting of the task
{_TAIL}"""

_SMALL = f"""\
{_HEAD}
# Values that all networks share.
[experiment]
preset   = "quick"   # stops by itself: a minute or two per network
n_hidden = 100

# Every combination of these is trained: 2 × 3 × 2 = 12 networks.
[axes]
task    = ["de1", "2afc"]
lambda0 = {{ linspace = [0.90, 0.98, 3] }}   # first, last, how many; or a list: [0.90, 0.94, 0.98]
seed    = {{ range = [0, 2] }}               # first, and the one after the last
# "task_options.delay_dur" = [50, 100]     # a setting of the task
{_TAIL}"""


def template(preset: Literal["paper", "small"]) -> str:
    """Return a commented sweep file to edit.

    Parameters
    ----------
    preset
        ``"paper"``, the grid of Orhan & Ma (2019), or ``"small"``, a grid that a laptop finishes.

    Returns
    -------
    Text of the TOML file.

    Examples
    --------
    >>> print(template("small").partition(".")[0])
    # A sweep: which networks to train
    """
    return {"paper": _PAPER, "small": _SMALL}[preset]
