"""What was sent and what came back, as rows of the summary: the ledgers of requests and pushes, and the latencies."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from chaosrun.scoring.result import Latency, Malformed, Messages, Push, Quantiles, Requests, Result

Row = tuple[str, RenderableType]
"""A label and what stands beside it."""


# ---- messages -------------------------------------------------------------------------------------------------------


def messages(result: Result) -> list[Row]:
    """The ledgers of requests and pushes, per group where there are several."""
    if len(result.groups) < 2:
        return _ledgers("", result.messages)
    return [row for name, group in result.groups.items() for row in _ledgers(f"{name}: ", group.messages)]


def _ledgers(prefix: str, messages: Messages) -> list[Row]:
    rows: list[Row] = []
    if messages.requests.due:
        rows.append(("Requests", _classes(prefix, messages.requests.due, "due", _request_classes(messages.requests))))
    if messages.push is not None:
        rows.append(("Pushes", _classes(prefix, messages.push.owed, "owed", _push_classes(messages.push))))
        notes = _push_notes(messages.push)
        if notes:
            rows.append(("", Text(notes, style="yellow")))
    if messages.malformed is not None and messages.malformed.count:
        rows.append(("Malformed", Text(f"{prefix}{_malformed(messages.malformed)}", style="yellow")))
    return rows


def _malformed(malformed: Malformed) -> str:
    messages = "message" if malformed.count == 1 else "messages"
    why = f"; first: {malformed.first}" if malformed.first else ""
    return f"{malformed.count:,} {messages} could not be accepted{why}"


def _request_classes(requests: Requests) -> list[tuple[int | None, str, str]]:
    """(count, what, style when it is not 0) of each class, in the order of the equation."""
    return [
        (requests.replied_in_time, "in time", ""),
        (requests.replied_late, "late", "yellow"),
        (requests.replied_error, "error reply", "red"),
        (requests.lost_connected, "lost while connected", "red"),
        (requests.lost_at_break, "reply lost at the break", "yellow"),
        (requests.skipped_disconnected, "not sent, disconnected", "yellow"),
        (requests.skipped_observer, "not sent by us", "red"),
        (requests.in_flight_at_end, "in flight at the end", "yellow"),
    ]


def _push_classes(push: Push) -> list[tuple[int | None, str, str]]:
    return [
        (push.live, "live", ""),
        (push.replayed, "replayed", ""),
        (push.lost_connected, "lost while connected", "red"),
        (push.missed_disconnected, "missed while away", "yellow"),
        (push.conflated, "conflated", ""),
        (push.tail, "lost at the end", "yellow"),
        (push.in_flight_at_end, "in flight at the end", "yellow"),
        (push.duplicates, "twice", "yellow"),
        (push.reordered, "out of order", "yellow"),
        (push.unexpected, "not owed", "yellow"),
    ]


def _classes(prefix: str, total: int, name: str, classes: list[tuple[int | None, str, str]]) -> Text:
    """The total and its classes. The losses that are the point of it are said even when they are 0."""
    text = Text(f"{prefix}{total:,} {name}: ")
    said = [(count, what, style) for count, what, style in classes if count != 0 or what == "lost while connected"]
    for place, (count, word, style) in enumerate(said):
        share = f" ({count / total:.2%})" if count and total and style else ""
        number = "unknown" if count is None else f"{count:,}"
        what = word if count == 1 else word.replace("reply", "replies")
        text.append(", " if place else "").append(f"{number} {what}{share}", style=style if count else "")
    return text


def _push_notes(push: Push) -> str:
    """Why the push numbers may be less than the whole truth."""
    notes = []
    if not push.accountable:
        notes.append(f"not all can be accounted for: {push.why}" if push.why else "not all can be accounted for")
    if push.unaccountable:
        notes.append(f"{push.unaccountable:,} unaccountable")
    return "; ".join(notes)


# ---- latency --------------------------------------------------------------------------------------------------------


def latency(result: Result) -> list[Row]:
    """Response, service and push times over the whole run, per group where there are several."""
    if len(result.groups) < 2:
        named = [("", result.latency_ms)]
    else:
        named = [(f"{name} ", group.latency_ms) for name, group in result.groups.items()]
    rows = [row for prefix, times in named for row in latency_rows(prefix, times)]
    if not rows:
        return []
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=21)
    for _ in range(6):
        table.add_column(justify="right", min_width=5)
    table.add_row("ms", "p50", "p90", "p99", "p99.9", "max", "never", style="dim")
    for name, quantiles in rows:
        table.add_row(name, *quantiles_told(quantiles))
    omitted = result.latency_ms.push_omitted
    return [("Latency", table), *([("", Text(f"push: {omitted}", style="yellow"))] if omitted else [])]


def latency_rows(prefix: str, latency: Latency) -> list[tuple[str, Quantiles]]:
    """Corrected beside uncorrected: what users waited, and what the service took once it was asked.

    The words are those of the metrics, `response_p99` and `service_p99`.
    """
    everything = [
        ("response (corrected)", latency.response.get("all")),
        ("service (uncorrected)", latency.service.get("all")),
        ("push", (latency.push or {}).get("all")),
    ]
    return [(f"{prefix}{name}", found) for name, found in everything if found is not None and found.count]


def quantiles_told(quantiles: Quantiles) -> list[str]:
    """In the order of the columns: p50, p90, p99, p99.9, max, and how many waits never ended."""
    numbers = (quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p999)
    return [*(_ms(value, quantiles.censored) for value in numbers), _ms(quantiles.max, 0), f"{quantiles.censored:,}"]


def _ms(value: float | None, censored: int) -> str:
    """Waits that never ended rank last: a quantile that falls among them is none of the times that were seen."""
    if value is None:
        return "never" if censored else "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
