"""`summary.md` of several experiments: a row each, and why those that did not pass did not. Kept below `LIMIT` by
leaving out what passed first, as the summary of a run is."""

from __future__ import annotations

from typing import Final

from chaosrun.reports._markdown import plain, table
from chaosrun.reports._suite_words import ended, label, lost, reasons_of_all, suite_facts, time_to_recover, took, why
from chaosrun.reports.summary import LIMIT
from chaosrun.scoring.suite import Suite, SuiteRun

_SIGNS: Final = {"passed": "✅", "failed": "❌"}
_STATES: Final = {"skipped": "⏭️", "not_run": "⏹️", "broken": "❌"}
_ROWS: Final = (200, 60, 20, 6)
"""At most so many of anything: the first that fits."""
_HEADS: Final = (
    "",
    "experiment",
    "verdict",
    "time to recover ",
    "replies lost ",
    "pushes lost ",
    "missed away ",
    "took ",
)


def suite_markdown(suite: Suite) -> bytes:
    """The summary, the same for the same record."""
    pages = ("\n".join(_page(suite, most)).encode() for most in _ROWS)
    shortest = "\n".join(_page(suite, 1)).encode()
    page = next((page for page in pages if len(page) <= LIMIT), shortest)
    return page if len(page) <= LIMIT else page[: page.rindex(b"\n", 0, LIMIT) + 1]


def _page(suite: Suite, most: int) -> list[str]:
    sign = _SIGNS.get(suite.verdict, "⚠️")
    apart = reasons_of_all(suite)
    facts = [*map(plain, suite_facts(suite)), f"begun {plain(suite.started_at)}"]
    lines = [f"## {sign} {plain(suite.verdict)}: {plain(suite.title)}", "", " · ".join(facts), ""]
    if apart:
        lines += [*(f"- **!** {plain(reason)}" for reason in apart[:most]), ""]
    # What did not pass first, in the order in which they were run.
    runs = sorted(enumerate(suite.runs, 1), key=lambda each: each[1].verdict == "passed")
    shown = sorted(runs[:most], key=lambda each: each[0])
    lines += table(_HEADS, [_row(run, suite) for _, run in shown])
    if len(runs) > most:
        lines += ["", f"and {len(runs) - most} more, all of them in `suite.json`"]
    amiss = [(number, run) for number, run in shown if why(run)]
    if amiss:
        told = [
            f"- **{number}. {plain(label(run, suite))}** {plain(run.title)}: {plain(why(run))}" for number, run in amiss
        ]
        lines += ["", "### What did not pass", "", *told]
    return [
        *lines,
        "",
        f"chaosrun {plain(suite.chaosrun_version)}; the page is `suite.html`, every number `suite.json`.",
        "",
    ]


def _row(run: SuiteRun, suite: Suite) -> list[str]:
    sign = _SIGNS.get(run.verdict, "⚠️") if run.verdict is not None else _STATES.get(run.state, "⚠️")
    cells = (
        label(run, suite),
        ended(run),
        time_to_recover(run),
        *lost(run),
        took(run),
    )
    return [sign, *map(plain, cells)]
