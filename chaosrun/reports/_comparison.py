"""Two releases compared, on one screen: the verdict, why, each number side by side, and what else differs."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isinf
from typing import Any, Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.conditions import Difference
from chaosrun.reports._prose import draw, prose
from chaosrun.reports._safe_text import clean
from chaosrun.scoring.comparison import Comparison, LeftOut
from chaosrun.scoring.contrast import Contrast, Sample
from chaosrun.scoring.repeats import FEWEST_FOR_INTERVAL
from chaosrun.scoring.words import show

VERDICTS: Final = {"regression": "REGRESSION", "no_regression": "NO REGRESSION", "cannot_tell": "CANNOT TELL"}
_SHORT: Final = {"regression": "worse", "no_regression": "not shown", "cannot_tell": "unknown"}
_STYLES: Final = {"regression": "red", "no_regression": "green", "cannot_tell": "yellow"}
_LABEL: Final = 10
_SHOWN_DIFFERENCES: Final = 6
_COLUMNS: Final = ("number", "A", "B", "B/A (least)", "p", "")


def to_json(comparison: Comparison) -> bytes:
    """The comparison as JSON; what is infinite is the text "infinite" or "-infinite", what is not known null."""
    plain = finite(msgspec.to_builtins(comparison))
    return msgspec.json.format(msgspec.json.encode(plain), indent=2) + b"\n"


def finite(value: Any) -> Any:
    """The same without infinite numbers, which JSON has not: in their place stands a text. What is no UTF-8, as
    a name of a folder may be, is spelt out.
    """
    match value:
        case float():
            return ("infinite" if value > 0 else "-infinite") if isinf(value) else value
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {key: finite(item) for key, item in value.items()}
        case list() | tuple():
            return [finite(item) for item in value]
        case _:
            return value


def render(
    comparison: Comparison, baseline: str, candidate: str, title: str, *, width: int = 100, colour: bool = False
) -> str:
    """The comparison as text.

    Args:
        baseline, candidate: A and B as they were named.
        title: that of the experiment.
    """
    return draw(_page(comparison, baseline, candidate, clean(title)), width, colour)


def _page(comparison: Comparison, baseline: str, candidate: str, title: str) -> RenderableType:
    style = _STYLES[comparison.verdict]
    heading = Text.assemble((f" {VERDICTS[comparison.verdict]} ", f"bold reverse {style}"), "  ", (title, "bold"))
    rows = [
        ("A", _side(baseline, len(comparison.a.runs), len(comparison.a.left_out))),
        ("B", _side(candidate, len(comparison.b.runs), len(comparison.b.left_out))),
        *_left_out((*comparison.a.left_out, *comparison.b.left_out)),
        *_differences("A is mixed", comparison.a.mixed, "yellow"),
        *_differences("B is mixed", comparison.b.mixed, "yellow"),
        *_differences("Under test", comparison.under_test),
        *_differences("Differs", comparison.noted),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_LABEL, style="bold cyan")
    grid.add_column(ratio=1)
    for label, content in rows:
        grid.add_row(label, content)
    reasons = [prose(f"{reason}.") for reason in map(clean, comparison.reasons)]
    return Group(heading, *reasons, Text(), grid, Text(), _numbers(comparison), *_notes(comparison))


def _side(named: str, runs: int, left_out: int) -> Text:
    without = f", {left_out} left out" if left_out else ""
    return Text(f"{clean(named)} ({runs} run{'' if runs == 1 else 's'}{without})", overflow="fold")


def _left_out(runs: Sequence[LeftOut]) -> list[tuple[str, Text]]:
    texts = [Text(clean(f"{each.run}: {each.why}"), style="yellow", overflow="fold") for each in runs]
    return [("" if place else "Left out", text) for place, text in enumerate(texts)]


def _differences(label: str, found: Sequence[Difference], style: str = "") -> list[tuple[str, Text]]:
    texts = [
        Text(clean(f"{each.name}: {each.a or '(not set)'} -> {each.b or '(not set)'}"), style=style, overflow="fold")
        for each in found[:_SHOWN_DIFFERENCES]
    ]
    if len(found) > _SHOWN_DIFFERENCES:
        texts.append(Text(f"and {len(found) - _SHOWN_DIFFERENCES} more; --format json has all"))
    return [("" if place else label, text) for place, text in enumerate(texts)]


# ---- the numbers ----------------------------------------------------------------------------------------------------


def _numbers(comparison: Comparison) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name in _COLUMNS:
        table.add_column(no_wrap=name in ("number", "p"))
    table.add_row(*(Text(name, style="bold") for name in _COLUMNS))
    for number in comparison.numbers:
        table.add_row(
            Text(clean(number.name), style="bold" if number.decides else ""),
            _sample(number.a, number.unit),
            _sample(number.b, number.unit),
            prose(ratio_of(number)),
            _p(number),
            _verdict(number),
        )
    return table


def _sample(sample: Sample, unit: str) -> Text:
    return Text("no value", style="dim") if sample.median is None else prose(sample_text(sample, unit))


def sample_text(sample: Sample, unit: str) -> str:
    """The median, and its interval."""
    if sample.median is None or sample.low is None or sample.high is None:
        return "no value"
    told = [_value(value, unit) for value in (sample.median, sample.low, sample.high)]
    if sample.low == sample.high:
        return told[0]
    units = {text.partition(" ")[2] for text in told}
    # One unit for all three need not be said three times.
    low, high = (text.partition(" ")[0] for text in told[1:]) if len(units) == 1 else told[1:]
    return f"{told[0]} [{low}, {high}]"


def _value(value: float, unit: str) -> str:
    return "never" if value == inf else show(value, unit)


def ratio_of(contrast: Contrast) -> str:
    """How many times as much in B, and at least."""
    if contrast.ratio is None:
        return ""
    at_least = "" if contrast.ratio_at_least is None else f" ({_times(contrast.ratio_at_least)})"
    return f"{_times(contrast.ratio)}{at_least}"


def _times(ratio: float) -> str:
    return "infinite" if ratio == inf else f"{ratio:.2f}"


def _p(contrast: Contrast) -> Text:
    p = contrast.p if contrast.p_corrected is None else contrast.p_corrected
    return Text("" if p is None else f"{p:.2g}")


def _verdict(contrast: Contrast) -> Text:
    return Text(verdict_text(contrast), style=f"bold {_STYLES[contrast.verdict]}" if contrast.decides else "yellow")


def verdict_text(contrast: Contrast) -> str:
    """In a word; empty where a number that does not decide says nothing."""
    if contrast.decides:
        return _SHORT[contrast.verdict]
    return "worse?" if contrast.verdict == "regression" else ""


def _notes(comparison: Comparison) -> list[RenderableType]:
    fewest = min(min(len(n.a.values), len(n.b.values)) for n in comparison.numbers)
    enough = fewest >= FEWEST_FOR_INTERVAL
    notes = [
        "median [its interval, 95%]" if enough else f"median [interval; below {FEWEST_FOR_INTERVAL} runs least, most]",
        "above 1 B is worse",
    ]
    if any(n.verdict == "regression" and not n.decides for n in comparison.numbers):
        notes.append("worse? by itself, and decides only if named with --metric")
    return [Text(), Text(" · ".join(notes), style="dim")]
