"""Docstrings as Markdown: the package's NumPy style, in which types stand in the signatures, for mkdocstrings.

- Roles (``:func:`run` ``) become links to the entry, or code if the name has none.
- The text of ``Returns`` and ``Yields`` is a description; mkdocstrings would take its first line for a type.
- Parameters that share a text get an entry each: mkdocstrings would give all of them the type of the first.
- Fields of settings are described by their ``Field(description=…)``, and shown with their types and limits.
"""

from __future__ import annotations

import importlib
import re
import typing
from typing import Any

import griffe
import public_names

ROLE = re.compile(r":(?:func|class|meth|attr|mod|data):`([^`]+)`")
UNNAMED = re.compile(r"^(Returns|Yields)\n(-+)\n((?:.|\n)*?)(?=\n\n\w[\w ]*\n-{3,}|\Z)", re.MULTILINE)
JOINT = re.compile(r"^(\w+(?:, \w+)+)\n((?:    .*\n?|\n(?=    ))+)", re.MULTILINE)
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
NAMES = [(page.uri, name) for page, names in public_names.pages() for name in names]
PLACES: dict[str, tuple[str, str]] = {}
"""The page and the name of each entry by its anchor; a name that two packages have is on the first page."""
PUBLIC: dict[str, str] = {}
"""Anchors by the public dotted name."""
for _uri, _name in NAMES:
    PLACES.setdefault(_name.home, (_uri, _name.name))
    PUBLIC[f"{_name.package}.{_name.name}"] = _name.home


def as_markdown(text: str, module: str, owner: str = "") -> str:
    """Turn the roles of a docstring into links.

    Parameters
    ----------
    text
        The docstring, or a part of it.
    module
        Module, dotted, in which it stands.
    owner
        Anchor of the class in which it stands, if any.

    Returns
    -------
    Markdown.
    """

    def link(found: re.Match[str]) -> str:
        name = found[1].lstrip("~")
        anchor = _anchor(name, module, owner)
        shown = name.removeprefix("recurrent_memory.") if name.count(".") > 1 else name
        return f"[`{shown}`][{anchor}]" if anchor else f"`{shown}`"

    return ROLE.sub(link, text)


def _anchor(name: str, module: str, owner: str) -> str:
    candidates = [name, f"{module}.{name}", f"{owner}.{name}", f"{public_names.TOP}.{name}"]
    for candidate in candidates:
        if candidate in PLACES:
            return candidate
        if candidate in PUBLIC:
            return PUBLIC[candidate]
    if owner in PLACES and _has_member(owner, name):
        return f"{owner}.{name}"
    by_last = {home for home in PLACES if home.rpartition(".")[2] == name}
    return by_last.pop() if len(by_last) == 1 else ""


def _has_member(owner: str, name: str) -> bool:
    module, _, class_name = owner.rpartition(".")
    return hasattr(getattr(importlib.import_module(module), class_name, None), name)


def _described(found: re.Match[str]) -> str:
    indented = "\n".join(f"    {line}" if line else "" for line in found[3].split("\n"))
    return f"{found[1]}\n{found[2]}\n:\n{indented}"


def _one_each(found: re.Match[str]) -> str:
    return "".join(f"{name}\n{found[2].rstrip()}\n" for name in found[1].split(", "))


class PackageDocstrings(griffe.Extension):
    """Change docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of a function, class, module or value."""
        if obj.docstring is None or not obj.path.startswith(public_names.TOP):
            return
        owner = obj.path if obj.is_class else obj.parent.path if obj.parent is not None else ""
        text = JOINT.sub(_one_each, UNNAMED.sub(_described, obj.docstring.value))
        obj.docstring.value = as_markdown(text, obj.module.path, owner)

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Describe the fields of a class of settings."""
        if not cls.path.startswith(public_names.TOP):
            return
        found = getattr(importlib.import_module(cls.module.path), cls.name, None)
        for name, field in getattr(found, "model_fields", {}).items():
            attribute = cls.members.get(name)
            if isinstance(attribute, griffe.Attribute):
                attribute.annotation = _type_of(field)
                attribute.value = None if field.is_required() else repr(field.get_default(call_default_factory=True))
                if field.description and attribute.docstring is None:
                    limits = ", ".join(_limits(field))
                    text = field.description + (f" ({limits})" if limits else "")
                    attribute.docstring = griffe.Docstring(text, parent=attribute)


def _limits(field: Any) -> list[str]:
    bounds = ((sign, getattr(rule, name, None)) for rule in field.metadata for name, sign in SIGNS.items())
    return [f"{sign} {bound:,}" for sign, bound in bounds if bound is not None]


def _type_of(field: Any) -> str:
    annotation = field.annotation
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__
    return re.sub(r"\b(?:typing|collections\.abc)\.", "", str(annotation)).replace("NoneType", "None")
