"""The docstring of every settings class lists its fields: what they mean, what they allow, and their defaults."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator

import pytest
from pydantic import Field

import recurrent_memory as rm
from recurrent_memory.settings import Settings


def every(of: type[Settings]) -> Iterator[type[Settings]]:
    for one in of.__subclasses__():
        yield one
        yield from every(one)


def test_help_of_an_experiment_explains_its_fields() -> None:
    text = pydoc.plain(pydoc.render_doc(rm.Experiment))
    for line in (
        "n_hidden : a whole number ≥ 1 and ≤ 100000, default 500",
        "gradient_clip_norm : a number > 0, or none, default None",
        "precision : float32 | tf32 | bfloat16, default 'float32'",
        "Number of recurrent units N.",
    ):
        assert line in text
    doc = rm.Experiment.__doc__ or ""
    assert doc.index("Parameters\n---") < doc.index("Raises\n---") < doc.index("Examples\n---")


def test_every_settings_class_explains_all_of_its_fields() -> None:
    conditions = "variable_delay+dynamic"
    classes = [*every(Settings), type(rm.tasks.make("de1", conditions))]
    ours = [of for of in classes if of.__module__.startswith("recurrent_memory.")]
    assert len(ours) > 10
    for of in ours:
        text = inspect.getdoc(of) or ""
        assert text.count("Parameters\n----------") == bool(of.model_fields), of
        for name, field in of.model_fields.items():
            assert f"\n{name} : " in text, (of, name)
            assert " ".join((field.description or "").split()) in " ".join(text.split()), (of, name)


class Base(Settings):
    """A recording."""

    dt: float = Field(0.01, gt=0, description="time step (s)")


class Derived(Base):
    n: int


class ByHand(Base):
    """A recording.

    Parameters
    ----------
    dt
        In my words.
    """


@pytest.mark.parametrize(
    ("of", "section"),
    [
        (Base, "dt : a number > 0, default 0.01\n    time step (s)."),
        (Derived, "dt : a number > 0, default 0.01\n    time step (s).\nn : a whole number"),
        (ByHand, "dt\n    In my words."),
    ],
)
def test_a_class_without_a_docstring_or_with_a_section_of_its_own(of: type[Settings], section: str) -> None:
    assert inspect.getdoc(of) == f"A recording.\n\nParameters\n----------\n{section}"
