"""Several experiments in words: what the terminal, the page and the summary over all say of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from chaosrun.foreign import brief
from chaosrun.reports._story import counted, seconds, with_error
from chaosrun.scoring.suite import Day, Suite, SuiteRun

NOTHING: Final = "-"
_NAMED: Final = 3
"""So many criteria are named one by one."""
_STATES: Final = {"broken": "broke off", "skipped": "skipped", "not_run": "not run"}


def suite_headline(suite: Suite) -> str:
    """How the experiments ended, in one sentence."""
    counts = (
        (suite.passed, "passed"),
        (suite.failed, "failed"),
        (suite.inconclusive, "inconclusive"),
        (suite.aborted, "aborted"),
        (suite.dirty, "dirty"),
        (suite.broken, "without a result"),
        (suite.skipped, "skipped"),
        (suite.not_run, "not run"),
    )
    return f"{counted(suite.asked, 'experiment')}: {', '.join(f'{count} {word}' for count, word in counts if count)}"


def suite_facts(suite: Suite) -> list[str]:
    """What stands below the title."""
    profiles = {run.profile for run in suite.runs}
    shared = next(iter(profiles)) if len(profiles) == 1 else None
    return [
        suite_headline(suite),
        *([f"profile {shared}"] if shared else []),
        *([seconds(round(suite.duration_s, 1))] if suite.duration_s is not None else []),
        *(_day_facts(suite.day) if suite.day is not None else []),
    ]


def _day_facts(day: Day) -> list[str]:
    arrived = sum(notice.delivered for notice in day.notices)
    told = f"{arrived} of {counted(len(day.notices), 'notice')} arrived"
    return [f"game day, {day.windows}, {day.time_zone}", *([told] if day.notices else [])]


def reasons_of_all(suite: Suite) -> list[str]:
    """Why it did not pass, without what an experiment says of itself."""
    return [reason for reason in suite.reasons if not reason.startswith("experiment ")]


def label(run: SuiteRun, suite: Suite) -> str:
    """An experiment by its file, and by its profile where the others have another one."""
    name = PurePath(run.experiment).name
    profiles = {each.profile for each in suite.runs}
    return f"{name} ({run.profile})" if run.profile and len(profiles) > 1 else name


def ended(run: SuiteRun) -> str:
    """The verdict, or why there is none, in a word or two; of a series how many of its runs passed."""
    if run.verdict is None:
        return _STATES.get(run.state, run.state)
    return run.verdict if run.runs is None else f"{run.verdict} ({run.runs_passed}/{run.runs})"


def time_to_recover(run: SuiteRun) -> str:
    if run.absorbed:
        return "no impact"
    if run.ttr_s is not None:
        return with_error(run.ttr_s, run.ttr_error_s)
    return NOTHING if run.ttr_above_s is None else f"> {seconds(run.ttr_above_s)}"


def count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def lost(run: SuiteRun) -> tuple[str, str, str]:
    """Replies lost; pushes lost to clients that were connected; pushes that clients missed while they were away.

    The last is what an outage costs where nothing is replayed, the one before it a defect of the service.
    """
    known = run.pushes_lost is not None and run.pushes_missed is not None
    connected = (run.pushes_lost or 0) - (run.pushes_missed or 0) if known else None
    return count(run.replies_lost), count(connected), count(run.pushes_missed)


def took(run: SuiteRun) -> str:
    return NOTHING if run.duration_s is None else seconds(round(run.duration_s, 1))


def why(run: SuiteRun) -> str:
    """Why it did not pass; empty: it did."""
    if run.state != "ran":
        return f"exit {run.exit_code}: {run.why}" if run.state == "broken" else run.why
    if run.verdict == "passed":
        return ""
    apart = next((reason for reason in run.reasons if not reason.startswith(("failed: ", "unknown: "))), "")
    told = [
        *([f"broken: {_named(run.broken)}"] if run.broken else []),
        # What kept the whole run from proving anything says more than what is unknown because of it.
        *([brief(apart)] if apart else [f"unknown: {_named(run.unknown)}"] if run.unknown else []),
    ]
    return "; ".join(told)


def _named(criteria: Sequence[str]) -> str:
    more = len(criteria) - _NAMED
    return ", ".join(criteria[:_NAMED]) + (f" and {more} more" if more > 0 else "")
