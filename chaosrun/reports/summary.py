"""`summary.md`: the result for a pull request's comment, or for `$GITHUB_STEP_SUMMARY`.

A step's summary may have 1 MiB (GitHub, "Workflow commands", adding a job summary), a comment 65,536 characters: it is
kept below the smaller one, by leaving out rows that hold before those that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from chaosrun.reports._against import against_lines
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._clocks import clocks_told
from chaosrun.reports._criteria import limit_told, value_told
from chaosrun.reports._markdown import plain, table
from chaosrun.reports._story import counted, headline, reasons_apart, seconds, seconds_of_clients, story, with_error
from chaosrun.reports._traffic import latency_rows, messages, quantiles_told
from chaosrun.scoring.result import Criterion, Result

LIMIT: Final = 64_000
"""Bytes."""
_ROWS: Final = (200, 60, 20, 6)
"""At most so many of anything: the first that fits."""
_SIGNS: Final = {"passed": "✅", "failed": "❌"}
_OUTCOMES: Final = {True: "✅", False: "❌", None: "❔"}


def render(run: ScoredRun) -> Mapping[str, bytes]:
    return {"summary.md": markdown(run.result)}


def markdown(result: Result) -> bytes:
    """The summary, the same for the same result."""
    pages = ("\n".join(_page(result, most)).encode() for most in _ROWS)
    fitting = (page for page in pages if len(page) <= LIMIT)
    return next(fitting, _cut("\n".join(_page(result, _ROWS[-1])).encode()))


def _cut(page: bytes) -> bytes:
    """Whole lines as far as they fit."""
    return page[: page.rindex(b"\n", 0, LIMIT) + 1]


def _page(result: Result, most: int) -> list[str]:
    sections = (_heading, _story, _figures, _criteria, _findings, _losses, _latency, _observer)
    parts = [section(result, most) for section in sections]
    return [line for lines in parts if lines for line in (*lines, "")]


def _heading(result: Result, most: int) -> list[str]:
    facts = [
        headline(result),
        *([f"profile {plain(result.profile)}"] if result.profile else []),
        f"{seconds(round(result.duration_s, 1))}",
        f"begun {plain(result.started_at)}",
    ]
    reasons = [f"- **!** {plain(reason)}" for reason in reasons_apart(result)]
    sign = _SIGNS.get(result.verdict, "⚠️")
    return [f"## {sign} {plain(result.verdict)}: {plain(result.title)}", "", " · ".join(facts)] + (
        ["", *_some(reasons, most, lambda left: f"- and {left} more")] if reasons else []
    )


def _story(result: Result, _most: int) -> list[str]:
    return [" ".join(map(plain, story(result)))]


def _figures(result: Result, _most: int) -> list[str]:
    """The three figures that people ask for first, and who was hurt."""
    worst = result.recovery
    if worst.absorbed is None and worst.ttr_s is None and worst.ttr_above_s is None:
        return []
    above = f"more than {seconds(worst.ttr_above_s)}"
    ttr = above if worst.ttr_s is None else with_error(worst.ttr_s, worst.error_s)
    figures = {
        "time to recover": "no impact" if worst.absorbed else ttr,
        "outage": "none" if worst.absorbed else seconds(worst.outage_s),
        "server ready": seconds(worst.server_ready_s),
        "clients hurt": "unknown" if worst.affected_clients is None else f"{worst.affected_clients:,}",
        "never back": f"{worst.back_s.never:,}",
        "lost": seconds_of_clients(worst),
    }
    return table(tuple(figures), [list(map(plain, figures.values()))])


def _criteria(result: Result, most: int) -> list[str]:
    held = [line for told in against_lines(result) for line in ("", plain(f"{told}."))]
    if not result.criteria:
        return ["### Criteria", "", "None: nothing was judged.", *held]
    judged = sorted(result.criteria, key=lambda each: (each.outcome is True, each.outcome is None))
    rows = [_criterion(criterion) for criterion in judged]
    heads = ("", "criterion", "window", "value", "limit", "why")
    left = len(rows) - most
    more = ["", f"and {left} more, all of them in `result.json`"] if left > 0 else []
    return ["### Criteria", "", *table(heads, rows[:most]), *more, *held]


def _criterion(criterion: Criterion) -> Sequence[str]:
    sign = "⚠️" if criterion.outcome is True and criterion.tier == "warning" else _OUTCOMES[criterion.outcome]
    value = "unknown" if criterion.value is None else value_told(criterion)
    why = "" if criterion.outcome is True and criterion.value is not None else criterion.why
    return [sign, *map(plain, (criterion.name, criterion.window, value, limit_told(criterion), why))]


def _findings(result: Result, most: int) -> list[str]:
    told = [
        f"- **{plain(finding.severity)}: {plain(finding.title)}.** {plain(finding.evidence)} "
        f"**Do:** {plain(finding.action)}"
        for finding in result.findings
    ]
    return ["### Findings", "", *_some(told, most, lambda left: f"- and {left} more")] if told else []


def _losses(result: Result, most: int) -> list[str]:
    told = [
        f"- {'**' + label + '** ' if label else ''}{plain(getattr(content, 'plain', str(content)))}"
        for label, content in messages(result)
    ]
    return ["### Messages", "", *_some(told, most, lambda left: f"- and {left} more")] if told else []


def _latency(result: Result, most: int) -> list[str]:
    groups = result.groups if len(result.groups) > 1 else {}
    named = [(f"{name} ", group.latency_ms) for name, group in groups.items()] or [("", result.latency_ms)]
    rows = [
        [plain(name), *map(plain, quantiles_told(found))]
        for prefix, times in named
        for name, found in latency_rows(prefix, times)
    ]
    if not rows:
        return []
    heads = ("ms", "p50 ", "p90 ", "p99 ", "p99.9 ", "max ", "never ")
    omitted = result.latency_ms.push_omitted
    note = ["", f"Push: {plain(omitted)}."] if omitted else []
    return ["### Latency", "", *table(heads, rows[:most]), *note]


def _observer(result: Result, most: int) -> list[str]:
    observer = result.observer
    amiss = [check for check in observer.checks if check.outcome in ("warn", "invalid")]
    slowed = ", slowed: times are upper bounds" if observer.slowed else ""
    told = f"sound{slowed}" if observer.sound else "**NOT SOUND**: part of what was measured cannot be trusted"
    notes = [f"- {check.outcome} {plain(check.name)}: {plain(check.why)}" for check in amiss]
    notes += [f"- {plain(line)}" for line in clocks_told(observer.clocks)]
    return [
        f"Observer {told} ({counted(len(observer.checks), 'check')}).",
        *(["", *_some(notes, most, lambda left: f"- and {left} more")] if notes else []),
        "",
        f"chaosrun {plain(result.chaosrun_version)}; the page is `report.html`, every number `result.json`.",
    ]


def _some(lines: Iterable[str], most: int, more: Callable[[int], str]) -> list[str]:
    all_lines = list(lines)
    left = len(all_lines) - most
    return all_lines if left <= 0 else [*all_lines[:most], more(left)]
