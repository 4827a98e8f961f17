"""HTML that is escaped by the way it is made: text becomes markup only through `tag`."""

from __future__ import annotations

from html import escape
from typing import Final


class Markup(str):
    """HTML that has been made already; any other text is escaped where it is put in."""

    __slots__ = ()


Attribute = str | int | bool | None
_EMPTY: Final = frozenset({"br", "hr", "img", "input", "link", "meta", "col"})
"""Elements that have no end tag."""


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """An element with its children.

    Args:
        attributes: by name; `class_` is `class`, `data_x` is `data-x`. True: without a value; None and False: left out.
    """
    opening = "".join([f"<{name}", *(_attribute(*each) for each in attributes.items()), ">"])
    return Markup(opening) if name in _EMPTY else Markup(f"{opening}{join(*children)}</{name}>")


def join(*parts: str) -> Markup:
    """One after the other; what is not markup is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part, quote=False) for part in parts))


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
