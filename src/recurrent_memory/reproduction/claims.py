"""The claims of Orhan & Ma (2019) about sequential activity, one row each, and whether they hold more widely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..errors import InputError, suggestion
from .contrasts import Contrast, Correlation, Difference, Mean, Trend
from .data import ASYMMETRY

Evidence = Literal["stated", "memory", "none"]
"""How well the direction is known: the paper states it; it is remembered from the paper, and the test is two-sided;
or no direction is claimed, and the effect is only estimated."""

PAPER = "Orhan & Ma (2019)"
COMPLEX, SIMPLE = ("comp", "cd1", "cd2", "gde"), ("de1", "de2", "2afc")
"""Tasks in which a stimulus is compared with, or selected by, another one; and tasks in which it is reported."""
BASE: Mapping[str, tuple[Any, ...]] = {
    "kind": ("relu",), "condition": ("basic",), "curriculum": ("",), "rho": (0.0,), "standard": (True,),
}  # fmt: skip
"""The paper's basic networks."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, and how it is tested.

    Examples
    --------
    >>> CLAIMS["1a"].contrast.words, CLAIMS["1a"].direction
    ('comp − 2afc', 1)
    """

    name: str
    says: str
    source: str
    """Where the paper states it."""
    evidence: Evidence
    direction: Literal[-1, 0, 1]
    """Sign of the effect that is claimed; 0: none."""
    contrast: Contrast
    parts: tuple[str, ...]
    """Parts of the study that have the networks."""
    where: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: BASE)
    """Networks that are compared: allowed values of columns."""
    measure: str | None = None
    """The measure; None: each measure of sequentiality."""
    selections: tuple[str, ...] = ("solved", "all", "matched")

    @property
    def sides(self) -> Literal[1, 2]:
        """One-sided if the paper states the direction, else two-sided."""
        return 1 if self.evidence == "stated" else 2

    def concerns(self, frame: pd.DataFrame) -> Bool[np.ndarray, " network"]:
        """Return which networks are compared.

        Parameters
        ----------
        frame
            Networks, from `load_networks`, with the column `standard`.

        Returns
        -------
        True for each network that has the allowed values in all columns of `where`.
        """
        among = [frame[name].isin(allowed) for name, allowed in self.where.items()]
        return np.asarray(np.logical_and.reduce(among))


def _of(name: str, says: str, source: str, evidence: Evidence, direction: Any, contrast: Contrast, *parts: str,
        measure: str | None = None, selections: tuple[str, ...] = ("solved", "all", "matched"),
        **where: tuple[Any, ...]) -> Claim:  # fmt: skip
    free = {of: values for of, values in BASE.items() if where.get(of, values)}
    chosen = {**free, **{of: values for of, values in where.items() if values}}
    return Claim(name=name, says=says, source=f"{PAPER}, {source}", evidence=evidence, direction=direction,
                 contrast=contrast, parts=parts, where=chosen, measure=measure, selections=selections)  # fmt: skip


# Hard tasks are trained for longer. `standard` keeps each task to one length; `matched` compares equal ones only.
_TASKS = Difference("task", COMPLEX, SIMPLE, whatever=("iterations",))
_PRIOR = Difference("curriculum", ("cd1,2afc", "comp,2afc"), ("",))
_CIRCUIT, _TASK = "Results, intrinsic circuit properties (Fig. 2)", "Results, task structure"

CLAIMS = {
    claim.name: claim
    for claim in (
        _of("1a", "COMP networks are more sequential than 2AFC networks", _TASK, "stated", 1,
            Difference("task", ("comp",), ("2afc",)), "basic"),
        _of("1b", "Tasks of more complex time structure (COMP, CD, GDE) are solved more sequentially than DE and 2AFC",
            _TASK, "stated", 1, _TASKS, "basic"),
        _of("2", "The index rises with the initial coupling σ0", _CIRCUIT, "stated", 1,
            Trend("sigma0", "σ0"), "basic"),
        _of("3", "The index falls with the weight penalty ρ", _CIRCUIT, "stated", -1,
            Trend("rho", "ρ"), "basic", "rho", rho=()),
        _of("4", "Variable delays lower the index", _TASK, "stated", -1,
            Difference("condition", ("variable_delay",), ("basic",)), "basic", "conditions", condition=()),
        _of("5", "Hebbian short-term plasticity (fast weights) lowers the index", _CIRCUIT, "memory", -1,
            Difference("kind", ("fast_weights",), ("relu",)), "basic", "conditions", kind=()),
        _of("6", "Dynamic, irrelevant input raises the index", _TASK, "memory", 1,
            Difference("condition", ("dynamic",), ("basic",)), "basic", "conditions", condition=()),
        _of("7", "Prior training on a task that favours sequences (CD-1, COMP) raises the index in 2AFC",
            "Results, prior training", "memory", 1, _PRIOR, "basic", "prior", curriculum=()),
        _of("8a", "Weights from earlier to later peaks exceed those from later to earlier ones",
            "Results, connectivity", "stated", 1, Mean(), "basic", measure=ASYMMETRY),
        _of("8b", "They do so the more, the higher the index of the network", "Results, connectivity", "stated", 1,
            Correlation(), "basic"),
        _of("9a", "Effect of the initial self-connection λ0", _CIRCUIT, "none", 0,
            Trend("lambda0", "λ0"), "basic"),
        _of("9b", "Effect of tethering", "Results, task structure", "none", 0,
            Difference("condition", ("tethered",), ("basic",)), "basic", "conditions", condition=()),
        _of("10a", "Claim 1b holds for orthogonal networks", "Results, other models", "stated", 1,
            _TASKS, "models", kind=("orthogonal",)),
        _of("10b", "Claim 1b holds for gated networks (GRU)", "Results, other models", "stated", 1,
            _TASKS, "models", kind=("gru",)),
    )
}  # fmt: skip
"""The claims by number; a letter marks the parts of a claim that has several."""


def _elsewhere(claim: str, label: str, words: str, part: str, **where: tuple[Any, ...]) -> Claim:
    """Return a claim for other networks than the paper's."""
    of = CLAIMS[claim]
    return replace(of, name=f"{claim} {label}", says=f"{of.says}: {words}", source="beyond the paper", parts=(part,),
                   where={**of.where, **where})  # fmt: skip


