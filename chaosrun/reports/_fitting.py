"""A table that drops its least important columns rather than wrap or cut where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_GAP: Final = 2


@dataclass(frozen=True)
class Column:
    heading: str
    cells: Sequence[Text]
    """One for each row."""
    rank: int
    """The lower, the longer it is kept."""
    left: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(self.heading), *(cell.cell_len for cell in self.cells))


class Fitting:
    """As many of the columns as fit, in their order; the first is cut short before any other is dropped to nothing."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept = list(self._columns)
        while len(kept) > 2 and _width(kept) > options.max_width:
            kept.remove(max(kept, key=lambda column: column.rank))
        table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        for column in kept:
            table.add_column(justify="left" if column.left else "right", no_wrap=True, overflow="ellipsis")
        table.add_row(*(Text(column.heading, style="dim") for column in kept))
        for row in zip(*(column.cells for column in kept), strict=True):
            table.add_row(*row)
        yield table


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + _GAP * (len(columns) - 1)
