"""Text of others on its way to a person: `clean` (see `chaosrun.foreign`), in lines, in what an encoding has."""

from __future__ import annotations

from typing import Final

from chaosrun.foreign import clean

__all__ = ["clean", "clean_lines", "fit_encoding"]

_ASCII: Final = str.maketrans(
    {"✓": "+", "✗": "x", "±": "+-", "·": "|", "—": "-", "\u2013": "-", "…": "...", "≤": "<=", "≥": ">=", "µ": "u"}
)


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
