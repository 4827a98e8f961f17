"""Text of others: no control characters, nothing that a terminal cannot show, and no longer than it need be.

Titles, names and reasons come from files and servers under test. Printed as they are, they could move the cursor,
change the terminal's title, or read from right to left; written down as they are, they could fill the disk.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category

LONGEST: Final = 200
"""Characters of a stranger's own words that are written down."""

CUT: Final = "…"
"""Stands where there was more. What masks secrets looks for the beginning of one before it."""

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of controls, format and direction marks, surrogates, unassigned, and line separators."""


def clean(text: str) -> str:
    """One line in which every unsafe character is spelt out: ESC becomes `\\x1b`, a line end a space."""
    return "".join(" " if char in "\n\r\t" else _spelt(char) if category(char) in _UNSAFE else char for char in text)


def brief(text: str, most: int = LONGEST) -> str:
    """The beginning of `text`, cleaned: at most `most` characters, and a sign where there were more."""
    told = clean(text[:most])
    return told if len(text) <= most and len(told) <= most else f"{told[:most]}{CUT}"


def _spelt(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