_KINDS = {
    "tanh": ("tanh units", "activations"),
    "softplus": ("softplus units", "activations"),
    "dale": ("Dale's law", "dale"),
}
_CONDITIONS = ("variable_delay", "dynamic", "tethered")
_SAME_LENGTH = replace(_PRIOR, instead=(("iterations", "total_iterations"),))
_BACK = (
    Difference("curriculum", ("2afc,cd1",), ("",)),
    Difference("curriculum", ("2afc,comp",), ("",)),
)

FURTHER = {
    claim.name: claim
    for claim in (
        *(
            _elsewhere(claim, kind, words, part, kind=(kind,))
            for claim in ("1a", "1b", "2", "8a", "8b")
            for kind, (words, part) in _KINDS.items()
        ),
        *(
            _elsewhere("1a", kind, words, "models", kind=(kind,))
            for kind, words in (("orthogonal", "orthogonal networks"), ("gru", "gated networks"))
        ),
        _elsewhere("8a", "orthogonal", "orthogonal networks", "models", kind=("orthogonal",)),
        *(
            _elsewhere("1b", word, f"in the condition {word}", "conditions", condition=(word,))
            for word in _CONDITIONS
        ),
        replace(
            CLAIMS["7"], name="7 same length", contrast=_SAME_LENGTH, parts=("prior", "length"),
            source="beyond the paper",
            says="As claim 7, against networks trained on 2AFC alone for as many iterations in all",
            where={name: values for name, values in CLAIMS["7"].where.items() if name != "standard"},
            selections=("solved", "all"),
        ),
        *(
            replace(
                CLAIMS["7"], name=f"7 {contrast.high[0]}", contrast=contrast, evidence="none", direction=0,
                says=f"Effect of training on 2AFC first, on the index in {contrast.high[0].rpartition(',')[2].upper()}",
                source="beyond the paper",
            )
            for contrast in _BACK
        ),
        replace(
            CLAIMS["9a"], name="length", contrast=Trend("iterations", "number of iterations"),
            parts=("basic", "length"), source="beyond the paper", says="Effect of how long a network is trained",
            where={name: values for name, values in BASE.items() if name != "standard"},
            selections=("solved", "all"),
        ),
    )
}  # fmt: skip
"""Whether claims hold for networks that the paper does not have, and what else may explain them."""


def chosen(names: Sequence[str] = ()) -> dict[str, Claim]:
    """Return claims and what goes beyond them.

    Parameters
    ----------
    names
        Names such as 1a or 3; a number stands for all parts of the claim, `further` for what goes beyond the paper, of
        which "1a dale" is one; empty: all.

    Returns
    -------
    The claims by name, in the order of the tables.

    Raises
    ------
    InputError
        If there is no such claim.

    Examples
    --------
    >>> list(chosen(["9", "3"])), len(chosen())
    (['3', '9a', '9b'], 39)
    """
    known = {**CLAIMS, **FURTHER}
    if not names:
        return known
    found = set()
    for name in names:
        number = name.strip()
        own = [*FURTHER] if number == "further" else [of for of in known if of == number]
        own = own or [of for of in CLAIMS if of.rstrip("ab") == number]
        if not own:
            raise InputError(
                f"There is no claim {name!r}.{suggestion(number, known)} Claims: {', '.join(CLAIMS)}; a number alone "
                "stands for all of its parts."
            )
        found.update(own)
    return {name: claim for name, claim in known.items() if name in found}


def parts_of(claims: Mapping[str, Claim]) -> tuple[str, ...]:
    """Return the parts of the study that claims need.

    Parameters
    ----------
    claims
        The claims.

    Returns
    -------
    Names of parts, in the order of the study.

    Examples
    --------
    >>> parts_of(chosen(["3"]))
    ('basic', 'rho')
    """
    from .scales import PARTS

    needed = {part for claim in claims.values() for part in claim.parts}
    return tuple(name for name in PARTS if name in needed)
