"""The code in README, CONTRIBUTING and docs/ runs: the Python and TOML blocks of a page, from the first to the last."""

from __future__ import annotations

import re
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.io

import made_up_sweeps
from docs.pages import FENCE, PAGES, ROOT, text_of
from own import forget
from recurrent_memory import figures, sweeps
from recurrent_memory.networks import initialize
from recurrent_memory.own_code import import_file
from recurrent_memory.runs.run import run
from small import small_experiment

FILE = re.compile(r"# (\w+\.py)\n")


def activity() -> dict[str, Any]:
    whole, padded, gappy = np.random.default_rng(0).gamma(0.3, size=(3, 4, 130, 20))
    padded[0, 100:] = np.nan  # a short trial
    gappy[1, :, 3] = np.nan  # a unit that was not recorded in a trial
    return {"activity": whole, "padded": padded, "gappy": gappy}


def recording() -> dict[str, Any]:
    scipy.io.savemat("recording.mat", {"rates": activity()["activity"]})
    return {}


def collected_sweep() -> dict[str, Any]:
    axes: dict[str, Any] = {"task": ["de1", "2afc"], "lambda0": [0.9, 0.98], "sigma0": [0.0, 0.4], "seed": [0, 1]}
    made_up_sweeps.sweep(axes).to_netcdf("sweep.nc", engine="h5netcdf")
    return {}


def study() -> dict[str, Any]:
    """Copy the data of the study or, where there are none, make up networks of the small scale."""
    folder = Path("docs") / "data"
    folder.mkdir(parents=True)
    for file in (ROOT / "docs" / "data").glob("small-*.nc"):
        shutil.copy(file, folder)
    axes: dict[str, Any] = {"task": ["comp", "2afc"], "lambda0": [0.94, 0.96], "sigma0": [0.0, 0.1], "rho": [0.0, 1e-4]}
    made = made_up_sweeps.sweep({**axes, "seed": [0, 1, 2]})
    if not list(folder.iterdir()):
        made = made.assign_coords(curriculum="[]", iterations=3001).drop_vars("delay_loss")
        made_up_sweeps.flat(made).to_netcdf(folder / "small-basic.nc", engine="h5netcdf")
    return {}


def activity_and_sweep() -> dict[str, Any]:
    return {**activity(), **collected_sweep()}


def trained() -> dict[str, Any]:
    experiment = small_experiment()
    sizes: dict[str, Any] = {"n_inputs": 10, "n_hidden": 8, "n_outputs": 1, "readout": "linear"}
    network = initialize(jax.random.key(0), "relu", **sizes, is_probability=False, lambda0=0.9, sigma0=0.1)
    return {"result": run(experiment), "network": network}


def run_folder() -> dict[str, Any]:
    run(small_experiment(), Path("runs/de1"))
    return {}


GIVEN: dict[str, Callable[[], dict[str, Any]]] = {
    "CONTRIBUTING.md": recording,
    "docs/pictures.md": run_folder,
    "docs/reproduction.md": study,
    "docs/sequences.md": activity_and_sweep,
    "docs/sequentiality.md": activity,
    "docs/sweeps.md": collected_sweep,
    "docs/why-a-sequence.md": trained,
}
"""What the reader of a page has already, because it comes from a laboratory, or from the commands on the page."""
GALLERY = "docs/gallery.md"
TRAINED = "docs/trained-networks.md"
SHORTER = {
    "README.md": {
        "n_hidden=100": "n_hidden=10",
        "iterations=1000": "iterations=3",
        "test_batches=20": "test_batches=2",
    },
    "docs/quick-start.md": {
        '"test_batches": 20}': '"test_batches": 2, "batch_size": 10}',
        "n_trials=100": "n_trials=20",
    },
    GALLERY: {
        'task="de1", **': 'task="de1", iterations=12, **',
        'task="2afc", test_batches=20': 'task="2afc", iterations=12, test_batches=6',
        '"test_batches": 20': '"test_batches": 6',
        "(0, 100, 500)": "(0, 5, 10)",
        '"n": 19': '"n": 2',
        "values[:, ::3]": "values[:, ::15]",
        "n_batches=5": "n_batches=1",
        "n_control=5": "n_control=1",
        "[50, 75, 100, 125, 150, 200]": "[50, 100]",
        "[0, 0.02, 0.05, 0.1, 0.2]": "[0, 0.1]",
        "n_hidden = 50\niterations = 400": "n_hidden = 10\niterations = 4",
    },
    TRAINED: {
        '"test_batches": 20}': '"test_batches": 2, "batch_size": 10}',
        "n_batches=10": "n_batches=2",
        "n_batches=5": "n_batches=2",
        "n_trials=100": "n_trials=20",
        "task.sample(jax.random.key(0), 100)": "task.sample(jax.random.key(0), 20)",
    },
}
"""Words of pages that train for minutes, and what stands for them unless slow tests run."""


