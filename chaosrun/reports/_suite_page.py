"""`suite.html`: several experiments on one page that needs neither network nor script; each leads to its own page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

from chaosrun.foreign import CUT
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_shell import asset, document
from chaosrun.reports._story import seconds, story
from chaosrun.reports._suite_words import (
    ended,
    label,
    lost,
    reasons_of_all,
    suite_facts,
    suite_headline,
    time_to_recover,
    took,
    why,
)
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Day, Suite, SuiteRun

_ICONS: Final = {"passed": "✓", "failed": "✗", "inconclusive": "?", "aborted": "■", "dirty": "!"}
_OUTCOMES: Final = {"passed": "good", "failed": "bad", "dirty": "bad", "aborted": "calm"}
_STATES: Final = {"broken": "bad", "skipped": "calm", "not_run": "unsure"}
_SIGNS: Final = {"broken": "✗", "skipped": "-", "not_run": "■"}
_COLUMNS: Final = (
    "Verdict",
    "Experiment",
    "Time to recover",
    "Replies lost",
    "Pushes lost",
    "Missed away",
    "Criteria",
    "Took",
)


class Drawn(NamedTuple):
    """What a run has that a page over several shows of it."""

    strip: Markup
    """Its clients over time; of a series, those of its worst run."""
    page: str
    """Its own page, seen from the folder of all."""


def render_suite_page(suite: Suite, results: Mapping[int, Result], drawn: Mapping[int, Drawn]) -> bytes:
    """The page.

    Args:
        results: of the experiments that have one, by their numbers from 1.
        drawn: of those whose records are still there.
    """
    suite = cleaned(suite)
    shown = {number: cleaned(result) for number, result in results.items()}
    body = tag(
        "main",
        _head(suite),
        tag("section", tag("h2", "Experiments", id="experiments"), _table(suite, drawn), class_="panel"),
        *(_one(number, run, shown.get(number), drawn.get(number)) for number, run in enumerate(suite.runs, 1)),
        tag("footer", tag("p", f"Made by chaosrun {suite.chaosrun_version} from the journals of the runs.")),
    )
    styles = [asset(name) for name in ("colours.css", "style.css", "suite.css")]
    return document(f"{suite.verdict}: {suite.title}", body, styles=styles)


def _head(suite: Suite) -> Markup:
    badge = tag(
        "p",
        tag("span", _ICONS[suite.verdict], class_="icon", aria_hidden="true"),
        tag("strong", suite.verdict.capitalize()),
        class_=f"badge is-{suite.verdict}",
    )
    rest = f"{seconds(suite.cool_down_s)} of rest between two" if suite.cool_down_s else ""
    facts = [_instant(suite.started_at), *suite_facts(suite)[1:], rest]
    when = tag("p", *(tag("span", fact) for fact in facts if fact), class_="when")
    headline = tag("p", f"{suite_headline(suite)}.")
    titles = tag("div", tag("h1", suite.title), when, class_="titles")
    reasons = reasons_of_all(suite)
    told = tag("ul", *(tag("li", f"{reason}.") for reason in reasons), class_="why-verdict") if reasons else Markup("")
    return join(tag("header", badge, titles, class_="head"), headline, told, _day(suite.day))


def _day(day: Day | None) -> Markup:
    """Of a game day when it might run, and whom it told of."""
    if day is None:
        return Markup("")
    window = f"{day.windows}, {day.time_zone}" if day.windows else "at any time"
    notices = [
        tag(
            "li", f"notice of {each.on} to {each.to}: {'delivered' if each.delivered else f'not delivered, {each.why}'}"
        )
        for each in day.notices
    ]
    told = tag("ul", *notices, class_="note") if notices else Markup("")
    return join(tag("p", f"Game day {day.file}: {window}.", class_="note"), told)


def _instant(started_at: str) -> str:
    try:
        return datetime.fromisoformat(started_at).strftime("%d %b %Y, %H:%M:%S UTC")
    except ValueError:
        return started_at


# ---- the table ------------------------------------------------------------------------------------------------------


def _table(suite: Suite, drawn: Mapping[int, Drawn]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in _COLUMNS), role="row")
    rows = [_row(number, run, suite, drawn.get(number)) for number, run in enumerate(suite.runs, 1)]
    return tag(
        "table",
        tag("thead", head, role="rowgroup"),
        tag("tbody", *rows, role="rowgroup"),
        class_="stacks experiments",
        role="table",
        aria_labelledby="experiments",
    )


def _row(number: int, run: SuiteRun, suite: Suite, drawn: Drawn | None) -> Markup:
    name = label(run, suite)
    linked = tag("a", name, href=drawn.page) if drawn is not None else name
    cells = [
        tag("td", _badge(run), role="cell"),
        tag("th", f"{number}. ", linked, tag("small", run.title), scope="row", role="rowheader", class_="name"),
        *(
            tag("td", cell, role="cell", data_label=column, class_="number")
            for column, cell in zip(
                _COLUMNS[2:],
                (time_to_recover(run), *lost(run), _criteria(run), took(run)),
                strict=True,
            )
        ),
    ]
    return tag("tr", *cells, role="row")


def _badge(run: SuiteRun) -> Markup:
    state = run.verdict or run.state
    icon = _ICONS.get(state) or _SIGNS.get(state, "?")
    class_ = _OUTCOMES.get(state) or _STATES.get(state, "unsure")
    words = join(tag("span", icon, class_="icon", aria_hidden="true"), f" {ended(run)}")
    return tag("span", words, class_=f"outcome {class_}")


def _criteria(run: SuiteRun) -> str:
    if run.state != "ran":
        return ""
    return f"{run.criteria - len(run.broken) - len(run.unknown)} of {run.criteria} held"


# ---- one by one -----------------------------------------------------------------------------------------------------


def _one(number: int, run: SuiteRun, result: Result | None, drawn: Drawn | None) -> Markup:
    told = [tag("p", each) for each in _told(run, result)]
    page = [tag("p", tag("a", "The page of this run", href=drawn.page))] if drawn is not None else []
    heading = tag("h2", f"{number}. {run.title} ", _badge(run))
    file = tag("p", f"{run.experiment}{f', profile {run.profile}' if run.profile else ''}", class_="file")
    picture = drawn.strip if drawn is not None else Markup("")
    return tag("section", heading, file, *told, picture, *page, class_="panel one")


def _told(run: SuiteRun, result: Result | None) -> Iterator[str]:
    if reason := why(run):
        yield f"{reason[:1].upper()}{reason[1:]}{'' if reason.endswith(CUT) else '.'}"
    if result is not None:
        yield " ".join(story(result))


def page_of(*folders: str) -> str:
    """The page of a run, whose folder lies below these, as a link."""
    return "/".join((*map(quote, folders), "report.html"))
