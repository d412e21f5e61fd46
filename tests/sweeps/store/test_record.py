"""Records that are like the last one are looked at less closely, and still all of what is wrong is found."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from recurrent_memory.errors import DamagedResultError
from recurrent_memory.sweeps.store.layout import digest
from recurrent_memory.sweeps.store.record import Record, read_record

SOUND: dict[str, Any] = {
    "experiment": {"task": "de1"},
    "measures": {"fractional_loss": 0.3, "solved": True, "own": [1.0, 2.0], "word": "red"},
    "dims": {"fractional_loss": [], "solved": [], "own": ["place"], "word": [], "place": ["place"]},
    "attrs": {"fractional_loss": {"units": "1"}, "solved": {}, "own": {}, "word": {}, "place": {}},
    "coords": {"place": [5, 7]},
    "coordinates": ["place"],
    "attributes": {"version_jax": "1"},
    "provenance": {"host": "here"},
}


DEEP: Any = "leaf"
for _ in range(60):
    DEEP = [DEEP]


def read(about: Any) -> Record:
    text = json.dumps(about)
    return read_record({"about": text, "about_checksum": digest(text)}, Path("one.safetensors"))


def changed(*path: str, to: Any) -> dict[str, Any]:
    about = copy.deepcopy(SOUND)
    *parents, last = path
    of = about
    for name in parents:
        of = of[name]
    of[last] = to
    return about


@pytest.mark.parametrize(
    "about",
    [
        changed("measures", "fractional_loss", to="0.3"), changed("measures", "fractional_loss", to=[0.3]),
        changed("measures", "fractional_loss", to=None), changed("measures", "own", to=[1.0]),
        changed("measures", "own", to=[1.0, None]), changed("measures", "word", to={}),
        changed("coords", "place", to=[5, 5]), changed("dims", "own", to=[]), changed("attrs", "own", to=[]),
        changed("attrs", "own", to={**SOUND["attrs"]["own"], "odd": {}}),
        changed("provenance", "host", to=3), changed("attributes", "version_jax", to={}),
        changed("experiment", "task", to=DEEP), changed("provenance", "more", to=DEEP), changed("more", to=DEEP),
        changed("attributes", "version_jax", to=DEEP), changed("attrs", "own", to={"odd": DEEP}),
        changed("measures", "own", to=DEEP), changed("coords", "place", to=DEEP),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_after_a_sound_record(about: dict[str, Any]) -> None:
    read(SOUND)
    with pytest.raises(DamagedResultError, match="is damaged"):
        read(about)


def test_records_of_several_forms_keep_what_is_theirs() -> None:
    others = [
        changed("coords", "place", to=[1, 2]),
        changed("attrs", "own", to={"units": "s"}),
        changed("measures", "own", to=[3, 4.0]),
    ]
    reordered = changed("measures", to=dict(reversed(SOUND["measures"].items())))
    for about in [SOUND, *others, reordered, SOUND, *reversed(others)]:
        found = read(about)._asdict()
        assert found == about
        assert list(found["measures"]) == list(about["measures"])


def test_what_records_have_in_common_is_in_memory_once() -> None:
    one, other = read(SOUND), read(changed("measures", "fractional_loss", to=0.4))
    assert all(one.attrs[name] is other.attrs[name] for name in SOUND["attrs"])
    assert one.measures["fractional_loss"] != other.measures["fractional_loss"]
