"""`chaosrun compare A B --page FILE`: both releases side by side on one page that needs neither network nor script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chaosrun.charts.picture import Picture
from chaosrun.conditions import Difference
from chaosrun.reports._compare_plots import dots, returns
from chaosrun.reports._comparison import VERDICTS, ratio_of, sample_text, verdict_text
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_shell import asset, document
from chaosrun.reports._page_strip import strip
from chaosrun.reports._safe_text import clean
from chaosrun.reports._story import counted, seconds, story
from chaosrun.scoring.comparison import Comparison, Run, Side
from chaosrun.scoring.contrast import Contrast
from chaosrun.scoring.result import Result

_BADGES: Final = {
    "regression": ("✗", "is-failed"),
    "no_regression": ("✓", "is-passed"),
    "cannot_tell": ("?", "is-inconclusive"),
}


class Shown(NamedTuple):
    """The run of a side that stands for it, with its picture where its records are still there."""

    run: Run
    picture: Picture | None


class OneSide(NamedTuple):
    """A or B, as it was named, with the runs that count."""

    letter: str
    named: str
    side: Side
    results: Sequence[Result]
    shown: Shown


def representative(runs: Sequence[Run]) -> Run:
    """The run in the middle by time to recover (the slower of two); one that never recovered is slower than any."""
    times = sorted(range(len(runs)), key=lambda i: (_ttr(runs[i].result), i))
    return runs[times[len(times) // 2]]


def _ttr(result: Result) -> float:
    ttr = result.recovery.ttr_s
    return float("inf") if ttr is None and not result.recovery.absorbed else ttr or 0.0


def render_page(comparison: Comparison, title: str, a: OneSide, b: OneSide) -> bytes:
    """The page.

    Args:
        title: that of the experiment.
    """
    title = clean(title)
    body = tag(
        "main",
        _head(comparison, title),
        tag("div", _side(a), _side(b), class_="sides"),
        tag("section", tag("h2", "The numbers"), _numbers(comparison), class_="panel"),
        _returns(a, b),
        _differences(comparison),
    )
    styles = [asset(name) for name in ("colours.css", "style.css", "compare.css")]
    return document(f"{VERDICTS[comparison.verdict].lower()}: {title}", body, styles=styles)


def _head(comparison: Comparison, title: str) -> Markup:
    icon, class_ = _BADGES[comparison.verdict]
    badge = tag(
        "p",
        tag("span", icon, class_="icon", aria_hidden="true"),
        tag("strong", VERDICTS[comparison.verdict].capitalize()),
        class_=f"badge {class_}",
    )
    titles = tag(
        "div", tag("h1", title), tag("p", "Is release B worse than release A?", class_="when"), class_="titles"
    )
    reasons = [tag("li", f"{clean(reason)}.") for reason in comparison.reasons]
    return join(tag("header", badge, titles, class_="head"), tag("ul", *reasons, class_="why-verdict"))


# ---- side by side ---------------------------------------------------------------------------------------------------


def _side(side: OneSide) -> Markup:
    run, picture = side.shown
    runs = counted(len(side.side.runs), "run")
    left = [tag("li", clean(f"left out: {each.run}: {each.why}")) for each in side.side.left_out]
    mixed = [tag("li", clean(f"mixed in {each.name}: {each.a} and {each.b}")) for each in side.side.mixed]
    drawn = (
        strip(run.result, picture, f"Clients over the run of {side.letter}")
        if picture is not None
        else tag("p", "What was recorded of this run is not there any more, so it cannot be drawn.", class_="note")
    )
    return tag(
        "section",
        tag("h2", tag("span", side.letter, class_=f"letter {side.letter.lower()}"), f" {clean(side.named)}"),
        tag("p", f"{runs}. Shown: {clean(run.name)}, in the middle by time to recover.", class_="note"),
        tag("dl", *_figures(run.result), class_="figures"),
        drawn,
        *(tag("p", clean(sentence)) for sentence in story(run.result)),
        tag("ul", *left, *mixed, class_="note") if left or mixed else Markup(""),
        class_="panel",
    )


def _figures(result: Result) -> Iterator[Markup]:
    worst = result.recovery
    never = "never" if worst.ttr_censored_above_s is not None else "unknown"
    recover = "no impact" if worst.absorbed else never if worst.ttr_s is None else seconds(worst.ttr_s)
    back = "never" if worst.back_s.never else "-" if worst.back_s.all is None else seconds(worst.back_s.all)
    lost = result.messages.requests.lost_connected
    lost += result.messages.push.lost_connected if result.messages.push else 0
    shown = (("Verdict", result.verdict), ("Time to recover", recover), ("All back after", back), ("Lost", f"{lost:,}"))
    for name, value in shown:
        yield tag("div", tag("dt", name), tag("dd", value))


# ---- the numbers ----------------------------------------------------------------------------------------------------

_COLUMNS: Final = ("Number", "A", "B", "Each run", "B/A (least)", "p", "Verdict")


def _numbers(comparison: Comparison) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in _COLUMNS))
    table = tag("table", tag("thead", head), tag("tbody", *map(_number, comparison.numbers)), class_="numbers")
    note = (
        "The median of the runs with its interval; a dot for each run, A above B, the line at the median. A ratio "
        "above 1 says that B is worse. Numbers in bold decide."
    )
    frame = tag("div", table, class_="frame", tabindex=0, role="region", aria_label="The numbers of both sides")
    return join(tag("p", note, class_="note"), frame)


def _number(number: Contrast) -> Markup:
    p = number.p if number.p_corrected is None else number.p_corrected
    name = clean(number.name)
    cells = [
        sample_text(number.a, number.unit),
        sample_text(number.b, number.unit),
        dots(number),
        ratio_of(number),
        "" if p is None else f"{p:.2g}",
        tag("span", verdict_text(number), class_=f"says {number.verdict}"),
    ]
    head = tag("th", tag("strong", name) if number.decides else name, scope="row")
    return tag("tr", head, *(tag("td", cell) for cell in cells), class_="decides" if number.decides else None)


def _returns(a: OneSide, b: OneSide) -> Markup:
    drawing = returns(a.results, b.results)
    if not drawing:
        return Markup("")
    key = tag("p", tag("span", "A", class_="key a"), tag("span", "B", class_="key b"), class_="strip-key")
    note = (
        "The share of the affected clients that were back, by the time since the fault; a line for each run, straight "
        "between the times at which the first, 50%, 90%, 99% and all of them were back."
    )
    return tag(
        "section", tag("h2", "How clients came back"), tag("p", note, class_="note"), key, drawing, class_="panel"
    )


# ---- what differs ---------------------------------------------------------------------------------------------------


def _differences(comparison: Comparison) -> Markup:
    rows = [
        *_rows("under test", comparison.under_test),
        *_rows("noted", comparison.noted),
    ]
    heading = tag("h2", "What differs")
    if not rows:
        nothing = tag(
            "p", "Nothing that is kept of a run: the same conditions, and the same service as far as is known."
        )
        return tag("section", heading, nothing, class_="panel")
    head = tag("tr", *(tag("th", name, scope="col") for name in ("What", "Kind", "A", "B")))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    frame = tag("div", table, class_="frame", tabindex=0, role="region", aria_label="What differs between A and B")
    return tag("section", heading, frame, class_="panel")


def _rows(kind: str, found: Sequence[Difference]) -> Iterator[Markup]:
    for each in found:
        cells = (kind, each.a or "(not set)", each.b or "(not set)")
        yield tag("tr", tag("th", clean(each.name), scope="row"), *(tag("td", clean(cell)) for cell in cells))
