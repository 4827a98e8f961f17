"""The summary of a series on one screen: its verdict, every run, the median with its interval, and what it proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.reports._prose import prose
from chaosrun.reports._story import counted, seconds, with_error
from chaosrun.reports._traffic import Row
from chaosrun.scoring.repeats import FEWEST_FOR_INTERVAL, named
from chaosrun.scoring.result import RepeatedRun, Repeats, Result, Spread
from chaosrun.scoring.words import show

_STYLES: Final = {"passed": "green", "failed": "red", "dirty": "red", "aborted": "magenta"}
_WIDE: Final = 100
"""From here on there is room for the offsets."""

ONE_RUN: Final = "one run is a demonstration, not proof: what fails 19 times in 20 can pass one (--repeat)"


def series_headline(repeats: Repeats) -> str:
    """How the runs ended, in one sentence."""
    counts = (
        (repeats.passed, "passed"),
        (repeats.failed, "failed"),
        (repeats.inconclusive, "inconclusive"),
        (repeats.aborted, "aborted"),
        (repeats.dirty, "dirty"),
        (repeats.broken, "without a result"),
    )
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{repeats.n} of {counted(repeats.asked, 'run')}: {told}"


def series_rows(result: Result, repeats: Repeats, *, width: int, most: int | None) -> list[Row]:
    """The rows of the page.

    Args:
        most: so many runs have a line each, those that did not pass and the slowest before others. None: all.
    """
    rows: list[Row] = [("Runs", _runs(result, repeats, width, most))]
    if result.faults:
        rows.append(("Recovery", prose(" · ".join(_recovery(repeats.ttr_s)))))
        rows += [("", prose(told, "yellow")) for told in _left_out(repeats)]
    rows.append(("Proves", prose(proof(repeats))))
    rows.append(("Worst", prose(f"{_number(repeats, repeats.worst)}, which stands for all in result.json")))
    rows.append(("Faults", prose(_seed(result, repeats))))
    return rows


# ---- the runs -------------------------------------------------------------------------------------------------------


def _runs(result: Result, repeats: Repeats, width: int, most: int | None) -> RenderableType:
    columns = [column for column in _COLUMNS if column.has(result) and width >= column.least_width]
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("right", "left", *(column.justify for column in columns)):
        table.add_column(justify=justify, no_wrap=width >= _WIDE)  # type: ignore[arg-type]  # one of rich's literals
    table.add_row("run", "verdict", *(column.name for column in columns), style="dim")
    shown = _shown(repeats.runs, most)
    for number in shown:
        run = repeats.runs[number - 1]
        table.add_row(str(number), Text(*_verdict(run)), *(column.cell(run) for column in columns))
    hidden = len(repeats.runs) - len(shown)
    if hidden:
        table.add_row("", Text(f"and {hidden} more", style="dim"))
    return table


def _shown(runs: Sequence[RepeatedRun], most: int | None) -> list[int]:
    """The numbers of the runs that have a line, ascending."""
    numbers = list(range(1, len(runs) + 1))
    if most is None or len(runs) <= most:
        return numbers

    def interest(number: int) -> tuple[bool, float]:
        run = runs[number - 1]
        return run.verdict == "passed", -(run.ttr_s or 0.0)

    return sorted(sorted(numbers, key=interest)[: max(1, most - 1)])


def _verdict(run: RepeatedRun) -> tuple[str, str]:
    if run.verdict is None:
        return f"exit {run.exit_code}", "red"
    return run.verdict, _STYLES.get(run.verdict, "yellow")


def _time(run: RepeatedRun) -> Text:
    style = "dim" if run.left_out else ""
    if run.absorbed:
        return prose("no impact", style)
    if run.ttr_s is not None:
        return prose(with_error(run.ttr_s, run.error_s), style)
    if run.censored_above_s is not None:
        return prose(f"> {seconds(run.censored_above_s)}", style or "red")
    return Text("-", style="dim")


def _ready(run: RepeatedRun) -> Text:
    return Text("-", style="dim") if run.verdict is None or run.absorbed else Text(seconds(run.server_ready_s))


def _count(run: RepeatedRun, count: int | None) -> Text:
    if run.verdict is None:
        return Text("-", style="dim")
    return Text("unknown" if count is None else f"{count:,}")


class _Column(NamedTuple):
    """A column of the runs, where the experiment has what it is about."""

    name: str
    cell: Callable[[RepeatedRun], Text]
    has: Callable[[Result], bool]
    justify: str = "right"
    least_width: int = 0


_COLUMNS: Final = (
    _Column("offset", lambda run: Text(seconds(run.offset_s)), lambda result: bool(result.faults), least_width=_WIDE),
    _Column("time to recover", _time, lambda result: bool(result.faults), "left"),
    _Column("ready", _ready, lambda result: bool(result.faults)),
    _Column(
        "lost: replies", lambda run: _count(run, run.replies_lost), lambda result: result.messages.requests.due > 0
    ),
    _Column("pushes", lambda run: _count(run, run.pushes_lost), lambda result: result.messages.push is not None),
)


# ---- what they show together ----------------------------------------------------------------------------------------


def _recovery(spread: Spread) -> list[str]:
    if not spread.runs:
        return ["no run says how long recovery takes"]
    parts = [f"median {_end(spread.median, spread.median_above)} of {counted(spread.runs, 'run')}"]
    if spread.confidence is None:
        parts.append(f"no 95% interval: that takes at least {FEWEST_FOR_INTERVAL} runs")
    else:
        low, high = _end(spread.low, spread.low_above), _end(spread.high, spread.high_above)
        parts.append(f"{show(spread.confidence, 'ratio')} sure that it is between {low} and {high}")
    if spread.censored:
        parts.append(f"{spread.censored} never recovered while observed, and rank last")
    return parts


def _end(known: float | None, above: float | None) -> str:
    return seconds(known) if above is None else f"> {seconds(above)}"


def _left_out(repeats: Repeats) -> list[str]:
    """A line for each reason why runs are not in the median."""
    numbers: dict[str, list[int]] = {}
    for number, run in enumerate(repeats.runs, 1):
        if run.left_out:
            numbers.setdefault(run.left_out, []).append(number)
    return [f"left out: {named(those)} ({why})" for why, those in numbers.items()]


def proof(repeats: Repeats) -> str:
    """What so many passes prove, and no more."""
    conclusive = repeats.passed + repeats.failed
    below = repeats.failure_probability_below
    if below is None:
        return "nothing: no run passed or failed"
    how = f"{repeats.passed} of {counted(conclusive, 'conclusive run')} passed"
    sure = show(repeats.confidence, "ratio")
    if below >= 1:
        return f"{how}: no bound on the probability that a run fails"
    return f"{how}: a run fails with a probability below {show(below, 'ratio')} ({sure} sure)"


def _number(repeats: Repeats, folder: str) -> str:
    number = next(number for number, run in enumerate(repeats.runs, 1) if run.folder == folder)
    return f"run {number} ({folder})"


def _seed(result: Result, repeats: Repeats) -> str:
    rest = f"{seconds(repeats.cool_down_s)} of rest between runs"
    if not result.faults:
        return f"none: a load test; {rest}"
    return f"each at a random phase of the requests, drawn with --seed {repeats.seed}; {rest}"
