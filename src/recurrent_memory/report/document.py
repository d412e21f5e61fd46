"""The HTML file of a report: its contents, the page's scripts and Plotly's in one file that loads nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__, storage
from ..errors import counted
from .contents import Contents
from .output import MARK, check_libraries
from .packing import packed
from .wording import text

PAGE = Path(__file__).parent / "page"
SCRIPTS = ("data", "state", "table", "plots", "maps", "curves", "network", "main")
"""Files of the page's script, in the order in which they are joined."""
MOST_SEEDS = 200


def write(path: Path, contents: Contents, *, written: str, command: str, reload: int | None = None) -> int:
    """Write a report, which replaces an earlier one as a whole.

    Parameters
    ----------
    path
        File to write.
    contents
        What it shows.
    written
        When it is written.
    command
        The command that writes it.
    reload
        Seconds after which the page loads itself again; None: never.

    Returns
    -------
    Its size (bytes).

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"task": ["de1"], "status": ["finished"], "fractional_loss": [0.3]})
    >>> write(Path("r.html"), Contents("made", "data", table, ("task",)), written="", command="") > 1_000_000
    True
    """
    data = html(contents, written=written, command=command, reload=reload).encode()
    storage.write_atomically(path, data)
    return len(data)


def html(contents: Contents, *, written: str, command: str, reload: int | None = None) -> str:
    """Return a report.

    Parameters
    ----------
    contents, written, command, reload
        As for `write`.

    Returns
    -------
    The page.

    Raises
    ------
    InputError
        If a library is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> page = html(Contents("<b>", "data", pd.DataFrame({"status": ["left"]}), ()), written="", command="")
    >>> "<title>Report: &lt;b&gt;</title>" in page
    True
    """
    check_libraries()
    import jinja2
    from jinja2.utils import htmlsafe_json_dumps
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    library, script = _library(), _script()
    return environment.get_template("report.html.jinja").render(
        title=text(f"Report: {contents.source}"),
        mark=Markup(f'{MARK} {__version__}">'),
        source=text(contents.source),
        summary=summary(contents),
        written=written,
        command=text(command, 2000),
        reload=reload,
        notes=[text(note) for note in contents.notes],
        scores=contents.scores,
        explained={name: meaning for of in contents.scores for name, meaning in of.columns.items()},
        facts=list(facts(contents)),
        n_failures=len(contents.failures),
        has_maps=len(contents.table) > 1 and bool(contents.measures),
        has_curves=bool(contents.curves),
        hashes=" ".join(f"'sha256-{_digest(of)}'" for of in (library, script)),
        style=Markup((PAGE / "style.css").read_text(encoding="utf-8")),
        library=Markup(library),
        script=Markup(script),
        # Escapes <, > and &, so that no text of a result can end the script element that holds it.
        data=htmlsafe_json_dumps({**packed(contents), "reload": reload}, allow_nan=False, separators=(",", ":")),
    )


def summary(contents: Contents) -> str:
    """Return how many networks there are, and how many of them have finished.

    Parameters
    ----------
    contents
        What the report shows.

    Returns
    -------
    The sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> summary(Contents("made", "data", pd.DataFrame({"status": ["finished", "left"]}), ()))
    '2 networks: 1 finished, 1 left'
    """
    statuses = Counter(map(str, contents.table["status"]))
    told = ", ".join(f"{count} {text(status)}" for status, count in statuses.most_common())
    return f"{counted(len(contents.table), 'network')}: {told}"


def facts(contents: Contents) -> Iterator[tuple[str, list[str]]]:
    """Yield what is known about how the networks were made: a name, and its values with the number of networks.

    Parameters
    ----------
    contents
        What the report shows.

    Yields
    ------
    Name and values.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"seed": [1, 0], "status": "finished", "host": "node7"})
    >>> list(facts(Contents("made", "data", table, ("seed",))))
    [('seeds', ['0, 1']), ('host', ['node7 (2 networks)'])]
    """
    table = contents.table
    if "seed" in table:
        seeds = sorted({int(of) for of in table["seed"].dropna()})
        more = f", … ({len(seeds)} in all)" if len(seeds) > MOST_SEEDS else ""
        yield "seeds", [", ".join(map(str, seeds[:MOST_SEEDS])) + more]
    for name in contents.facts:
        counts = Counter(map(str, table[name].dropna()))
        told = [f"{text(of)} ({counted(n, 'network')})" for of, n in counts.most_common(20) if of]
        if told:
            yield text(name).replace("_", " "), told
    for name in ("training_seconds", "testing_seconds"):
        if name in table and table[name].notna().any():
            yield name.replace("_", " "), [f"{float(table[name].sum()):.0f} s in all"]


def _script() -> str:
    """Return the page's script: its files in one function, so that they share no names with others."""
    parts = [(PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(["(() => {", '"use strict";', *parts, "})();"])


@functools.cache
def _library() -> str:
    """Return Plotly's script, which the page holds as a whole."""
    from plotly.offline import get_plotlyjs

    found: Any = get_plotlyjs()
    return str(found).replace("\r\n", "\n").replace("</script", "<\\/script")


def _digest(script: str) -> str:
    """Return the SHA-256 of a script: the page's policy lets no other one run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
