"""How long clients held on to connections that were dead, or that nobody answered on."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from chaosrun.plan import GroupPlan
from chaosrun.records import Closed
from chaosrun.scoring.checks import SECOND
from chaosrun.scoring.findings._rule import TIMES, Rule, Seen, Told, named, seconds, several
from chaosrun.scoring.findings._ways import Way, ways
from chaosrun.scoring.findings.connecting import until
from chaosrun.scoring.outcomes import Fate
from chaosrun.scoring.recovery import Episode


def _found_late(seen: Seen) -> Iterator[Told]:
    """Connections that only a time-out of the client ended, after half of the outage or more."""
    for episode in seen.episodes:
        if episode.impact is None:
            continue
        outage = until(episode) - episode.impact
        for g, group in enumerate(seen.history.plan.groups):
            found = _given_up(seen, g, episode)
            took = [line.t - (line.silent_since or episode.fault_start) for line in found]
            if not took or median(took) < SECOND or median(took) * 2 < outage:
                continue
            causes = sorted({line.cause for line in found})
            how = " and ".join(_HOW[cause] for cause in causes)
            yield Told(
                "warning" if group.heartbeat is None else "info",
                f"{several(len(found), 'dead connection')} of {group.name} {'was' if len(found) == 1 else 'were'} "
                f"noticed only by {how}",
                f"after {seen.faults_of(episode)} it took {seconds(median(took))} (median), at most "
                f"{seconds(max(took))} until the client gave its connection up; the whole outage lasted "
                f"{seconds(outage)}",
                _sooner(group),
            )


_HOW: Final = {"deadline": "a reply that never came", "ping_timeout": "a heartbeat"}


def _given_up(seen: Seen, g: int, episode: Episode) -> list[Closed]:
    return [
        line
        for line in seen.history.closed
        if line.g == g and line.cause in _HOW and episode.fault_start <= line.t < until(episode)
    ]


def _sooner(group: GroupPlan) -> str:
    beat = group.heartbeat
    if beat is None:
        limit = group.latency_limit_ns
        return (
            f"{group.name} sends no heartbeat. A ping every {seconds(2 * limit)} with a time-out of {seconds(limit)} "
            f"finds a dead connection within {seconds(3 * limit)}; the service should ping its clients likewise, or it "
            "keeps sessions of the dead."
        )
    return (
        f"The heartbeat is the experiment's setting (every {seconds(beat.every_ns)}, time-out "
        f"{seconds(beat.timeout_ns)}: found after {seconds(beat.every_ns + beat.timeout_ns)} at the latest). If real "
        "clients have the same, shorten both; what they add up to is the outage of whoever loses the network."
    )


def _heartbeat_blind(seen: Seen) -> Iterator[Told]:
    """Pings were answered all the while, requests were not: they never reach what serves."""
    for episode in seen.episodes:
        for group in seen.evidence.groups:
            beat = group.plan.heartbeat
            if beat is None or group.plan.period_ns is None:
                continue
            patience = beat.every_ns + beat.timeout_ns
            # A canary or slot that was due late says so only when it is overdue.
            least = patience + group.plan.latency_limit_ns
            blind = [
                (way, longest)
                for way in ways(seen, episode)
                if way.group is group
                and way.kept
                and (longest := max(b - a for a, b in way.away)) > least
                and not _was_answered(way)
            ]
            if blind:
                yield Told(
                    "warning",
                    f"Heartbeats of {group.plan.name} were answered while requests were not",
                    f"{several(len(blind), 'client')} ({named(way.name for way, _ in blind)}) got no good reply for up "
                    f"to {seconds(max(took for _, took in blind))} on a connection that its heartbeat (every "
                    f"{seconds(beat.every_ns)}, time-out {seconds(beat.timeout_ns)}) never ended",
                    "Let the heartbeat be a message of the application that takes the way of the requests, or let a "
                    "client leave a connection on which replies are overdue: pongs come from the WebSocket library.",
                )


def _was_answered(way: Way) -> bool:
    """By errors: then it is not the connection that is dead."""
    due = way.group.timeline.requests.due_in(way.away[0][0], way.away[-1][1])
    return any(o.client == way.client and o.fate is Fate.REPLIED_ERROR for o in due)


RULES: Final = (
    Rule("found-dead-late", _found_late, TIMES),
    Rule("heartbeat-blind", _heartbeat_blind, TIMES),
)
