"""Below the charts, for the second look: messages, latencies, episodes, the observer's checks, and what was run."""

from __future__ import annotations

from collections.abc import Sequence

from chaosrun.reports._clocks import HEADS, clock_rows, clocks_told
from chaosrun.reports._markup import Markup, join, tag
from chaosrun.reports._page_words import CLASSES, NO_VALUE
from chaosrun.reports._story import seconds, with_error
from chaosrun.scoring.result import Check, EpisodeReport, Messages, NodeClocks, Quantiles, Result
from chaosrun.scoring.words import show

Rows = Sequence[Sequence[str]]


def details(result: Result) -> Markup:
    """All that was counted."""
    parts = [
        _folded("Messages, each in one class", _messages(result)),
        _folded("Latencies", _latencies(result)),
        _folded("Episodes", _episodes(result)) if len(result.recovery.episodes) > 1 else Markup(""),
        _folded("Checks of the observer", _checks(result.observer.checks)),
        _folded("Clocks of the nodes", _clocks(result.observer.clocks)),
        _folded("What was run, and where", _where(result)),
    ]
    return tag("section", tag("h2", "All the numbers"), *parts, id="numbers")


def _folded(name: str, content: Markup) -> Markup:
    return tag("details", tag("summary", name), content, class_="panel") if content else Markup("")


def _table(label: str, names: Sequence[str], rows: Rows) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    body = [tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest)) for first, *rest in rows]
    table = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", table, class_="frame", tabindex=0, role="region", aria_label=label) if rows else Markup("")


# ---- messages and latencies -----------------------------------------------------------------------------------------


def _messages(result: Result) -> Markup:
    parts = [_requests(name, group.messages) for name, group in result.groups.items()]
    parts += [_pushes(name, group.messages) for name, group in result.groups.items()]
    return join(*parts)


def _requests(group: str, messages: Messages) -> Markup:
    ledger = messages.requests
    if not ledger.due:
        return Markup("")
    answered = ("replied_late", "replied_error")
    names = (
        "skipped_disconnected",
        "skipped_observer",
        *answered,
        "lost_connected",
        "lost_at_break",
        "in_flight_at_end",
    )
    rows = [("replied in time", *_share(ledger.replied_in_time, ledger.due))]
    rows += [(CLASSES[name], *_share(getattr(ledger, name), ledger.due)) for name in names]
    return _table(f"Requests of {group}", (f"Requests of {group}", f"{ledger.due:,} due", "share"), rows)


def _pushes(group: str, messages: Messages) -> Markup:
    push = messages.push
    if push is None:
        return Markup("")
    names = ("live", "replayed", "lost_connected", "missed_disconnected", "conflated", "tail", "in_flight_at_end")
    rows = [(CLASSES.get(name, name), *_share(getattr(push, name), push.owed)) for name in names]
    rows += [
        (name, f"{getattr(push, name):,}", "") for name in ("duplicates", "reordered", "unexpected", "unaccountable")
    ]
    table = _table(f"Pushes of {group}", (f"Pushes of {group}", f"{push.owed:,} owed", "share"), rows)
    return join(table, tag("p", push.why, class_="note")) if push.why else table


def _share(count: int | None, total: int) -> tuple[str, str]:
    if count is None:
        return "unknown", ""
    return f"{count:,}", f"{count / total:.2%}" if total else ""


def _latencies(result: Result) -> Markup:
    rows = [
        (f"{prefix}{kind}, {window}", *_quantiles(found))
        for name, group in result.groups.items()
        for prefix in (f"{name}: " if len(result.groups) > 1 else "",)
        for kind, windows in (
            ("response", group.latency_ms.response),
            ("service", group.latency_ms.service),
            ("push", group.latency_ms.push or {}),
        )
        for window, found in windows.items()
        if found.count
    ]
    names = ("in ms", "count", "p50", "p90", "p99", "p99.9", "max", "never")
    note = tag(
        "p", "Response: from the instant a request was due. Service: from the instant it was sent.", class_="note"
    )
    omitted = result.latency_ms.push_omitted
    left_out = tag("p", f"Push: {omitted}.", class_="note") if omitted else Markup("")
    return join(_table("Latencies", names, rows), note, left_out) if rows else Markup("")


def _quantiles(found: Quantiles) -> list[str]:
    values = (found.p50, found.p90, found.p99, found.p999, found.max)
    return [
        f"{found.count:,}",
        *(NO_VALUE if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values),
        f"{found.censored:,}",
    ]


# ---- episodes, checks, surroundings ---------------------------------------------------------------------------------


def _episodes(result: Result) -> Markup:
    names = ("episode", "time to recover", "all back after", "clients hurt", "never back", "lost client-seconds")
    rows = [(str(i + 1), *_episode(each)) for i, each in enumerate(result.recovery.episodes)]
    return _table("Episodes", names, rows)


def _episode(episode: EpisodeReport) -> list[str]:
    if episode.ttr_s is not None:
        ttr = with_error(episode.ttr_s, episode.error_s)
    else:
        ttr = "unknown" if episode.ttr_censored_above_s is None else f"> {seconds(episode.ttr_censored_above_s)}"
    lost = episode.lost_client_seconds
    hurt = "unknown" if episode.affected_clients is None else f"{episode.affected_clients:,}"
    never = f"{episode.back_s.never:,}"
    return [
        ttr,
        NO_VALUE if episode.back_s.all is None else seconds(episode.back_s.all),
        hurt,
        never,
        "unknown" if lost is None else show(lost, "count"),
    ]


def _checks(checks: Sequence[Check]) -> Markup:
    rows = [
        (
            check.name,
            check.outcome or "not checked",
            NO_VALUE if check.value is None else show(check.value, check.unit),
            NO_VALUE if check.limit is None else show(check.limit, check.unit),
            check.why,
        )
        for check in checks
    ]
    return _table("Checks of the observer", ("check", "outcome", "value", "limit", "why"), rows)


def _clocks(clocks: NodeClocks | None) -> Markup:
    if clocks is None:
        return Markup("")
    table = _table("Clocks of the nodes", HEADS, clock_rows(clocks))
    return join(table, *(tag("p", line, class_="note") for line in clocks_told(clocks)))


def _where(result: Result) -> Markup:
    env = result.environment
    rows = [
        ("experiment", f"sha256 {result.experiment_sha256}"),
        ("fingerprint of the conditions", result.fingerprint or "unknown"),
        ("machine", f"{env.host or 'unknown'}, {env.cpus or '?'} CPUs, kernel {env.kernel or 'unknown'}"),
        ("memory", "unknown" if env.memory_bytes is None else show(env.memory_bytes, "bytes")),
        ("Python", env.python or "unknown"),
        *(
            (f"fault {fault.name}", f"{fault.kind}{f' of {fault.role}' if fault.role else ''}")
            for fault in result.faults
        ),
        *(
            (f"tolerance of {name}", f"held {seconds(own.stable_for_s)}; latency limit {seconds(own.latency_limit_s)}")
            for name, own in result.tolerance.items()
        ),
    ]
    return _table("What was run", ("what", "value"), rows)
