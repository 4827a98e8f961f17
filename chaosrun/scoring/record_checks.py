"""Checks of the record: is everything there that was written, does it add up, did the fault do what it was to do?"""

from __future__ import annotations

from collections.abc import Sequence

from chaosrun.records import Confirmed, History
from chaosrun.scoring.checks import Check, graded
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.requests import violations


def lost_records(history: History) -> Check:
    """Lines and rows that were written and are not there: every count may be short."""
    return Check(
        name="lost journal records",
        value=history.lost_records,
        limit=0,
        grade=graded(history.lost_records, 0, 0),
        clouds=frozenset({"journal"}),
    )


def conservation(broken: Sequence[str]) -> Check:
    """The equations of the ledgers hold exactly, or something was counted twice or not at all."""
    return Check(
        name="conservation equations that do not hold",
        value=len(broken),
        limit=0,
        grade=graded(len(broken), 0, 0),
        clouds=frozenset({"journal"}),
        why="; ".join(broken),
    )


def broken_equations(evidence: Evidence) -> list[str]:
    """The equations of docs/measurement.md, section 3, that do not hold, in words."""
    strangers = sum(slot.group >= len(evidence.groups) for slot in evidence.history.slots)
    wrong = [f"{strangers} slots of no group of the plan"] if strangers else []
    for group in evidence.groups:
        if group.plan.has_requests:
            wrong += violations(evidence.history, group.g, group.timeline.requests.ledger)
        if group.pushes is not None:
            for stream, ledger in group.pushes.by_stream.items():
                if not ledger.balanced:
                    wrong.append(f"{group.plan.name}, {stream}: copies owed and copies received do not add up")
    return wrong


def source(group: GroupEvidence) -> Check | None:
    """Numbers that the server's own log left out, by what was received, told and logged around them: what else it may
    have left out is taken for unpublished."""
    if group.pushes is None:
        return None
    shared = [each for each in group.pushes.accounts if each.account.unnumbered is None and not each.account.private]
    logged = {(each.channel, each.stream) for each in shared if each.publication.log is not None}
    concerned = [each for each in shared if (each.channel, each.stream) in logged]
    contiguous = [each.publication for each in concerned if each.account.lane.stream.order == "contiguous"]
    value = sum(each.unlogged() for each in {id(each): each for each in contiguous}.values())
    value += sum(each.account.unlogged for each in concerned)
    return Check(
        name=f"numbers missing from the server's log of {group.plan.name}",
        value=value if logged else None,
        limit=0,
        grade=graded(value if logged else None, 0, 0),
        clouds=frozenset({"source"}),
        group=group.plan.name,
    )


def effects(history: History) -> list[Check]:
    """Each fault that was called did what it was to do, as seen by something other than the load."""
    confirmed: dict[str, Confirmed] = {}
    for line in history.confirmed:
        # A repeated fault is confirmed more than once: one failure is enough.
        if line.id not in confirmed or not line.verified:
            confirmed[line.id] = line
    called = {line.id for line in history.called}
    checks = []
    for fault in history.plan.faults:
        if fault.id not in called:
            continue
        seen = confirmed.get(fault.id)
        verified = seen is not None and seen.verified
        checks.append(
            Check(
                name=f"effect of {fault.name}",
                grade="ok" if verified else "invalid",
                clouds=frozenset({"effect"}),
                why=f"{'verified' if verified else 'not verified'}: {seen.how if seen else 'nothing looked'}",
            )
        )
    return checks
