"""Running text for the terminal, in which a number is never parted from its unit or its error bound."""

from __future__ import annotations

import re
from io import StringIO
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

_GLUE: Final = "\ue000"
"""Stands for a space at which no line is broken, for rich breaks at a no-break space too. It is of private use, so no
text that went through `clean` holds it."""
_IN_A_QUANTITY: Final = re.compile(r"(?<=\d) (?=(?:ns|us|ms|s|[kMGT]?B)\b)|(?<=[>±]) (?=\d)|(?<=[sB%\d]) (?=±)")


def prose(text: str, style: str = "") -> Text:
    """Text to be drawn by rich and then given to `unglued`."""
    return Text(_IN_A_QUANTITY.sub(_GLUE, text), style=style)


def draw(page: RenderableType, width: int, colour: bool) -> str:
    """What rich makes of it, with ANSI colours or as plain text, whatever terminal there is."""
    file = StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(page)
    return unglued(file.getvalue())


def unglued(drawn: str) -> str:
    """What rich drew, with plain spaces again and without those at the ends of lines."""
    return "\n".join(line.rstrip() for line in drawn.replace(_GLUE, " ").split("\n"))
