"""The criteria: what did not hold first, with its reason, then what held, on one line per limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.reports._prose import prose
from chaosrun.reports._story import with_error
from chaosrun.scoring.result import Criterion
from chaosrun.scoring.words import show

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}
_WARNING: Final = ("!", "yellow")


def criteria(judged: Sequence[Criterion], *, names: bool = True, values: bool = True) -> RenderableType:
    """All criteria.

    Args:
        names: those that held are named, otherwise counted.
        values: those that held have a line each, with limit and values.
    """
    if not judged:
        return Text("none: nothing was judged", style="yellow")
    amiss = [criterion for criterion in judged if criterion.outcome is not True or criterion.tier == "warning"]
    held = [criterion for criterion in judged if criterion not in amiss]
    parts = [_amiss(amiss)] if amiss else []
    if held and values:
        parts.append(_held(held))
    elif held:
        told = ", ".join(dict.fromkeys(criterion.name for criterion in held))
        parts.append(Text.assemble(_MARKS[True], f"  {len(held)} held" + (f": {told}" if names else "")))
    return Group(*parts)


def _amiss(criteria: Sequence[Criterion]) -> RenderableType:
    """What is false, then what is unknown, then what only warns; those with one reason for all share a line."""
    shared: dict[tuple[bool | None, str, str], list[str]] = defaultdict(list)
    for criterion in sorted(criteria, key=lambda each: (each.outcome is True, each.outcome is None)):
        shared[criterion.outcome, criterion.window, criterion.why].append(criterion.name)
    table = Table.grid(padding=(0, 2, 0, 0))
    for (outcome, window, why), names in shared.items():
        mark, style = _WARNING if outcome is True else _MARKS[outcome]
        table.add_row(
            Text(mark, style=style),
            prose(", ".join(names), style).append_text(prose(f" in {window}: {why}", "default")),
        )
    return table


def _held(criteria: Sequence[Criterion]) -> RenderableType:
    """One limit judged in several windows is one row."""
    rows: dict[tuple[object, ...], list[Criterion]] = defaultdict(list)
    for criterion in criteria:
        key = (criterion.name, criterion.metric, criterion.group, criterion.role, criterion.limit, criterion.written)
        rows[key].append(criterion)
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows.values():
        told = ", ".join(f"{criterion.window} {value_told(criterion)}" for criterion in row)
        table.add_row(Text(*_MARKS[True]), Text(row[0].name), Text(limit_told(row[0])), prose(told))
    return table


def limit_told(criterion: Criterion) -> str:
    """As the user wrote it."""
    if criterion.written:
        return criterion.written
    return "" if criterion.limit is None else show(criterion.limit, criterion.unit)


def value_told(criterion: Criterion) -> str:
    """With its error bound, or why there is none."""
    if criterion.value is None:
        return criterion.why or "unknown"
    return with_error(criterion.value, criterion.error, criterion.unit)
