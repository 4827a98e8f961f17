"""Was the baseline a baseline? Long enough, the same from one half to the other, and with room for strays.

Not steady before the fault means: no fault. A check of the baseline that fails clouds no single number: it takes away
what all are compared with, and makes the run inconclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from chaosrun.scoring.checks import SECOND, Check
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.ratio import exact
from chaosrun.scoring.requests import RequestWindow
from chaosrun.scoring.sessions import asks
from chaosrun.scoring.statistics import clopper_pearson
from chaosrun.scoring.steps import Interval, Steps, merged
from chaosrun.scoring.tolerance import Steadiness, baseline_steadiness
from chaosrun.scoring.words import show

_DRIFT = 0.2
_RATE_DRIFT = 0.2
_RATE_CONFIDENCE = 0.999
"""One steady baseline in a thousand may be taken for an unsteady one."""
_DRIFT_FLOOR = 0.01
"""A drift of less than this share of the latency limit is no news: microseconds drift by a half for no reason."""


def check_baseline(evidence: Evidence) -> Iterator[Check]:
    """All checks of the baseline; of a run that never got there, that it did not."""
    span = phase_span(evidence.history, "baseline")
    for group in evidence.groups:
        if span is None:
            yield Check(name=f"baseline of {group.plan.name}", grade="invalid", why="the run never got to its baseline")
            continue
        if asks(group.plan):
            yield long_enough(group, *span)
            yield from _of_requests(group, *span)
        if group.pushes is not None:
            yield fresh(group, *span)
            yield rates_agree(group, *span)


def long_enough(group: GroupEvidence, start: int, end: int) -> Check:
    """At least one event window: shorter, and tolerance cannot be looked at even once."""
    length, window = end - start, group.plan.window_ns
    return Check(
        name=f"length of the baseline of {group.plan.name}",
        value=length / SECOND,
        limit=window / SECOND,
        unit="s",
        grade="ok" if length >= window else "invalid",
        why="" if length >= window else "baseline too short: shorter than the event window",
    )


def _of_requests(group: GroupEvidence, start: int, end: int) -> Iterator[Check]:
    yield room_for_strays(group)
    middle = (start + end) // 2
    first, second = group.requests_in(start, middle), group.requests_in(middle, end)
    if first is not None and second is not None:
        yield halves_agree(group.plan.name, first, second)
        yield drift(group, first, second)


def room_for_strays(group: GroupEvidence) -> Check:
    """`m + 4 sqrt(m) <= l n`: bad slots as frequent as in the baseline stay in tolerance, by four deviations."""
    steady = baseline_steadiness(group.history, group.timeline)
    assert steady is not None, "there is a baseline, and the group asks"
    return Check(
        name=f"bad slots of {group.plan.name} in a window of the baseline",
        value=steady.bad + 4 * sqrt(steady.bad),
        limit=steady.tolerated,
        grade="ok" if steady.steady else "invalid",
        why="" if steady.steady else _unsteady(steady),
    )


def _unsteady(steady: Steadiness) -> str:
    if steady.slots == 0:
        return "nothing was due"
    return (
        f"{steady.bad:.3g} bad of {steady.slots:.3g} slots per window, and four deviations, are more than the "
        f"{steady.tolerated:.3g} tolerated"
    )


def halves_agree(name: str, first: RequestWindow, second: RequestWindow) -> Check:
    """The 95% intervals of the two halves' bad shares have something in common; the value is their distance."""
    halves = [(half.ledger.bad, half.ledger.good + half.ledger.bad) for half in (first, second)]
    check = f"halves of the baseline of {name}"
    if any(n == 0 for _, n in halves):
        return Check(name=check, limit=0, unit="ratio")
    (low, high), (other_low, other_high) = (clopper_pearson(k, n) for k, n in halves)
    apart = max(0.0, low - other_high, other_low - high)
    told = " and ".join(f"{k} of {n}" for k, n in halves)
    return Check(
        name=check,
        value=apart,
        limit=0,
        unit="ratio",
        grade="invalid" if apart > 0 else "ok",
        why=f"they disagree: {told} slots were bad" if apart > 0 else "",
    )


def drift(group: GroupEvidence, first: RequestWindow, second: RequestWindow) -> Check:
    """How far the median response moved from one half to the other, as a share of the first."""
    name = f"drift of the median response of {group.plan.name} in the baseline"
    before = first.response.quantile(0.5, beyond=first.censored)
    after = second.response.quantile(0.5, beyond=second.censored)
    if not before or after is None:
        return Check(name=name, limit=_DRIFT, unit="ratio")
    moved = abs(after - before)
    told = f"from {show(before / SECOND, 's')} to {show(after / SECOND, 's')}"
    drifted = moved / before > _DRIFT and moved > _DRIFT_FLOOR * group.plan.latency_limit_ns
    return Check(
        name=name,
        value=moved / before,
        limit=_DRIFT,
        unit="ratio",
        grade="invalid" if drifted else "ok",
        why="" if moved / before <= _DRIFT else told if drifted else f"{told}: too little to matter",
    )


def fresh(group: GroupEvidence, start: int, end: int) -> Check:
    """The most clients that were stale at once and could have known it before the baseline was over."""
    assert group.pushes is not None
    by_client: dict[int, list[Interval]] = {}
    for still in group.pushes.stale:
        since = max(start, still.noticed)
        if since < min(end, still.end):
            by_client.setdefault(still.client, []).append((since, min(end, still.end)))
    stale = Steps.counting(span for spans in by_client.values() for span in merged(spans))
    most = stale.maximum(start, end) or 0
    tolerated = exact(group.plan.tolerate_pushes) * group.plan.clients
    channels = sorted({still.channel for still in group.pushes.stale if still.noticed < end and still.end > start})
    return Check(
        name=f"stale clients of {group.plan.name} in the baseline",
        value=most,
        limit=float(tolerated),
        grade="invalid" if most > tolerated else "ok",
        why=f"nothing fresh for too long on {', '.join(channels)}" if most > tolerated else "",
    )


def rates_agree(group: GroupEvidence, start: int, end: int) -> Check:
    """How far the rate of messages moved from one half to the other, as a share of the first.

    Messages of one client on average: what is sent to all at once is one event, not one for each of them. The halves
    disagree when an even split is outside the exact interval of their shares as well.
    """
    name = f"drift of the message rate of {group.plan.name} in the baseline"
    middle = (start + end) // 2
    halves = [group.pushes_in(start, middle), group.pushes_in(middle, end)]
    first, second = (0 if half is None else round(half.count / group.plan.clients) for half in halves)
    if not first + second:
        return Check(name=name, limit=_RATE_DRIFT, unit="ratio")
    low, high = clopper_pearson(first, first + second, _RATE_CONFIDENCE)
    moved = abs(second - first) / max(first, 1)
    drifted = moved > _RATE_DRIFT and not low <= 0.5 <= high
    told = f"from {first} to {second} messages a client"
    return Check(
        name=name,
        value=moved,
        limit=_RATE_DRIFT,
        unit="ratio",
        grade="invalid" if drifted else "ok",
        why="" if moved <= _RATE_DRIFT else told if drifted else f"{told}: too few to tell",
    )
