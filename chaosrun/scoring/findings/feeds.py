"""What became of pushed messages: lost, missed, twice, numbered anew, late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from chaosrun.plan import StreamPlan
from chaosrun.scoring.evidence import GroupEvidence, baseline_of
from chaosrun.scoring.findings._rule import COUNTS, TIMES, Rule, Seen, Told, seconds, several, share
from chaosrun.scoring.findings._upstream import Upstream, lost_upstream
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.pushes import PushLedger

_MS: Final = 1_000_000
_ENOUGH: Final = 100


# ---- lost -----------------------------------------------------------------------------------------------------------


def _lost(seen: Seen) -> Iterator[Told]:
    for group in seen.evidence.groups:
        ledger = _ledger(group)
        if ledger is None:
            continue
        upstream = lost_upstream(seen, group)
        left = ledger.lost_connected - upstream.copies
        if left:
            yield Told(
                "critical",
                f"Pushed messages of {group.plan.name} were lost on open connections",
                f"{left} of {ledger.owed} copies missing between two receipts of one connection, "
                f"{several(_losers(group, upstream), 'client')} with losses",
                "Look at the send queues of the service: what drops a message without closing the connection?",
            )


def _lost_before(seen: Seen) -> Iterator[Told]:
    for group in seen.evidence.groups:
        ledger = _ledger(group)
        upstream = Upstream() if ledger is None else lost_upstream(seen, group)
        if ledger is not None and upstream.copies:
            yield Told(
                "warning",
                f"{several(upstream.numbers, 'pushed message')} of {group.plan.name} reached nobody across the fault",
                f"{share(upstream.copies, ledger.owed)} copies owed, on connections that stayed open: each of these "
                f"numbers is missing at all of its subscribers ({len(upstream.by_client):,} in all), between the last "
                "receipt before the break of the feed and the first after it",
                "No send queue dropped them, for nobody got them: look between the source and the service. Let the "
                "service ask its source for what it missed when it attaches again, or let the source wait for it.",
            )


def _losers(group: GroupEvidence, upstream: Upstream) -> int:
    """Clients with losses that nothing upstream explains."""
    lost: Counter[int] = Counter()
    for score in group.pushes.accounts if group.pushes else ():
        lost[score.client] += len(score.copies.lost_connected)
    return sum(count > upstream.by_client[client] for client, count in lost.items())


# ---- across a reconnect ---------------------------------------------------------------------------------------------


def _resume_gaps(seen: Seen) -> Iterator[Told]:
    for group, stream, ledger in _streams(seen):
        if ledger.missed_disconnected and stream.resumes:
            yield Told(
                "critical",
                f"The resume of {group.plan.name} left gaps",
                f"{_away(ledger)}; the protocol promises to make up for them",
                "Check how far back the service's replay buffer goes, and that it outlives what was killed; a client "
                "that asks for more than is there has to be told so.",
            )


def _missed(seen: Seen) -> Iterator[Told]:
    for group, stream, ledger in _streams(seen):
        if ledger.missed_disconnected and not stream.resumes:
            yield Told(
                "info",
                f"What is pushed while a client of {group.plan.name} is away never reaches it",
                f"{_away(ledger)}; the protocol promises none of them",
                "If a gap hurts the users, let a client say on its return which number it had last and replay from "
                "there, or send it a snapshot first; if not, limit `push.missed_disconnected` to what is tolerable.",
            )


def _away(ledger: PushLedger) -> str:
    least = "at least " if "missed_disconnected" in ledger.clouded else ""
    return (
        f"{least}{share(ledger.missed_disconnected, ledger.owed)} copies owed were published while their client was "
        "away, and never came"
    )


def _twice(seen: Seen) -> Iterator[Told]:
    for group, stream, ledger in _streams(seen):
        if not ledger.duplicates or "duplicates" in ledger.clouded:
            continue
        reconnects = group.connections_in(0, seen.history.end).reconnects
        overlap = f": one for each of {several(reconnects, 'reconnect')}" if ledger.duplicates == reconnects else ""
        yield Told(
            "info",
            f"Clients of {group.plan.name} got pushed messages twice",
            f"{share(ledger.duplicates, ledger.received)} receipts of {stream.name} brought a number that the same "
            f"client had before{overlap}",
            "Start the replay after the last number that the client names, not with it."
            if overlap
            else "Let clients drop what they have by its number (and epoch), or narrow what is sent again on a return.",
        )


def _numbered_anew(seen: Seen) -> Iterator[Told]:
    for group, stream, ledger in _streams(seen):
        if not ledger.unaccountable or stream.order == "none" or stream.has_epoch or stream.scope == "connection":
            continue
        yield Told(
            "warning",
            f"Nobody can tell what {group.plan.name} missed: its numbers began again without an epoch",
            f"{several(ledger.unaccountable, 'reconnect')} across which {stream.name} began to count anew, or may have",
            "Put an id of the numbering (of the boot, say) beside each number or into the answer to a subscription, "
            "so that a client knows a new beginning from an old message.",
        )


# ---- late -----------------------------------------------------------------------------------------------------------


def _backlog(seen: Seen) -> Iterator[Told]:
    """In `verify`, with everybody connected throughout: what comes late now is not a replay."""
    span, before = phase_span(seen.history, "verify"), baseline_of(seen.history)
    if span is None or not seen.episodes:
        return
    start, end = span[0], min(span[1], seen.history.load_stopped)
    for group in seen.evidence.groups:
        if not any(stream.has_sent_at for stream in group.plan.streams) or _came_back(seen, group.g, end):
            continue
        was, now = group.pushes_in(*before), group.pushes_in(start, end)
        if was is None or now is None or min(was.latency.count, now.latency.count) < _ENOUGH:
            continue
        old, new = was.latency.quantile(0.5), now.latency.quantile(0.5)
        # By how much the stamps and the receipts of one node differ may have changed meanwhile, by twice the bound.
        least = max(50 * _MS, group.plan.latency_limit_ns // 5) + 2 * (clock_bound(seen.history) or 0)
        if old is not None and new is not None and new >= 5 * old and new - old >= least:
            yield Told(
                "warning",
                f"Pushed messages of {group.plan.name} still come late after the recovery",
                f"from the service's stamp to the receipt {seconds(new)} (median of {now.latency.count:,} in the last "
                f"phase), {seconds(old)} in the baseline",
                "A queue has not drained: see what the service holds back per connection, drop what is out of date, "
                "and close a consumer that cannot keep up rather than queue for it.",
            )


def _came_back(seen: Seen, g: int, end: int) -> bool:
    """Somebody connected again so late that a replay may fall into `verify`."""
    (after,) = [span for span in [phase_span(seen.history, "after")] if span] or [(end, end)]
    return any(line.g == g and line.conn > 0 and after[0] <= line.t < end for line in seen.history.opened)


def _unread(seen: Seen) -> Iterator[Told]:
    for g, group in enumerate(seen.history.plan.groups):
        lines = [line for line in seen.history.closed if line.g == g and line.cause == "unread" and not line.planned]
        if lines:
            yield Told(
                "critical",
                f"The service is a slow consumer: it did not read what {group.name} sent",
                f"{several(len({line.c for line in lines}), 'client')} gave up a connection on which more waited to be "
                "written than a client may hold",
                "Find what keeps the service from reading: a blocked handler, a queue without room. It should refuse "
                "or close rather than stop reading.",
            )


# ---- what they look at ----------------------------------------------------------------------------------------------


def _ledger(group: GroupEvidence) -> PushLedger | None:
    ledger = group.pushes.ledger if group.pushes else None
    return ledger if ledger is not None and ledger.lost_connected else None


def _streams(seen: Seen) -> Iterator[tuple[GroupEvidence, StreamPlan, PushLedger]]:
    for group in seen.evidence.groups:
        for stream in group.plan.streams:
            ledger = None if group.pushes is None else group.pushes.by_stream.get(stream.name)
            if ledger is not None:
                yield group, stream, ledger


RULES: Final = (
    Rule("pushes-lost", _lost, COUNTS),
    Rule("service-reads-slowly", _unread, COUNTS),
    Rule("pushes-lost-upstream", _lost_before, COUNTS),
    Rule("resume-gaps", _resume_gaps, COUNTS),
    Rule("numbering-reset", _numbered_anew, COUNTS),
    Rule("pushes-still-late", _backlog, TIMES | {"clock"}),
    Rule("missed-while-away", _missed, COUNTS),
    Rule("pushed-twice", _twice, COUNTS),
)
