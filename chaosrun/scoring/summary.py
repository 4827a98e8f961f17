"""The counts and latencies of a result, for one group and for all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.node_clocks import clock_bound, is_given, omitted
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.pushes import PushLedger
from chaosrun.scoring.requests import RequestLedger
from chaosrun.scoring.result import (
    Canaries,
    Clients,
    GroupReport,
    Latency,
    Malformed,
    Messages,
    Push,
    Quantiles,
    Requests,
)
from chaosrun.scoring.result import milliseconds as ms
from chaosrun.scoring.steps import Steps

Span = tuple[int, int]

SHOWN = ("ramp", "warmup", "baseline", "fault", "recovery", "after", "rollback", "verify", "ramp_down")
"""The phases in which requests are due."""


def group_report(group: GroupEvidence) -> GroupReport:
    return GroupReport(clients=clients([group]), messages=messages([group]), latency_ms=latency([group]))


# ---- clients --------------------------------------------------------------------------------------------------------


def clients(groups: Sequence[GroupEvidence]) -> Clients:
    """What became of the clients of some groups."""
    history = groups[0].history
    found = [group.connections_in(0, history.end) for group in groups]
    causes: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for each in found:
        causes.update(each.by_cause)
        refusals.update(each.refused_by)
    return Clients(
        planned=sum(group.plan.clients for group in groups),
        peak_usable=_peak([group.timeline.usable for group in groups], history.end),
        attempts=sum(each.attempts for each in found),
        refused=refusals.total(),
        refused_by=dict(sorted(refusals.items())),
        needs=sum(each.needs for each in found),
        needs_met=sum(each.needs_met for each in found),
        unexpected_disconnects=causes.total(),
        reconnects=sum(each.reconnects for each in found),
        by_cause=dict(sorted(causes.items())),
    )


def _peak(usable: Sequence[Steps], end: int) -> int:
    """The most clients that were usable at one instant, over all groups."""
    deltas = []
    for steps in usable:
        before = 0
        for start, _, value in steps.pieces(0, end):
            deltas.append((start, value - before))
            before = value
    return Steps.from_deltas(deltas).maximum(0, end) or 0


# ---- messages -------------------------------------------------------------------------------------------------------


def messages(groups: Sequence[GroupEvidence]) -> Messages:
    """The ledgers, summed over groups. Pushes are null where no group listens to any."""
    ledgers = [group.pushes.ledger for group in groups if group.pushes is not None]
    requests = [group.timeline.requests.ledger for group in groups]
    return Messages(
        requests=_requests(requests), push=_pushes(ledgers) if ledgers else None, malformed=_malformed(groups)
    )


def _malformed(groups: Sequence[GroupEvidence]) -> Malformed | None:
    history = groups[0].history
    if history.malformed_in is None:
        return None
    numbers = {group.g for group in groups}
    first = next((line.why for line in history.malformed if line.g in numbers), None)
    return Malformed(count=sum(history.malformed_in[g] for g in numbers), first=first)


def _requests(ledgers: Sequence[RequestLedger]) -> Requests:
    counts = {
        name: sum(getattr(ledger, name) for ledger in ledgers)
        for name in Requests.__struct_fields__
        if name != "canaries"
    }
    return Requests(
        **counts,
        canaries=Canaries(
            sent=sum(ledger.canaries_sent for ledger in ledgers),
            good=sum(ledger.canaries_good for ledger in ledgers),
            sentinels=sum(ledger.sentinels for ledger in ledgers),
        ),
    )


_SOURCES = ("log", "counter", "seen", "lower_bound")
"""Best first."""


def _pushes(ledgers: Sequence[PushLedger]) -> Push:
    """The sum; what is unknown in one group is unknown in all, and the poorest source counts.

    Two exceptions keep the equations: copies that one group could not tell apart from `live` are in the sum of `live`,
    and a tail that is known counts even where another group's is not.
    """
    words = ("source", "accountable", "why")
    counts = {name: _total(ledgers, name) for name in Push.__struct_fields__ if name not in words}
    if counts["replayed"] is None:
        counts["live"] = sum((ledger.live or 0) + (ledger.replayed or 0) for ledger in ledgers)
    if counts["tail"] is None:
        counts["tail"] = sum(ledger.tail or 0 for ledger in ledgers) or None
    sources = [ledger.source for ledger in ledgers if ledger.source is not None]
    return msgspec.convert(
        {
            **counts,
            "source": max(sources, key=_SOURCES.index, default=None),
            "accountable": all(ledger.accountable for ledger in ledgers),
            "why": "; ".join(dict.fromkeys(ledger.why for ledger in ledgers if ledger.why)),
        },
        Push,
    )


def _total(ledgers: Sequence[PushLedger], name: str) -> float | None:
    values = [getattr(ledger, name) for ledger in ledgers]
    return None if None in values else sum(values)


# ---- latency --------------------------------------------------------------------------------------------------------


def latency(groups: Sequence[GroupEvidence]) -> Latency:
    """Merged over groups; by phase, and `all` for the whole run."""
    history = groups[0].history
    spans = {"all": (0, history.load_stopped)}
    spans |= {name: span for name in SHOWN if (span := phase_span(history, name)) is not None}
    for group in groups:
        group.read_pushes(spans.values())
    bound = clock_bound(history)
    push = _by_phase(spans, lambda span: _push(groups, span))
    given = {name: one_way(found, bound) for name, found in push.items()}
    everything = [window for group in groups if (window := group.requests_in(*spans["all"])) is not None]
    return Latency(
        response=_by_phase(spans, lambda span: _response(groups, span)),
        service=_by_phase(spans, lambda span: _service(groups, span)),
        push=given or None,
        connect=quantiles(_merged(group.connections_in(*spans["all"]).connect for group in groups)),
        lateness=quantiles(_merged(window.lateness for window in everything)),
        push_error=ms(bound) if given and bound else None,
        push_omitted=omitted(bound) if given != push else "",
    )


def _by_phase(spans: dict[str, Span], read: Callable[[Span], Quantiles]) -> dict[str, Quantiles]:
    found = {name: read(span) for name, span in spans.items()}
    return {name: read for name, read in found.items() if read.count or read.censored}


def _response(groups: Sequence[GroupEvidence], span: Span) -> Quantiles:
    windows = [window for group in groups if (window := group.requests_in(*span)) is not None]
    return quantiles(_merged(w.response for w in windows), sum(w.censored for w in windows))


def _service(groups: Sequence[GroupEvidence], span: Span) -> Quantiles:
    return quantiles(_merged(w.service for group in groups if (w := group.requests_in(*span)) is not None))


def _push(groups: Sequence[GroupEvidence], span: Span) -> Quantiles:
    return quantiles(_merged(w.latency for group in groups if (w := group.pushes_in(*span)) is not None))


def _merged(histograms: Iterable[Histogram]) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def one_way(found: Quantiles, bound: int | None) -> Quantiles:
    """Without the numbers of which the clocks of the nodes tell too little."""
    times = {name: getattr(found, name) for name in ("mean", "p50", "p90", "p95", "p99", "p999", "max")}
    unknown = [name for name, time in times.items() if time is not None and not is_given(round(time * 1e6), bound)]
    return replace(found, **dict.fromkeys(unknown)) if unknown else found


def quantiles(histogram: Histogram, censored: int = 0) -> Quantiles:
    """In milliseconds. Waits that never ended rank last: a quantile that falls among them is null."""

    def at(q: float) -> float | None:
        return ms(histogram.quantile(q, beyond=censored))

    return Quantiles(
        count=histogram.count,
        mean=ms(histogram.mean),
        p50=at(0.5),
        p90=at(0.9),
        p95=at(0.95),
        p99=at(0.99),
        p999=at(0.999),
        max=ms(histogram.max),
        censored=censored,
    )
