"""Make the pictures of ``docs/gallery.md``: run its code from the first block to the last, and keep what it saves.

``python docs/code/gallery.py`` takes about a minute on two cores. The page's pictures are those of its code, because
there is no other code.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image

DOCS = Path(__file__).parents[1]
PAGE, PICTURES = DOCS / "gallery.md", DOCS / "figures" / "gallery"
BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLORS = 96
"""Colours of a picture: few, so that all pictures together stay small."""
WIDEST = 1_100
"""Pixels of the widest picture."""


def run(text: str) -> None:
    """Run the blocks of a page in the current folder, as one program."""
    page = types.ModuleType("page")
    sys.modules["page"] = page
    names: dict[str, Any] = vars(page)
    for language, block in BLOCK.findall(text):
        start = time.perf_counter()
        if language == "toml":
            Path("sweep.toml").write_text(block, encoding="utf-8")
        else:
            exec(compile(block, str(PAGE), "exec"), names)
            print(f"{time.perf_counter() - start:5.1f} s: {block.strip().splitlines()[-1]}", flush=True)


def shrink(source: Path, target: Path) -> None:
    """Write a picture with few colours and at most the widest width."""
    with Image.open(source) as picture:
        opaque = picture.convert("RGB")
        opaque.thumbnail((WIDEST, 10 * WIDEST))
        opaque.quantize(COLORS, dither=Image.Dither.NONE).save(target, optimize=True)


def main() -> None:
    """Run the page and replace its pictures."""
    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run(PAGE.read_text(encoding="utf-8"))
        made = sorted(Path().glob("*.png"))
        PICTURES.mkdir(parents=True, exist_ok=True)
        for old in PICTURES.glob("*.png"):
            old.unlink()
        for picture in made:
            shrink(picture, PICTURES / picture.name)
    total = sum(picture.stat().st_size for picture in PICTURES.glob("*.png"))
    print(f"{len(made)} pictures, {total / 1e6:.2f} MB, in {PICTURES}")


if __name__ == "__main__":
    main()
