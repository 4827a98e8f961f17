"""What became of requests: swallowed, cut off, answered by errors after the return, slower than before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chaosrun.records import NONE, REQUESTS
from chaosrun.scoring.evidence import GroupEvidence, baseline_of
from chaosrun.scoring.findings._rule import COUNTS, TIMES, Rule, Seen, Told, seconds, several, share
from chaosrun.scoring.outcomes import Fate, Outcome
from chaosrun.scoring.phases import injections, phase_span

_MS: Final = 1_000_000
_LEAST_ERRORS: Final = 3
_ERROR_SHARE: Final = 0.01
_ENOUGH: Final = 100
"""Replies below which two distributions are not compared."""


def _swallowed(seen: Seen) -> Iterator[Told]:
    for group in seen.evidence.groups:
        requests = group.timeline.requests.ledger
        if requests.lost_connected:
            yield Told(
                "critical",
                f"Requests of {group.plan.name} were swallowed",
                f"{requests.lost_connected} of {requests.sent} had no reply by the time-out "
                f"({seconds(group.plan.reply_timeout_ns)}), on connections that stayed open",
                "Look for requests that the service takes and drops: full queues, handlers that die silently.",
            )


def _cut_off(seen: Seen) -> Iterator[Told]:
    for group in seen.evidence.groups:
        requests = group.timeline.requests.ledger
        if requests.lost_at_break and group.plan.kind == "websocket":
            yield Told(
                "info",
                f"Whether {several(requests.lost_at_break, 'request')} of {group.plan.name} took effect is unknown",
                f"{share(requests.lost_at_break, requests.sent)} sent requests lost their connection before the reply",
                "If a request changes anything, give it an id of its own that the service remembers, so that a client "
                "may send it again, or let clients ask what became of it once they are back.",
            )


# ---- errors after the return ----------------------------------------------------------------------------------------


def _errors_after_return(seen: Seen) -> Iterator[Told]:
    """On first connections all was well, on those that came after them it is not: the session is gone."""
    for group in seen.evidence.groups:
        if group.plan.kind != "websocket":
            continue
        slots = [o for o in group.timeline.requests.outcomes if o.kind in REQUESTS and o.sent != NONE]
        first, later = [o for o in slots if o.conn == 0], [o for o in slots if o.conn > 0]
        errors, errors_before = _errors(later), _errors(first)
        if errors < _LEAST_ERRORS or errors < _ERROR_SHARE * len(later):
            continue
        if not first or errors_before * len(later) * 5 > errors * len(first):
            continue
        clients = len({o.client for o in later if o.fate is Fate.REPLIED_ERROR})
        yield Told(
            "warning",
            f"Requests of {group.plan.name} are answered by errors after a reconnect",
            f"{share(errors, len(later))} requests on connections made anew, of {several(clients, 'client')}; "
            f"{share(errors_before, len(first))} on each client's first one",
            "Find what a first connection has and a later one lacks: a login, a subscription, a session that the "
            "service kept in memory. Let the opening conversation set it up anew, or keep it outside the process.",
        )


def _errors(outcomes: list[Outcome]) -> int:
    return sum(o.fate is Fate.REPLIED_ERROR for o in outcomes)


# ---- slower than before ---------------------------------------------------------------------------------------------


def _still_slow(seen: Seen) -> Iterator[Told]:
    """In `verify`, when every fault is gone and tolerance has held, against the baseline."""
    faults = injections(seen.history)
    span = phase_span(seen.history, "verify")
    if span is None or any(fault.removed is None or fault.removed > span[0] for fault in faults):
        return
    if not seen.episodes or any(episode.impact and episode.recovered is None for episode in seen.episodes):
        return
    for group in seen.evidence.groups:
        told = _slower(group, baseline_of(seen.history), (span[0], min(span[1], seen.history.load_stopped)))
        if told is not None:
            yield Told(
                "warning",
                f"{group.plan.name} is served slower after the recovery than before the fault",
                told,
                "Look for what the fault left behind: caches that are cold, connections to backends that were not "
                "made again, work that piled up, sessions of the dead that are still served. Compare a profile of "
                "the process before and after.",
            )


def _slower(group: GroupEvidence, before: tuple[int, int], after: tuple[int, int]) -> str | None:
    was, now = group.requests_in(*before), group.requests_in(*after)
    if was is None or now is None or min(was.response.count, now.response.count) < _ENOUGH or now.censored:
        return None
    least = max(5 * _MS, group.plan.latency_limit_ns // 50)
    for q, times in ((0.5, 2), (0.9, 3)):
        old, new = was.response.quantile(q), now.response.quantile(q)
        if old is not None and new is not None and new >= times * old and new - old >= least:
            return (
                f"p{round(q * 100)} of the response time is {seconds(new)} in the last phase ({now.response.count:,} "
                f"requests), {seconds(old)} in the baseline ({was.response.count:,})"
            )
    return None


RULES: Final = (
    Rule("requests-swallowed", _swallowed, COUNTS),
    Rule("errors-after-reconnect", _errors_after_return, COUNTS),
    Rule("slow-after-recovery", _still_slow, TIMES | {"send"}),
    Rule("replies-cut-off", _cut_off, COUNTS),
)
