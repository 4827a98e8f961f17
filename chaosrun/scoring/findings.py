"""What a reader should know first, in words: what was found, how it is known, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaosrun.scoring.checks import Need
from chaosrun.scoring.connections import refusal
from chaosrun.scoring.evidence import Evidence
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.result import Finding
from chaosrun.scoring.score import Judgement
from chaosrun.scoring.words import show


def find(evidence: Evidence, judgement: Judgement) -> list[Finding]:
    """All findings, the gravest first. What an observer that is not sound counted or timed accuses nobody."""
    unsound = [c for c in judgement.checks if c.grade == "invalid" and c.subject in ("observer", "machine")]
    doubted = frozenset(need for check in unsound for need in check.clouds)
    found = [
        *_observer(judgement),
        *_unsteady(evidence, judgement),
        *_turned_away(evidence),
        *(() if "journal" in doubted else _losses(evidence)),
        *_episodes(evidence, doubted),
    ]
    ranks = ("critical", "warning", "info")
    return sorted(found, key=lambda finding: ranks.index(finding.severity))


def _observer(judgement: Judgement) -> Iterator[Finding]:
    unsound = _invalid(judgement, "observer")
    if unsound:
        yield Finding(
            severity="critical",
            title="The run cannot vouch for all of its numbers",
            evidence=unsound,
            action="Mend that and run again: a quieter machine, more worker processes, fewer clients.",
        )
    slowed = _invalid(judgement, "machine")
    if slowed:
        yield Finding(
            severity="warning",
            title="CPU time was taken away from load and service alike",
            evidence=slowed,
            action="What kept its limits has kept them in spite of that; what did not is not held against the service. "
            "Times are upper bounds: for better ones run where CPU time is not shared or limited.",
        )
    unseen = _invalid(judgement, "effect")
    if unseen:
        yield Finding(
            severity="warning",
            title="It is not sure that the fault did anything",
            evidence=unseen,
            action="Check that its role is the one under load, and give the step a `probe` that can see the effect.",
        )


def _unsteady(evidence: Evidence, judgement: Judgement) -> Iterator[Finding]:
    broken = [f"{c.name}: {c.why}" for c in judgement.criteria if c.window == "baseline" and c.outcome is False]
    unsound = _invalid(judgement, "baseline")
    if evidence.history.plan.faults and (broken or unsound):
        yield Finding(
            severity="critical",
            title="The service was not steady before the fault",
            evidence="; ".join([*broken, *([unsound] if unsound else [])]),
            action="Find out why it misses its limits in peace, or lengthen the baseline, before injecting faults.",
        )


_TURNED_AWAY = {
    "conversation": "Check accounts, tokens and channels of the group: the service shook hands and then said no.",
    "http": "Check path, headers and credentials, and the service's limit of connections: it refused the handshake.",
    "tls": "Check the certificate of the service, and that its port speaks TLS.",
    "dns": "Check the host's name in the target's `url`.",
    "timeout": "Look for a full accept queue or a blocked loop in the service: its handshake came too late.",
}
"""Refusals that no outage explains, and what to do about each."""


def _turned_away(evidence: Evidence) -> Iterator[Finding]:
    for g, group in enumerate(evidence.history.plan.groups):
        for why, action in _TURNED_AWAY.items():
            lines = [line for line in evidence.history.refused if line.g == g and line.why == why]
            if lines:
                said = Counter(line.detail or refusal(line) for line in lines)
                told = ", ".join(f"{text} ({count} times)" for text, count in said.most_common(3))
                yield Finding(
                    severity="warning",
                    title=f"Clients of {group.name} were turned away ({why})",
                    evidence=f"{len(lines)} attempts of {len({line.c for line in lines})} clients: {told}",
                    action=action,
                )


def _invalid(judgement: Judgement, subject: str) -> str:
    return "; ".join(
        check.told() for check in judgement.checks if check.grade == "invalid" and check.subject == subject
    )


def _losses(evidence: Evidence) -> Iterator[Finding]:
    """Losses that no break explains."""
    for group in evidence.groups:
        name = group.plan.name
        requests = group.timeline.requests.ledger
        if requests.lost_connected:
            yield Finding(
                severity="critical",
                title=f"Requests of {name} were swallowed",
                evidence=f"{requests.lost_connected} of {requests.sent} had no reply by the time-out, on connections "
                "that stayed open",
                action="Look for requests that the service takes and drops: full queues, handlers that die silently.",
            )
        pushes = group.pushes.ledger if group.pushes else None
        if pushes is not None and pushes.lost_connected:
            yield Finding(
                severity="critical",
                title=f"Pushed messages of {name} were lost on open connections",
                evidence=f"{pushes.lost_connected} of {pushes.owed} copies missing between two receipts of one "
                f"connection, {pushes.clients_with_loss} clients with losses",
                action="Look at the send queues of the service: what drops a message without closing the connection?",
            )


def _episodes(evidence: Evidence, doubted: frozenset[Need]) -> Iterator[Finding]:
    recovery = evidence.recovery
    for episode in recovery.episodes if recovery else ():
        names = _names(evidence, episode)
        if episode.impact is not None and episode.recovered is None:
            if doubted.isdisjoint(("lag", "journal")):
                yield _never_recovered(names, episode)
        elif episode.impact is None:
            blind = recovery.blind if recovery else None
            hidden = f", none longer than {show(blind / 1e9, 's')}" if blind else ""
            yield Finding(
                severity="info" if episode.absorbed else "warning",
                title=f"No impact of {names} was seen{hidden}",
                evidence=f"{episode.bad_slots} bad slots; the effect was {'' if episode.verified else 'not '}verified",
                action="Nothing, if the service is meant to absorb it."
                if episode.absorbed
                else "Give the fault a probe that confirms its effect, and keep requests due while it lasts.",
            )


def _never_recovered(names: str, episode: Episode) -> Finding:
    watched = (episode.end - episode.fault_start) / 1e9
    returned = episode.back.affected - episode.back.never
    return Finding(
        severity="critical",
        title=f"The service did not recover from {names}",
        evidence=f"{show(watched, 's')} observed after the fault; {returned} of {episode.back.affected} affected "
        f"clients came back",
        action="See whether the process came up at all (server_ready), and whether clients try to reconnect.",
    )


def _names(evidence: Evidence, episode: Episode) -> str:
    names = {fault.id: fault.name for fault in evidence.history.plan.faults}
    return ", ".join(dict.fromkeys(names.get(fault, fault) for fault in episode.faults))
