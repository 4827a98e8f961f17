"""What set the pace of the return: the start of the service, the clients' own waiting, or a few stragglers."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from chaosrun.plan import GroupPlan
from chaosrun.scoring.checks import SECOND
from chaosrun.scoring.findings._rule import TIMES, Rule, Seen, Told, named, seconds, several, share
from chaosrun.scoring.findings._ways import Way, ways
from chaosrun.scoring.findings.connecting import ready_after
from chaosrun.scoring.phases import injections
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.words import show

_FEW: Final = 10

"""Affected clients below which nobody is an exception."""


# ---- the service ----------------------------------------------------------------------------------------------------


def _slow_start(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        started = _started_again(seen, episode)
        if started is None or episode.server_ready is None or episode.recovered is None:
            continue
        took, error = episode.server_ready - started, episode.server_ready_error or 0
        if took - error < SECOND or took < (episode.recovered - started) / 2:
            continue
        yield Told(
            "warning",
            f"The service took {seconds(took)} to start",
            f"the prober got a fresh handshake with its echo {seconds(took)} (error {seconds(error)}) after the "
            f"restart that ended {seen.faults_of(episode)}; the recovery came "
            f"{seconds(episode.recovered - started)} after it",
            "Listen early and load late: put off what the first client does not need, keep what it does need warm or "
            "on disk, and run a second instance where no start is fast enough.",
        )


def _started_again(seen: Seen, episode: Episode) -> int | None:
    """When the restart came that a fault of an instant owed; None: it owed none, or there were several."""
    faults = [each for each in injections(seen.history) if episode.fault_start <= each.called < episode.end]
    if len(faults) != 1 or faults[0].sustained or episode.impact is None:
        return None
    (fault,) = faults
    starts = [line.t for line in seen.history.removed if line.id == fault.id and fault.called < line.t < episode.end]
    return min(starts, default=None)


def _slow_adaptation(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        if episode.adapted_at is None or episode.impact is None or episode.reference is None:
            continue
        took = episode.adapted_at - episode.impact
        if took < 3 * SECOND:
            continue
        yield Told(
            "info",
            f"The service lives with {seen.faults_of(episode)}, but needs {seconds(took)} to adapt",
            f"out of tolerance from {seconds(episode.impact)} to {seconds(episode.adapted_at)} of the run, then in "
            f"tolerance with the fault still on; it was taken away at {seconds(episode.reference)}",
            "See what it waited for: a time-out, a retry, a health check, a circuit breaker. That is what to shorten.",
        )


# ---- the clients ----------------------------------------------------------------------------------------------------


def _backoff(seen: Seen) -> Iterator[Told]:
    """Clients that could have been served sat out a wait of their own: that is the experiment's `reconnect`."""
    for episode in seen.episodes:
        if episode.server_ready is None or episode.reference is None:
            continue
        ready = ready_after(episode)
        back = [(way, way.back - ready) for way in ways(seen, episode) if way.back is not None and way.back > ready]
        idle = sorted(way.idle_since(ready) for way, _ in back)
        late = sum(late for _, late in back)
        if not idle or idle[-1] - (episode.server_ready_error or 0) < SECOND or sum(idle) * 2 < late:
            continue
        slowest = max(back, key=lambda pair: pair[0].idle_since(ready))[0]
        within = seen.history.plan.recovery.within_ns
        yield Told(
            "info" if within is not None and episode.ttr is not None and episode.ttr <= within else "warning",
            "The clients' back-off set the pace of the return, not the service",
            f"the prober was let in again {seconds(max(0, ready - episode.fault_start))} after the fault; from then "
            f"on {several(len(idle), 'client')} waited {seconds(median(idle))} (median) and {slowest.name} "
            f"{seconds(idle[-1])} before the attempt that succeeded, {show(sum(idle) / late, 'ratio')} of the time "
            "that they still needed",
            _shorter(slowest.group.plan, idle[-1], within),
        )


def _shorter(group: GroupPlan, longest: int, within: int | None) -> str:
    cap = seconds(min(longest, within if within is not None else longest) // 2)
    known = group.reconnect
    now = ""
    if known is not None:
        now = f" (first {seconds(known.first_ns)}, max {seconds(known.max_ns)}, jitter {known.jitter})"
    return (
        f"These waits are the experiment's own `reconnect` of {group.name}{now}. If real clients wait like that, cap "
        f"theirs near {cap} with full jitter; if they do not, set `reconnect` to what they do."
    )


def _stragglers(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        back = episode.back
        if back.never:
            continue
        found = sorted(ways(seen, episode), key=lambda way: way.out, reverse=True)
        if len(found) < _FEW:
            continue
        half, longest = found[len(found) // 2].out, found[0].out
        doubt = back.errors.get("all", 0) + back.errors.get("p50", 0)
        if longest < 3 * half or longest - half - doubt < 2 * SECOND:
            continue
        late = [way for way in found if way.out > (half + longest) // 2]
        yield Told(
            "warning",
            f"A few clients were out much longer than the others: {seconds(longest)} against {seconds(half)}",
            f"{share(len(late), len(found))} affected clients were out for more than {seconds((half + longest) // 2)}, "
            f"half of all for no more than {seconds(half)}: {named(map(_told, late))}",
            "Compare these with the others: a shared account, channel, shard or connection that was kept, a session of "
            "before that the service still holds, an attempt that hung instead of failing.",
        )


def _told(way: Way) -> str:
    if way.kept:
        return f"{way.name} (kept its connection)"
    return f"{way.name} ({several(way.attempts, 'attempt')})"


RULES: Final = (
    Rule("slow-start", _slow_start, TIMES | {"prober"}),
    Rule("backoff-too-long", _backoff, TIMES | {"prober"}, frozenset({"thundering-herd", "slow-handshakes"})),
    Rule(
        "stragglers",
        _stragglers,
        TIMES,
        frozenset({"backoff-too-long", "thundering-herd", "slow-handshakes", "found-dead-late", "heartbeat-blind"}),
    ),
    Rule("slow-to-adapt", _slow_adaptation, TIMES),
)
