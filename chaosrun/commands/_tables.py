"""Plain tables on standard output, in colour on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from chaosrun.commands._session import Session
from chaosrun.reports._safe_text import clean
from chaosrun.spec.secret import mask

PLAIN_WIDTH: Final = 100
WIDEST: Final = 120
_STYLES: Final = {"ok": "green", "limited": "yellow", "missing": "red", "no": "red", "yes": "green"}


def colourful() -> bool:
    """Whether standard output is a terminal that wants colours (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to use: a terminal's own up to a readable number, otherwise always the same."""
    return min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else PLAIN_WIDTH


def table(session: Session, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table; cells that name a state are coloured by it."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in header:
        grid.add_column()
    grid.add_row(*(Text(name, style="bold") for name in header))
    for row in rows:
        # Masked before it is laid out: a secret that is broken over lines loses its spaces.
        shown = [clean(mask(cell, session.secrets)) for cell in row]
        grid.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in shown))
    file = StringIO()
    colour = colourful()
    Console(
        file=file,
        width=width(),
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
    ).print(grid)
    session.write("\n".join(line.rstrip() for line in file.getvalue().split("\n")))