def blocks(page: str) -> list[tuple[str, int, str]]:
    """Return language, first line and text of each block."""
    text = text_of(page)
    found = [of for of in FENCE.finditer(text) if of[1] in ("python", "toml")]
    return [(of[1], text[: of.start(2)].count("\n") + 1, of[2]) for of in found]


WITH_BLOCKS = [page for page in PAGES if blocks(page)]


@pytest.fixture
def run_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registries_as_before: None
) -> Iterator[Callable[..., None]]:
    """Return a function that runs a page's blocks in a folder of its own, as one program."""
    monkeypatch.chdir(tmp_path)
    forget(monkeypatch)
    page_of_code = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page_of_code)  # where classes find the names in their annotations

    def run(page: str, replaced: dict[str, str]) -> None:
        names = vars(page_of_code)
        names.update(GIVEN.get(page, dict)())
        for language, line, text in blocks(page):
            for word, other in replaced.items():
                text = text.replace(word, other)
            if language == "toml":
                Path("sweep.toml").write_text(text, encoding="utf-8")
                assert sweeps.networks(sweeps.load("sweep.toml")), f"{page}:{line}"
            elif file := FILE.match(text):
                Path(file[1]).write_text(text, encoding="utf-8")
                import_file(Path(file[1]))
            else:  # the empty lines make tracebacks name the line of the page
                exec(compile("\n" * (line - 1) + text, ROOT / page, "exec"), names)

    yield run
    plt.close("all")


def test_the_pages_have_blocks() -> None:
    assert len(WITH_BLOCKS) >= 9
    assert {*GIVEN, *SHORTER} <= set(WITH_BLOCKS)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.thorough] if page == GALLERY else []) for page in WITH_BLOCKS]
)
def test_the_blocks_of_a_page_run(run_page: Callable[..., None], page: str) -> None:
    replaced = SHORTER.get(page, {})
    text = "".join(text for _, _, text in blocks(page))
    assert all(word in text for word in replaced)
    run_page(page, replaced)


def test_the_measures_and_the_picture_of_the_docs_belong_to_results(run_page: Callable[..., None]) -> None:
    run_page("docs/measures.md", {})
    result = run(small_experiment())
    promised = ("participation_ratio", "trial_participation_ratio", "participation_ratio_delay")
    for name in (*promised, "sequentiality_index_wide"):
        assert np.isfinite(result[name]).all(), result[name].attrs.get("reason")
    assert figures.pictures_of(result)["mean_activity"](result).axes


def test_a_trained_network_is_asked_in_few_lines() -> None:
    assert sum(len(text.splitlines()) for _, _, text in blocks(TRAINED)) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "fast_weights", "leaky", "leaky_tanh"])
def test_every_model_is_asked_in_the_same_way(run_page: Callable[..., None], model: str) -> None:
    if model == "leaky_tanh":
        import_file(ROOT / "examples" / "own_cell.py")
    run_page(TRAINED, {**SHORTER[TRAINED], 'model = "relu"': f'model = "{model}"'})


@pytest.mark.slow
@pytest.mark.parametrize("page", SHORTER)
def test_the_blocks_of_a_page_run_at_full_length(run_page: Callable[..., None], page: str) -> None:
    run_page(page, {})
