"""Text of others on its way to a person: no control characters, nothing that a terminal cannot show.

Titles, names and reasons come from files and servers under test. Printed as they are, they could move the cursor,
change the terminal's title, or read from right to left.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of controls, format and direction marks, surrogates, unassigned, and line separators."""

_ASCII: Final = str.maketrans(
    {"✓": "+", "✗": "x", "±": "+-", "·": "|", "—": "-", "\u2013": "-", "…": "...", "≤": "<=", "≥": ">=", "µ": "u"}
)


def clean(text: str) -> str:
    """One line in which every unsafe character is spelt out: ESC becomes `\\x1b`, a line end a space."""
    return "".join(" " if char in "\n\r\t" else _spelt(char) if category(char) in _UNSAFE else char for char in text)


def clean_lines(text: str) -> str:
    """The same, with line ends kept: for messages of ours that run over several lines."""
    return "\n".join(clean(line) for line in text.split("\n"))


def fit_encoding(text: str, encoding: str | None) -> str:
    """`text` in characters that `encoding` has; None is ASCII."""
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return text


def _spelt(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
