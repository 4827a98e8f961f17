"""How an episode ended: never, not for everybody, more than once, or before it began."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chaosrun.scoring.checks import SECOND
from chaosrun.scoring.findings._rule import TIMES, Rule, Seen, Told, named, seconds, several
from chaosrun.scoring.findings._ways import Way, ways
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.words import show


def _never_recovered(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        if episode.impact is None or episode.recovered is not None:
            continue
        returned = episode.back.affected - episode.back.never
        yield Told(
            "critical",
            f"The service did not recover from {seen.faults_of(episode)}",
            f"{seconds(episode.end - episode.fault_start)} observed after the fault; {returned} of "
            f"{episode.back.affected} affected clients came back; {_readiness(episode)}",
            _what_now(episode, returned),
        )


def _readiness(episode: Episode) -> str:
    if episode.server_ready is None:
        return "the prober never got a fresh handshake with its echo again"
    since = episode.server_ready - episode.fault_start
    return f"the prober got a fresh handshake with its echo {seconds(max(0, since))} after the fault"


def _what_now(episode: Episode, returned: int) -> str:
    if episode.reference is None:
        return "The fault was never taken away: see what it still does, and only then what the service does about it."
    if episode.server_ready is None:
        return "See whether the process came up at all: its log, its port, and what it waits for while it starts."
    if episode.back.affected and not returned:
        return (
            "The service lets a newcomer in, and none of its old clients: see why their attempts fail, or whether they "
            "make any (clients.refused_by), and whether sessions of before the fault still block theirs."
        )
    return (
        f"It takes in clients and stays out of tolerance by {episode.impact_by or 'one of the indicators'}: see what "
        "is still bad at the end of the run (messages, latency by phase), and what is short: CPU, memory, descriptors."
    )


def _never_back(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        if episode.recovered is None or not episode.back.never:
            continue
        lost = [way for way in ways(seen, episode) if way.back is None]
        kept = sum(way.kept for way in lost)
        silent = sum(not way.kept and way.attempts == 0 for way in lost)
        tries = [
            f"{kept} kept their connection and were not answered on it" if kept else "",
            f"{silent} made no attempt to connect again" if silent else "",
            _tried([way for way in lost if way.attempts]),
        ]
        yield Told(
            "critical",
            f"{several(episode.back.never, 'client')} never came back though the service recovered",
            f"{named(episode.back.unreturned)} of {episode.back.affected} affected by {seen.faults_of(episode)}, "
            f"watched for {seconds(episode.end - episode.recovered)} after the recovery"
            + "".join(f"; {each}" for each in tries if each),
            "Compare one of these clients with one that came back: its account, its session on the service, its last "
            "refusal. Sessions that the service still holds for them must give way to a new connection.",
        )


def _tried(lost: list[Way]) -> str:
    if not lost:
        return ""
    attempts = sum(way.attempts for way in lost)
    return f"{len(lost)} tried in vain, {several(attempts, 'attempt')} in all"


def _relapsed(seen: Seen) -> Iterator[Told]:
    for episode in seen.episodes:
        if not episode.relapses or episode.recovered is None or episode.impact is None:
            continue
        yield Told(
            "warning",
            f"The service fell back {several(episode.relapses, 'time')} before it recovered",
            f"after {seen.faults_of(episode)} it was in tolerance and out of it again "
            f"{several(episode.relapses, 'time')} within {seconds(episode.recovered - episode.impact)} of the impact; "
            f"what came last for good is {episode.recovered_by}",
            "See what the return of the clients does to it: caches that are cold, queues that fill again, a health "
            "check or supervisor that restarts it once more. Let it report ready only when it can bear the whole load.",
        )


def _no_impact(seen: Seen) -> Iterator[Told]:
    recovery = seen.evidence.recovery
    for episode in seen.episodes:
        if episode.impact is not None:
            continue
        blind = recovery.blind if recovery else None
        hidden = f", none longer than {show(blind / SECOND, 's')}" if blind else ""
        yield Told(
            "info" if episode.absorbed else "warning",
            f"No impact of {seen.faults_of(episode)} was seen{hidden}",
            f"{episode.bad_slots} bad slots; the effect was {'' if episode.verified else 'not '}verified",
            "Nothing, if the service is meant to absorb it."
            if episode.absorbed
            else "Give the fault a probe that confirms its effect, and keep requests due while it lasts.",
        )


RULES: Final = (
    Rule("never-recovered", _never_recovered, TIMES),
    Rule("clients-never-back", _never_back, TIMES),
    Rule("relapsed", _relapsed, TIMES),
    Rule("no-impact", _no_impact),
)
