"""Options are read off a signature as a user writes it: annotated, half annotated, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from pydantic import Field

from recurrent_memory.errors import InputError
from recurrent_memory.settings import checked_options, options_of, plain_options_of


def made(annotation: Any, *default: Any) -> Callable[..., None]:
    """Return a function whose second parameter is annotated so, and has this default, if any."""

    def function(x: Any, y: Any) -> None: ...

    function.__annotations__["y"] = annotation
    function.__defaults__ = default or None
    return function


def bare(x, share=0.5, on=False, times=2, mask=None, shape=(1, 2)):  # type: ignore[no-untyped-def]
    """A function without annotations."""


@pytest.mark.parametrize(
    ("function", "allowed", "given", "expected"),
    [
        (made(float, 1.0), "a number", "2", 2.0),
        (made("float", 1.0), "a number", 2, 2.0),
        (made(Optional[float], None), "a number, or none", None, None),  # noqa: UP045
        (made(float | np.ndarray, 1.0), "a number", "0.5", 0.5),
        (made("float | np.ndarray | None", None), "a number, or none", 1, 1.0),
        (made(float | np.ndarray), "a number", 1, 1.0),
        (made(Literal["a", "b"], "a"), "a | b", "b", "b"),
        (made(str, "a"), "a word", "b", "b"),
        (made(Annotated[int, Field(ge=1, le=3)], 1), "a whole number ≥ 1 and ≤ 3", "3", 3),
        (made("Unknown", 0.5), "a number", "1", 1.0),
        (made("Unknown", True), "true | false", "no", False),
        (made("Unknown", 2), "a number", 3, 3),
        (made("Unknown", 2), "a number", "0.5", 0.5),
    ],
)
def test_a_type_is_that_of_the_annotation_or_else_of_the_default(
    function: Any, allowed: str, given: Any, expected: Any
) -> None:
    known = plain_options_of(function)
    assert known["y"].allowed == allowed
    found = checked_options("it", known, {"y": given})["y"]
    assert found == expected
    assert type(found) is type(expected)


def test_without_annotations_the_defaults_decide() -> None:
    assert list(options_of(bare, without=["x"])) == ["share", "on", "times", "mask", "shape"]
    assert list(plain_options_of(bare)) == ["share", "on", "times"]
    assert checked_options("it", plain_options_of(bare), {"share": "1", "on": 1, "times": 3}) == {
        "share": 1.0,
        "on": True,
        "times": 3,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "many", [1.0], None])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^`share` = .* is not allowed: .*\.\n`share`: Option of it \(a number\)"):
        checked_options("it", plain_options_of(bare), {"share": value})
