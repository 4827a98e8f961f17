"""Text of others in Markdown as GitHub renders it: it stays text, links to nobody, and breaks no table.

Sources: the GitHub Flavored Markdown spec (sections 2.4 backslash escapes, 2.5 entities, 4.10 tables) for what is
markup. Mentions (`@name`) and references (`#1`) are made of the rendered text, where an escape has gone: a zero-width
space behind the sign keeps them from being one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from chaosrun.foreign import brief

LONGEST: Final = 600
"""Characters of one text."""

_ESCAPES: Final = str.maketrans(
    {
        **{char: f"\\{char}" for char in "\\`*[]~"},
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "|": "&#124;",  # a table is cut into cells before anything else is read
        "$": "&#36;",  # a formula
        "@": "&#64;&#8203;",
        "#": "&#35;&#8203;",
    }
)
_EDGE_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""One that could begin or end emphasis; `response_p99` has none such."""
_LINK: Final = re.compile(r"(?i)\b(https?|ftp)://|\bwww\.")
"""What becomes a link without being asked to (section 6.9 of the spec)."""
_EMOJI: Final = re.compile(r":(?=[a-z+-][\w+-]*:)")


def plain(text: str) -> str:
    """`text` as a piece of one line, shown as it is."""
    told = brief(text, LONGEST).translate(_ESCAPES)
    told = _EDGE_UNDERSCORE.sub(r"\_", told)
    told = _LINK.sub(lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), told)
    return _EMOJI.sub("&#58;&#8203;", told)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; heads and cells are Markdown already. Columns whose head ends with a space stand right."""
    ruler = ["---:" if head.endswith(" ") else "---" for head in heads]
    return [_row([head.strip() for head in heads]), _row(ruler), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
