"""``recurrent-memory cite``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import FileError

FILE = "CITATION.cff"
"""In the repository; a wheel has it among its licences."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "apa", "bibtex"]),
    default="text",
    show_default=True,
    help="How to print the references",
)
def cite(style: str) -> None:
    """Print how to cite the paper and this package.

    \b
    Example:
      recurrent-memory cite --format bibtex >> references.bib
    """
    package = read()
    works = [*package["references"], package]
    if style == "text":
        click.echo(f"{package['message']}\n")
    click.echo("\n\n".join(_bibtex(work) if style == "bibtex" else _apa(work) for work in works))


def read() -> dict[str, Any]:
    """Return what the citation file says.

    Raises
    ------
    FileError
        If the installation lacks it.
    """
    from importlib import metadata

    import yaml

    places = [Path(__file__).parents[3] / FILE]
    try:
        files = metadata.files("recurrent-memory") or []
        places = [Path(str(file.locate())) for file in files if file.name == FILE] + places
    except metadata.PackageNotFoundError:  # used from a clone that is not installed
        pass
    for place in places:
        if place.is_file():
            found: dict[str, Any] = yaml.safe_load(place.read_text(encoding="utf-8"))
            return found
    raise FileError(f"{FILE} is missing: install the package again.")


def _apa(work: dict[str, Any]) -> str:
    names = [_initials(author) for author in work["authors"]]
    names = [", ".join(names[:-1]) + f", & {names[-1]}"] if len(names) > 1 else names
    who = names[0] if names[0].endswith(".") else f"{names[0]}."
    if work["type"] == "software":
        cited = f"{who} ({_year(work)}). {work['title']} (version {work['version']}) [Computer software]."
        return f"{cited} {_address(work)}".rstrip()
    pages = f"{work['start']}–{work['end']}"
    return f"{who} ({work['year']}). {work['title']}. {work['journal']}, {work['volume']}, {pages}. doi:{work['doi']}"


def _year(work: dict[str, Any]) -> str:
    """Return the year of a release, or "n.d." (no date), as styles have it, for a version that is not released."""
    return str(work["date-released"])[:4] if "date-released" in work else "n.d."


def _address(work: dict[str, Any]) -> str:
    """Return where a release is to be found; empty if the citation file names no address."""
    if "doi" in work:
        return f"https://doi.org/{work['doi']}"
    return str(work.get("repository-code") or work.get("url", ""))


def _initials(author: dict[str, str]) -> str:
    if "name" in author:
        return author["name"]
    initials = " ".join(f"{name[0]}." for name in author["given-names"].split())
    return f"{author['family-names']}, {initials}"


def _bibtex(work: dict[str, Any]) -> str:
    authors = " and ".join(
        f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"
        for author in work["authors"]
    )
    if work["type"] == "software":
        kind, key = "software", "recurrent_memory"
        fields = {"author": authors, "title": f"{{{work['title']}}}", "year": _year(work), "version": work["version"]}
        if address := _address(work):
            fields["url"] = address
    else:
        kind, key = "article", f"{work['authors'][0]['family-names'].lower()}{work['year']}"
        fields = {"author": authors, "title": f"{{{work['title']}}}"} | {
            name: work[name] for name in ("journal", "volume", "year", "doi")
        }
        fields["pages"] = f"{work['start']}--{work['end']}"
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"
