"""What measures are called: as in the summary of a run, and no two alike."""

from __future__ import annotations

from recurrent_memory.report.wording import analysed, units_by_task, wording
from recurrent_memory.runs.measures import MEASURES


def test_no_two_measures_are_called_the_same_and_none_has_an_underscore() -> None:
    names = [
        measure.variable(variant, epoch)
        for measure in MEASURES.values()
        for variant in measure.variants
        for epoch in (None, *measure.epochs)
    ]
    labels = [wording(name, {}).label for name in names]
    assert len(set(labels)) == len(labels)
    assert not any("_" in label or "{" in label for label in labels)


def test_names_are_those_of_the_summary() -> None:
    for measure in MEASURES.values():
        for row in measure.summary:
            if measure.name != "ridge_to_background" and row.epoch is None:
                assert wording(measure.variable(), {}).label == row.label.replace(" ({units})", "").strip()


def test_a_measure_of_analyse_is_not_called_as_another_quantity_of_a_result() -> None:
    assert analysed("ridge_to_background") != wording("ridge_to_background", {}).label
    assert analysed("forward_asymmetry_delay") == "forward asymmetry, delay period alone"


def test_what_is_in_no_table_keeps_its_words() -> None:
    found = wording("my_own", {"units": "Hz", "long_name": "a\nb"})
    assert (found.label, found.variant, found.title, found.units) == ("my own", "", "a b", "Hz")


def test_units_that_depend_on_the_task() -> None:
    assert units_by_task("test_loss_exact", ("de1", "comp", "unknown")) == {"de1": "radians", "comp": "nats"}
    assert units_by_task("sequentiality_index", ("de1",)) == {}
