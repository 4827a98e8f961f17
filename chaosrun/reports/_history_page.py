"""`chaosrun history --page FILE`: every trend on one page that needs neither network nor script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chaosrun.history.trends import History, Line, Ran, Trend
from chaosrun.reports._cleaned import cleaned
from chaosrun.reports._history import WORDS, accepted_told, day, differing, run_told, value_told
from chaosrun.reports._history_plots import MOST, Link, trend_plot
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_shell import asset, document
from chaosrun.reports._story import counted

_BADGES: Final = {
    "regression": ("✗", "is-failed", "bad"),
    "no_regression": ("✓", "is-passed", "good"),
    "cannot_tell": ("?", "is-inconclusive", "unsure"),
}
_VERDICTS: Final = {"passed": ("✓", "good"), "failed": ("✗", "bad"), "dirty": ("!", "bad")}
_STYLES: Final = ("colours.css", "style.css", "history.css")


def render_page(history: History, link: Link) -> bytes:
    """The page.

    Args:
        link: where the report of a run is, seen from the page.
    """
    told = cleaned(history)
    body = tag(
        "main",
        _head(told),
        tag("p", *_key(), class_="keys"),
        # Links are of the places as they are, words of the cleaned ones.
        *(_line(line, _linked(history, told, link)) for line in told.lines),
        _amiss(told),
    )
    worse = _worse(told)
    title = f"{counted(worse, 'regression')}: history" if worse else f"{_headline(told).lower()}: history"
    return document(title, body, styles=[asset(name) for name in _STYLES])


def _linked(history: History, told: History, link: Link) -> Link:
    """The same by cleaned names."""
    names = {
        shown.place: run.place
        for one, other in zip(told.lines, history.lines, strict=True)
        for shown_in, runs_of in zip(one.trends, other.trends, strict=True)
        for shown, run in zip(shown_in.runs, runs_of.runs, strict=True)
    }
    return lambda place: link(names[place])


def _worse(history: History) -> int:
    return sum(line.verdict == "regression" for line in history.lines)


def _headline(history: History) -> str:
    """What nobody can tell yet is no clean bill."""
    if worse := _worse(history):
        return f"{worse} of {len(history.lines)} got worse"
    if not history.lines:
        return "No run can be read"
    early = sum(line.verdict == "cannot_tell" for line in history.lines)
    if not early:
        return "Nothing got worse"
    return f"Cannot tell yet of {early} of {len(history.lines)}"


def _head(history: History) -> Markup:
    verdicts = {line.verdict for line in history.lines} or {"cannot_tell"}
    icon, class_, _ = _BADGES[
        next((each for each in ("regression", "cannot_tell") if each in verdicts), "no_regression")
    ]
    words = _headline(history)
    badge = tag(
        "p", tag("span", icon, class_="icon", aria_hidden="true"), tag("strong", words), class_=f"badge {class_}"
    )
    runs = sum(line.runs for line in history.lines)
    newest = max((line.last_started_at for line in history.lines), default="")
    facts = [history.folder, counted(runs, "run"), *([f"the last {day(newest)}"] if newest else [])]
    when = tag("p", *(tag("span", fact) for fact in facts), class_="when")
    return tag("header", badge, tag("div", tag("h1", "History of experiments"), when, class_="titles"), class_="head")


def _key() -> Iterator[Markup]:
    for mark, class_, words in (
        ("●", "dot", "passed"),
        ("●", "dot slow", "passed, and worse than before"),
        ("✕", "cross", "failed, or never ended"),
        ("○", "ring", "proved nothing, or its observer was not sound"),
        ("┄", "usual", "median of the good runs before the newest three"),
        ("│", "anew", "accepted as the new normal from here on"),
    ):
        yield tag("span", tag("span", mark, class_=f"sign {class_}", aria_hidden="true"), f" {words}", class_="entry")


def _line(line: Line, link: Link) -> Markup:
    """Everything about one experiment under its conditions."""
    icon, _, tone = _BADGES[line.verdict]
    said = tag("span", f"{icon} {WORDS[line.verdict].capitalize()}", class_=f"outcome {tone}")
    facts = [
        *([f"profile {line.profile}"] if line.profile else []),
        f"conditions {line.fingerprint[:8]}",
        counted(line.runs, "run"),
        f"the last {line.last_verdict} on {day(line.last_started_at)}",
        f"last good: {line.last_good or 'none'}",
    ]
    parts = [
        tag("h2", line.title, " ", said),
        tag("p", *(tag("span", fact) for fact in facts), class_="when"),
    ]
    for trend in line.trends:
        parts += [_trend(line, trend, link)]
    if line.differs:
        told = "Made under other conditions than the runs before it, which are a line of their own: "
        parts.append(tag("p", f"{told}{differing(line.differs)}.", class_="note"))
    return tag("section", *parts, class_=f"panel line {tone}")


def _trend(line: Line, trend: Trend, link: Link) -> Markup:
    newest = next((run.value for run in reversed(trend.runs) if run.value is not None), None)
    latest = "no value" if newest is None else value_told(newest, trend.unit)
    words = (
        f"Regression since {trend.since}: {trend.why}." if trend.since else f"{trend.why[:1].upper()}{trend.why[1:]}."
    )
    figure = tag(
        "figure",
        tag("figcaption", tag("strong", trend.name), f" {latest}", class_="chart-title"),
        trend_plot(trend, link),
    )
    why = tag("p", words, class_="verdict bad-ink" if trend.verdict == "regression" else "verdict")
    notes = [
        tag("p", f"Accepted: {accepted_told(each, trend.name)}", class_="note accepted") for each in trend.accepted
    ]
    drawn = f", of which the last {MOST} are drawn" if len(trend.runs) > MOST else ""
    summary = tag("summary", f"All {counted(len(trend.runs), 'run')}{drawn}")
    return join(why, *notes, figure, tag("details", summary, _table(line, trend, link)))


def _table(line: Line, trend: Trend, link: Link) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Run", "Began", "Verdict", trend.name, "Remarks")))
    rows = [_row(run, trend, link) for run in reversed(trend.runs)]
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    label = f"{trend.name} of {line.title}, conditions {line.fingerprint[:8]}"
    return tag("div", table, class_="frame", tabindex=0, role="region", aria_label=label)


def _row(run: Ran, trend: Trend, link: Link) -> Markup:
    icon, tone = _VERDICTS.get(run.verdict, ("?", "unsure"))
    href = link(run.place)
    name = tag("a", run.place, href=href) if href else run.place
    remarks = [
        *(["worse"] if run.worse else []),
        *(["accepted"] if run.accepted else []),
        *(["judged now"] if run.place in trend.newest else []),
        *(["held against"] if run.place in trend.good else []),
        *([] if run.counts else ["does not count"]),
    ]
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", day(run.started_at), class_="number"),
        tag("td", tag("span", f"{icon} {run.verdict}", class_=f"outcome {tone}")),
        tag("td", run_told(run, trend.unit), class_="number"),
        tag("td", ", ".join(remarks), class_="why"),
        class_="worse" if run.worse else None,
    )


def _amiss(history: History) -> Markup:
    items = [tag("li", f"{place}: {why}") for place, why in history.unread]
    items += [tag("li", f"{place}: has no result: it still goes on, or was cut off") for place in history.unscored]
    items += [tag("li", note) for note in history.notes]
    if not items:
        return Markup("")
    return tag("section", tag("h2", "What is not in it"), tag("ul", *items), class_="panel note")
