"""What MkDocs does besides turning the pages of ``docs/`` into a site.

Pages stay plain Markdown that a forge shows as it is. Here their links to other files of the repository become links to
pages of the site, the guide for contributors and the list of changes become pages, and the reference is made.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docstrings
import public_names
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger("mkdocs.hooks.reference")
"""Its warnings are errors of ``mkdocs build --strict``."""

AT_THE_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
"""Files of the repository's root that are pages of the site."""
LINK = re.compile(r"(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<to>[^()\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_SEARCH = 'data-md-component="search" role="dialog"'
SOURCES = {".py": "python", ".hpp": "cpp", ".cpp": "cpp", ".cff": "yaml", ".toml": "toml"}
"""Files that become pages when a page links to them, with the language of their text."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the reference to the navigation."""
    assert config.nav is not None
    config.nav.append({"Reference": [{page.title: page.uri} for page in public_names.PAGES]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs/``."""
    texts = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    for name, uri in AT_THE_ROOT.items():
        if name != "README.md":
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
            files.append(File.generated(config, uri, content=texts[name]))
    for source in sorted({path for origin, text in texts.items() for path in _linked_sources(origin, text)}):
        files.append(File.generated(config, _source_uri(source), content=_source_page(source)))
    for package in sorted(public_names.missing_packages()):
        LOG.warning("%s has no page in docs/code/public_names.py", package)
    for name in public_names.without_text():
        LOG.warning("%s has no docstring", name)
    for page, names in public_names.pages():
        files.append(File.generated(config, page.uri, content=_reference_page(page, names)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to pages."""
    origins = {uri: name for name, uri in AT_THE_ROOT.items() if uri != "index.md"}
    origin = origins.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def replaced(found: re.Match[str]) -> str:
        to = urlsplit(found["to"])
        if to.scheme or to.netloc or not to.path:
            return found[0]
        path = _in_repository(origin, to.path)
        uri = AT_THE_ROOT.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else _source_uri(path))
        if (ROOT / path).is_dir():
            return found["text"][1:-1]  # there is no page for a folder
        relative = posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        return f"{found['text']}({relative}{'#' * bool(to.fragment)}{to.fragment})"

    return outside_fences(markdown, lambda text: LINK.sub(replaced, text))


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the search for screen readers, which the theme does not."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')


def outside_fences(markdown: str, change: Any) -> str:
    """Apply a function to a page's text, but not to its blocks of code."""
    parts, end = [], 0
    for block in FENCE.finditer(markdown):
        parts += [change(markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(markdown[end:])])


def _in_repository(origin: str, to: str) -> str:
    """Return the path from the repository's root that a link on a page leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), to))


def _linked_sources(origin: str, text: str) -> Iterator[str]:
    for found in LINK.finditer(FENCE.sub("", text)):
        to = urlsplit(found["to"])
        path = _in_repository(origin, to.path) if to.path and not to.scheme else ""
        if path and not path.startswith("docs/") and (ROOT / path).is_file() and path not in AT_THE_ROOT:
            yield path


def _source_uri(path: str) -> str:
    return f"files/{path}.md"


def _source_page(path: str) -> str:
    file = ROOT / path
    text = file.read_text(encoding="utf-8")
    return f"# `{path}`\n\n````{SOURCES.get(file.suffix, 'text')}\n{text}````\n"


def _reference_page(page: public_names.Page, names: list[public_names.Name]) -> str:
    """Return the text of a page of the reference: what there is, then each name's entry."""
    (package, *_) = page.names
    intro = page.text or docstrings.as_markdown(public_names.docstring_of(package), package)
    rows = [f"| [`{name.name}`][{name.home}] | {_cell(name)} |" for name in names]
    table = ["| name | |", "|---|---|", *rows] if len(names) > 1 else []
    entries = [_entry(page, name) for name in names]
    return "\n".join([f"# {page.title}", "", intro, "", *table, "", *entries])


def _cell(name: public_names.Name) -> str:
    return docstrings.as_markdown(name.summary, name.home.rpartition(".")[0]).replace("|", "\\|")


def _entry(page: public_names.Page, name: public_names.Name) -> str:
    first = docstrings.PLACES[name.home]
    if name.is_bound or first != (page.uri, name.name):
        return ""  # its entry is that of the class, or on another page
    return f"::: {name.home}\n    options:\n      heading: {name.name}\n      toc_label: {name.name}\n"
