"""The summary of a run on one screen: verdict, story, recovery, losses, latency, criteria, observer, findings. That of
a series has its runs and what they prove in their place.

It fits 80 columns; where it does not fit the height, it says less of what went well. Without colour it is plain text,
the same every time. Nothing is in it but what `result.json` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.reports._against import against_lines
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._clocks import clocks_told
from chaosrun.reports._criteria import criteria
from chaosrun.reports._prose import draw, prose
from chaosrun.reports._proxy import proxy_line
from chaosrun.reports._safe_text import clean
from chaosrun.reports._series import ONE_RUN, series_headline, series_rows
from chaosrun.reports._story import counted, headline, reasons_apart, seconds, seconds_of_clients, story, with_error
from chaosrun.reports._traffic import Row, latency, messages
from chaosrun.scoring.result import Check, Repeats, Result
from chaosrun.scoring.words import show

_VERDICT_STYLES: Final = {"passed": "green", "failed": "red", "dirty": "red", "aborted": "magenta"}
_SEVERITY_STYLES: Final = {"critical": "red", "warning": "yellow"}
_LABEL: Final = 10
"""Width of the left column, so that all rows of the page share one edge."""


class Detail(IntEnum):
    """How much is said. What does not hold or is not trusted is always said in full."""

    COUNTS = 0
    """Criteria that held are counted."""
    BRIEF = 1
    """What the story has said already, and what is for the second look, is left out."""
    NAMES = 2
    """Criteria that held are named, without their values."""
    FULL = 3


def render(result: Result, place: Path, *, width: int = 100, height: int | None = None, colour: bool = False) -> str:
    """The summary as text.

    Args:
        place: the page of the run, or the folder where it is kept, for the last line.
        height: lines of the terminal, the next prompt's included: detail is left out until it fits. None: all of it.
        colour: with ANSI colours, for a terminal.
    """
    result = cleaned(result)
    if result.repeats is not None:
        return _series(result, result.repeats, place, width, height, colour)
    page = draw(_page(result, place, Detail.FULL), width, colour)
    for detail in (Detail.NAMES, Detail.BRIEF, Detail.COUNTS):
        if height is None or page.count("\n") < height:
            break
        page = draw(_page(result, place, detail), width, colour)
    return page


def _series(result: Result, repeats: Repeats, place: Path, width: int, height: int | None, colour: bool) -> str:
    """Fewer runs have a line until it fits."""

    def drawn(most: int | None) -> str:
        rows = [*series_rows(result, repeats, width=width, most=most), *_against(result), _report(place)]
        return draw(Group(*_heading(result), Text(), _grid(rows)), width, colour)

    page = drawn(None)
    if height is None or (over := page.count("\n") - height + 1) <= 0:
        return page
    return drawn(max(1, repeats.n - over))


def _page(result: Result, place: Path, detail: Detail) -> RenderableType:
    rows = [
        *_recovery(result, detail),
        *messages(result),
        *latency(result),
        *_proxy(result),
        ("Criteria", criteria(result.criteria, names=detail >= Detail.BRIEF, values=detail == Detail.FULL)),
        *_against(result),
        *_observer(result),
        *_findings(result),
        *((*_resources(result), *_tolerance(result)) if detail > Detail.BRIEF else ()),
        ("Proves", prose(ONE_RUN)),
        _report(place),
    ]
    blank = [Text()] if detail > Detail.BRIEF else []
    return Group(*_heading(result), *blank, prose(" ".join(story(result))), *blank, _grid(rows))


def _against(result: Result) -> list[Row]:
    return [("" if place else "Against", prose(line)) for place, line in enumerate(against_lines(result))]


def _report(place: Path) -> Row:
    return "Report", Text(clean(str(place)), overflow="fold")


def _grid(rows: Sequence[Row]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_LABEL, style="bold cyan")
    grid.add_column(ratio=1)
    for label, content in rows:
        grid.add_row(label, content)
    return grid


def _heading(result: Result) -> list[RenderableType]:
    style = _VERDICT_STYLES.get(result.verdict, "yellow")
    verdict = Text.assemble((f" {result.verdict.upper()} ", f"bold reverse {style}"), "  ", (result.title, "bold"))
    facts = [
        headline(result) if result.repeats is None else series_headline(result.repeats),
        *([f"profile {result.profile}"] if result.profile else []),
        *([seconds(round(result.duration_s, 1))] if result.repeats is None else []),
    ]
    lines: list[RenderableType] = [verdict, Text(" · ".join(facts), style="dim")]
    if result.verdict != "passed":
        lines += [_bullet(reason, style) for reason in reasons_apart(result)]
    return lines


def _bullet(text: str, style: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text("!", style=f"bold {style}"), Text(text))
    return grid


# ---- recovery -------------------------------------------------------------------------------------------------------


def _recovery(result: Result, detail: Detail) -> list[Row]:
    worst = result.recovery
    if worst.absorbed is None and worst.ttr_s is None and worst.ttr_censored_above_s is None:
        return []
    if worst.absorbed:
        blind = "" if worst.blind_s is None else f" longer than {seconds(worst.blind_s)}"
        return [("Recovery", _joined([f"no impact{blind} was seen"]))]
    recovered = with_error(worst.ttr_s, worst.error_s) if worst.ttr_s is not None else f"> {seconds(worst.ttr_above_s)}"
    parts = [f"time to recover {recovered}", f"outage {seconds(worst.outage_s)}"]
    parts.append(f"server ready {seconds(worst.server_ready_s)}")
    if worst.recovered_by:
        parts.append(f"last came {worst.recovered_by}")
    rows: list[Row] = [("Recovery", _joined(parts))]
    back = worst.back_s
    if worst.affected_clients:
        times = (("first", back.first), ("50%", back.p50), ("90%", back.p90), ("99%", back.p99), ("all", back.all))
        parts = [f"{name} {'never' if time is None else seconds(time)}" for name, time in times]
        rows.append(("Back after", _joined(parts)))
    if detail <= Detail.BRIEF:
        return rows
    rows.append(("Lost time", _joined([seconds_of_clients(worst)])))
    noticed = _detection(result)
    return [*rows, ("Noticed", _joined(noticed))] if noticed else rows


def _detection(result: Result) -> list[str]:
    """Who noticed the fault, how soon, and by what."""
    parts = []
    if result.detection_s.service is not None:
        after = with_error(result.detection_s.service, result.recovery.impact_error_s)
        parts.append(f"impact on the load after {after}")
    for tag, seen in result.detection_s.client.items():
        parts.append(f"{counted(seen.count, 'client')} saw {tag} within {seconds(seen.max)}")
    return parts


def _proxy(result: Result) -> list[Row]:
    line = proxy_line(result)
    return [] if line is None else [("Proxy", prose(line))]


# ---- how far to trust it, and what to do ----------------------------------------------------------------------------


def _observer(result: Result) -> list[Row]:
    observer = result.observer
    amiss = [check for check in observer.checks if check.outcome in ("warn", "invalid")]
    checked = sum(check.outcome is not None for check in observer.checks)
    if observer.sound and observer.slowed:
        text = Text("sound, but CPU time was taken away: times are upper bounds", style="yellow")
    elif observer.sound:
        text = Text(f"sound ({counted(checked, 'check')})", style="" if amiss else "green")
    else:
        text = Text("NOT SOUND: part of what was measured cannot be trusted", style="bold red")
    rows: list[Row] = [("Observer", text)]
    rows += [("", _check(check)) for check in amiss]
    rows += [("", Text(line)) for line in clocks_told(observer.clocks)]
    for span in observer.excluded:
        rows.append(("", Text(f"left out {seconds(span.start_s)} to {seconds(span.end_s)}: {span.why}")))
    return rows


def _check(check: Check) -> Text:
    style = "red" if check.outcome == "invalid" else "yellow"
    value = "" if check.value is None else f" {show(check.value, check.unit)}"
    limit = "" if check.limit is None else f" (invalid above {show(check.limit, check.unit)})"
    why = f": {check.why}" if check.why else ""
    return Text(f"{check.outcome} {check.name}{value}{limit}{why}", style=style)


def _findings(result: Result) -> list[Row]:
    rows: list[Row] = []
    for finding in result.findings:
        text = Text(finding.title, style=_SEVERITY_STYLES.get(finding.severity, ""))
        text.append(f": {finding.evidence}", style="not bold default")
        text.append(f" -> {finding.action}", style="default")
        rows.append(("" if rows else "Findings", text))
    return rows


def _resources(result: Result) -> list[Row]:
    told = []
    for role, used in result.resources.items():
        cpu, memory = used.cpu_percent, used.memory_bytes
        mean = "unknown" if cpu.mean is None else f"{cpu.mean:.0f}%"
        most = "" if cpu.max is None else f" (at most {cpu.max:.0f}%)"
        size = "" if memory.max is None else f", {show(float(f'{memory.max:.3g}'), 'bytes')}"
        told.append(f"{role} {mean}{most} CPU{size}")
    return [("Resources", _joined(told))] if told else []


def _tolerance(result: Result) -> list[Row]:
    """The values that `auto` became, and what could hide below them."""
    rows: list[Row] = []
    for name, tolerance in result.tolerance.items():
        shares = [
            f"{share:.3g}% of {what}"
            for share, what in (
                (_percent(tolerance.sessions), "sessions"),
                (_percent(tolerance.requests), f"requests in {seconds(tolerance.window_s)}"),
                (_percent(tolerance.pushes), "push clients"),
            )
            if share is not None
        ]
        parts = [f"{name}: up to {', '.join(shares)} bad, held {seconds(tolerance.stable_for_s)}"]
        if tolerance.resolution_s is not None:
            parts.append(f"resolution {seconds(tolerance.resolution_s)}, blind below {seconds(tolerance.blind_s)}")
        rows.append(("" if rows else "Tolerance", _joined(parts)))
    return rows


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _joined(parts: list[str]) -> Text:
    return prose(" · ".join(parts))
