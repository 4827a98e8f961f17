"""The first screen of the page: verdict, story, the clients in a strip, big figures, criteria, and what to do next."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from chaosrun.charts.picture import Picture
from chaosrun.reports._against import against_lines
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_strip import strip
from chaosrun.reports._page_words import NO_VALUE
from chaosrun.reports._story import counted, headline, seconds, story, with_error
from chaosrun.scoring.result import Criterion, Finding, Result
from chaosrun.scoring.words import show

_ICONS: Final = {"passed": "✓", "failed": "✗", "inconclusive": "?", "aborted": "■", "dirty": "!"}
_STEPS: Final = ("What was done", "How it recovered", "Who was hurt")
_REASONS: Final = 3
"""More reasons than that are counted; every one is in the table of criteria, or among the checks."""


def first_screen(result: Result, picture: Picture) -> Markup:
    return join(_head(result), _story(result), strip(result, picture), _figures(result), _judgement(result))


def title(result: Result) -> str:
    return f"{result.verdict}: {result.title}"


# ---- verdict and story ----------------------------------------------------------------------------------------------


def _head(result: Result) -> Markup:
    badge = tag(
        "p",
        tag("span", _ICONS.get(result.verdict, "?"), class_="icon", aria_hidden="true"),
        tag("strong", result.verdict.capitalize()),
        class_=f"badge {_kind(result.verdict)}",
    )
    return tag(
        "header",
        badge,
        tag("div", tag("h1", result.title), tag("p", *_when(result), class_="when"), class_="titles"),
        tag("button", "Theme: auto", id="theme", type="button", hidden=True),
        class_="head",
    )


def _kind(verdict: str) -> str:
    """The verdict as a class name: that of a later version is drawn like an unknown one."""
    return f"is-{verdict}" if verdict in _ICONS else "is-inconclusive"


def _when(result: Result) -> list[Markup]:
    parts = [
        _instant(result.started_at),
        seconds(result.duration_s),
        counted(result.clients.planned, "client"),
        f"profile {result.profile}" if result.profile else "",
        f"tags {', '.join(result.tags)}" if result.tags else "",
    ]
    return [tag("span", part) for part in parts if part]


def _instant(started_at: str) -> str:
    try:
        return datetime.fromisoformat(started_at).strftime("%d %b %Y, %H:%M:%S UTC")
    except ValueError:
        return started_at


def _story(result: Result) -> Markup:
    sentences = story(result)
    labels = _STEPS if len(sentences) == len(_STEPS) else ("In short", *[""] * len(sentences))
    items = [tag("dt", "Verdict"), tag("dd", f"{_sentence(headline(result))}", *_reasons(result))]
    for label, sentence in zip(labels, sentences, strict=False):
        items += [tag("dt", label), tag("dd", sentence)]
    return tag("section", tag("dl", *items), class_="story", aria_label="The story")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _reasons(result: Result) -> list[Markup]:
    if result.verdict == "passed" or not result.reasons:
        return []
    shown = [tag("li", reason) for reason in result.reasons[:_REASONS]]
    if (more := len(result.reasons) - _REASONS) > 0:
        shown.append(tag("li", f"and {counted(more, 'more reason')}"))
    return [tag("ul", *shown, class_="reasons")]


# ---- big figures ----------------------------------------------------------------------------------------------------


class Figure(NamedTuple):
    label: str
    value: str
    note: str
    grave: bool = False
    """It is bad news by itself."""


def _figures(result: Result) -> Markup:
    of_what = _of_faults if any(fault.call_s is not None for fault in result.faults) else _of_load
    cards = [
        tag(
            "div",
            tag("dt", figure.label),
            tag("dd", figure.value, class_="value grave" if figure.grave else "value"),
            tag("dd", figure.note, class_="note"),
            class_="card",
        )
        for figure in of_what(result)
    ]
    return tag("section", tag("dl", *cards, class_="cards"), aria_label="The main figures")


def _of_faults(result: Result) -> list[Figure]:
    worst = result.recovery
    back = worst.back_s
    times = [("50%", back.p50), ("90%", back.p90), ("99%", back.p99)]
    # No line is broken within one of them.
    returns = " · ".join(
        f"{name} {seconds(value)}".replace(" ", "\N{NO-BREAK SPACE}") for name, value in times if value is not None
    )
    affected = worst.affected_clients
    hurt = "unknown" if affected is None else f"{affected:,} of {result.clients.planned:,}"
    after = "all came back" if affected else "nobody went unanswered"
    share = None if worst.lost_client_seconds is None else worst.lost_client_seconds / max(1, result.clients.planned)
    return [
        _time_to_recover(result),
        Figure(
            "All clients back after",
            "never" if back.never else NO_VALUE if back.all is None else seconds(back.all),
            returns or "no client had to come back",
            grave=bool(back.never),
        ),
        Figure(
            "Clients hurt", hurt, f"{back.never:,} never came back" if back.never else after, grave=bool(back.never)
        ),
        _lost(result),
        Figure(
            "Lost client-seconds",
            "unknown" if worst.lost_client_seconds is None else show(worst.lost_client_seconds, "count"),
            "" if share is None else f"{seconds(share)} for each client, while it was observed",
        ),
    ]


def _time_to_recover(result: Result) -> Figure:
    worst = result.recovery
    within = next((c for c in result.criteria if c.source == "recovery" and c.metric == "ttr"), None)
    limit = f"limit {within.written or seconds(within.limit)}" if within is not None else "no limit was set"
    missed = within is not None and within.outcome is False
    label = "Time to recover"
    if worst.absorbed:
        return Figure(label, "0 s", "absorbed: no impact was seen")
    if worst.ttr_s is not None:
        error = f"± {show(worst.error_s, 's')} · " if worst.error_s else ""
        return Figure(label, seconds(worst.ttr_s), f"{error}{limit}", grave=missed)
    if worst.ttr_censored_above_s is not None:
        return Figure(label, f"> {seconds(worst.ttr_censored_above_s)}", f"not seen to recover · {limit}", grave=True)
    return Figure(label, "unknown", limit)


def _lost(result: Result) -> Figure:
    requests, push = result.messages.requests.lost_connected, result.messages.push
    lost = requests + (push.lost_connected if push else 0)
    apart = [f"{requests:,} of {counted(result.messages.requests.sent, 'request')}"]
    if push is not None:
        apart.append(f"{push.lost_connected:,} of {push.owed:,} pushes")
    return Figure("Lost while connected", f"{lost:,}", ", ".join(apart), grave=lost > 0)


def _of_load(result: Result) -> list[Figure]:
    """Without a fault: how much was asked for, and how it was served."""
    requests, clients = result.messages.requests, result.clients
    response = result.latency_ms.response.get("all")
    p99 = None if response is None or response.p99 is None else response.p99 / 1000
    good = requests.replied_in_time / requests.due if requests.due else None
    return [
        Figure("Clients usable", f"{clients.peak_usable or 0:,}", f"at most, of {clients.planned:,} planned"),
        Figure(
            "Answered in time", NO_VALUE if good is None else show(good, "ratio"), f"of {requests.due:,} requests due"
        ),
        Figure("Response p99", "unknown" if p99 is None else seconds(p99), "from the due time, as users waited"),
        _lost(result),
        Figure("Disconnects", f"{clients.unexpected_disconnects:,}", "that nobody asked for"),
    ]


# ---- criteria and findings ------------------------------------------------------------------------------------------


def _judgement(result: Result) -> Markup:
    return tag("div", _criteria(result), _findings(result.findings), class_="judgement")


class Outcome(NamedTuple):
    icon: str
    word: str
    class_: str


def _outcome(criterion: Criterion) -> Outcome:
    match criterion.outcome, criterion.tier:
        case False, "critical":
            return Outcome("✗", "critical", "bad")
        case False, _:
            return Outcome("✗", "broken", "bad")
        case None, _:
            return Outcome("?", "unknown", "unsure")
        case _, "warning":
            return Outcome("!", "warning", "unsure")
        case _:
            return Outcome("✓", "held", "good")


def _criteria(result: Result) -> Markup:
    heading = tag("h2", "Criteria", id="criteria")
    if not result.criteria:
        return tag("section", heading, tag("p", "None: nothing was judged."), class_="panel criteria")
    # What needs attention first; what held keeps its order.
    amiss = sorted(result.criteria, key=lambda c: (c.outcome is True and c.tier != "warning", c.outcome is not False))
    names = ("Outcome", "Criterion", "Window", "Limit", "Value")
    head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in names), role="row")
    several = len(result.groups) > 1
    table = tag(
        "table",
        tag("thead", head, role="rowgroup"),
        tag("tbody", *(_criterion(each, several) for each in amiss), role="rowgroup"),
        class_="stacks",
        role="table",
        aria_labelledby="criteria",
    )
    held = [tag("p", f"{told}.", class_="why") for told in against_lines(result)]
    return tag("section", heading, table, *held, class_="panel criteria")


def _criterion(criterion: Criterion, several: bool) -> Markup:
    """A row; why it did not hold, or cannot be told, or holds without a value, stands below its name."""
    seen = _outcome(criterion)
    value = NO_VALUE if criterion.value is None else with_error(criterion.value, criterion.error, criterion.unit)
    limit = criterion.written or ("" if criterion.limit is None else show(criterion.limit, criterion.unit))
    of = criterion.role or (criterion.group if several else None)
    named = criterion.name if of is None or of in criterion.name else f"{criterion.name} of {of}"
    plain = seen.class_ == "good" and criterion.value is not None
    why = Markup("") if plain else tag("p", criterion.why, class_="why")
    outcome = join(tag("span", seen.icon, class_="icon", aria_hidden="true"), f" {seen.word}")
    cells = [
        tag("td", tag("span", outcome, class_=f"outcome {seen.class_}"), role="cell"),
        tag("th", named, why, scope="row", role="rowheader", class_="name"),
        tag("td", criterion.window, role="cell", data_label="Window"),
        tag("td", limit, role="cell", data_label="Limit", class_="limit"),
        tag("td", value, role="cell", data_label="Value", class_="number"),
    ]
    return tag("tr", *cells, role="row")


def _findings(findings: list[Finding]) -> Markup:
    heading = tag("h2", "What to do next")
    if not findings:
        nothing = tag("p", "Nothing: no rule found a bottleneck, a loss or a doubt in this run.")
        return tag("section", heading, nothing, class_="panel findings")
    items = [
        tag(
            "li",
            tag("p", tag("span", each.severity, class_="severity"), tag("strong", each.title), class_="finding"),
            tag("p", each.action, class_="action"),
            tag("p", each.evidence, class_="evidence"),
            class_=each.severity if each.severity in ("critical", "warning") else "info",
        )
        for each in findings
    ]
    return tag("section", heading, tag("ol", *items), class_="panel findings")
