"""Text of others on its way to a person: no control characters, no secrets, nothing that a terminal cannot show.

Titles, names and reasons come from files and servers under test. Printed as they are, they could move the cursor,
change the terminal's title, or read from right to left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from unicodedata import category

from chaosrun.spec.secret import MASK

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of controls, format and direction marks, surrogates, unassigned, and line separators."""

_SHORTEST_SECRET: Final = 4
"""A shorter one would blank out ordinary words and numbers, and protects nothing."""

_ASCII: Final = str.maketrans(
    {"✓": "+", "✗": "x", "±": "+-", "·": "|", "—": "-", "\u2013": "-", "…": "...", "≤": "<=", "≥": ">=", "µ": "u"}
)


def clean(text: str) -> str:
    """One line in which every unsafe character is spelt out: ESC becomes `\\x1b`, a line end a space."""
    return "".join(" " if char in "\n\r\t" else _spelt(char) if category(char) in _UNSAFE else char for char in text)


def clean_lines(text: str) -> str:
    """The same, with line ends kept: for messages of ours that run over several lines."""
    return "\n".join(clean(line) for line in text.split("\n"))


def mask(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced, the longest first, so that none shines through another's rest."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, MASK)
    return text


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
