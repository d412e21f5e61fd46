"""Every task goes the whole way, from an experiment to a result, a summary and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recurrent_memory import figures, tasks
from recurrent_memory.cli import report
from recurrent_memory.runs.folder import RunFolder
from recurrent_memory.runs.run import run
from small import small_experiment


@pytest.mark.parametrize("name", tasks.names())
@pytest.mark.sampled(9)
def test_from_experiment_to_pictures(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(small_experiment(task=name), tmp_path / "run")
    assert np.isfinite(result["training_loss"]).all()
    assert np.isfinite(result["fractional_loss_exact"])
    assert result.sizes["trial"] == 8
    pictures = figures.pictures_of(result)
    assert figures.PICTURES.keys() - pictures.keys() == (set() if "stimuli" in result else {"stimulus_heatmaps"})
    for picture in pictures.values():
        picture(result)
    report.print_summary(result, RunFolder(tmp_path / "run"), [])
    printed = capsys.readouterr().out
    assert "sequentiality index" in printed
    assert result.attrs["task_title"] in printed
