"""A result in a few sentences: what came of the run, what was done to the service, and who was hurt by it.

Whatever is not known is said to be unknown, and every time has its error bound where the result has one. Names are
taken as they are: whoever prints the sentences makes the result fit for it first.
"""

from __future__ import annotations

from typing import Final

from chaosrun.scoring.result import EpisodeReport, FaultReport, Result
from chaosrun.scoring.words import show

_NAMED: Final = 3
"""How many faults or clients are named one by one."""


def seconds(value: float | None) -> str:
    return "unknown" if value is None else show(value, "s")


def with_error(value: float, error: float | None, unit: str = "s") -> str:
    """A value and how far the truth may be from it."""
    return show(value, unit) if not error else f"{show(value, unit)} ± {show(error, unit)}"


def counted(number: int, what: str, plural: str | None = None) -> str:
    """`1 client`, `2 clients`."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def headline(result: Result) -> str:
    """The verdict in one sentence."""
    false = sum(criterion.outcome is False for criterion in result.criteria)
    match result.verdict:
        case "passed":
            return f"every criterion held ({len(result.criteria)})"
        case "failed":
            return f"{false} of {counted(len(result.criteria), 'criterion', 'criteria')} broken"
        case "inconclusive":
            return "nothing was proved, neither that it is well nor that it is not"
        case "aborted":
            return "ended early; what had been done was undone"
        case "dirty":
            return "THE SYSTEM IS NOT AS IT WAS FOUND; see below what to do by hand"
        case other:
            return other


def reasons_apart(result: Result) -> list[str]:
    """Why it is not `passed`, without what a criterion says of itself."""
    own = {f"failed: {c.name} in {c.window}: {c.why}" for c in result.criteria}
    own |= {f"unknown: {c.name} in {c.window}: {c.why}" for c in result.criteria}
    return [reason for reason in result.reasons if reason not in own]


def story(result: Result) -> list[str]:
    """What was done, how the service recovered, and who was hurt: a sentence or two each."""
    called = [fault for fault in result.faults if fault.call_s is not None]
    if not result.faults:
        return [f"A load test: no fault was planned. {_load(result)}"]
    if not called:
        return [f"No fault was injected. {_load(result)}"]
    sentences = [_faults(called), _recovery(result), _hurt(result)]
    return [sentence for sentence in sentences if sentence]


def _load(result: Result) -> str:
    clients = result.clients
    peak = "unknown" if clients.peak_usable is None else f"{clients.peak_usable:,}"
    return f"{counted(clients.planned, 'client')} planned, at most {peak} usable at a time."


def _faults(called: list[FaultReport]) -> str:
    if len(called) > _NAMED:
        unconfirmed = sum(fault.verified is not True for fault in called)
        told = f"; the effect of {unconfirmed} was not confirmed" if unconfirmed else ", every effect confirmed"
        return f"{len(called)} faults were injected, the first at {seconds(called[0].call_s)}{told}."
    return " ".join(_fault(fault) for fault in called)


def _fault(fault: FaultReport) -> str:
    role = f" of {fault.role}" if fault.role is not None else ""
    told = f"'{fault.name}' ({fault.kind}{role}) was injected at {seconds(fault.call_s)}"
    by = f": {fault.detail}" if fault.detail else ""
    if fault.verified is not True or fault.call_s is None or fault.confirmed_s is None:
        return f"{told}, its effect {'' if fault.verified else 'NOT '}confirmed{by}."
    return f"{told}, its effect confirmed within {seconds(max(0.0, fault.confirmed_s - fault.call_s))}{by}."


def _recovery(result: Result) -> str:
    worst = result.recovery
    which = f"Worst of {len(worst.episodes)} episodes: " if len(worst.episodes) > 1 else ""
    if worst.absorbed:
        blind = f" longer than {seconds(worst.blind_s)}" if worst.blind_s is not None else ""
        return f"{which}No impact{blind} was seen: the service absorbed it."
    if worst.ttr_s is not None:
        relapses = f", with {counted(worst.relapses, 'relapse')} on the way" if worst.relapses else ""
        return f"{which}It recovered in {with_error(worst.ttr_s, worst.error_s)}{relapses}."
    if worst.ttr_censored_above_s is not None:
        pending = f"; since {seconds(worst.pending_s)} it may have been recovering" if worst.pending_s else ""
        if result.stopped_by is not None:
            return f"{which}It had not recovered when the run ended {seconds(worst.ttr_censored_above_s)} later."
        return f"{which}It did NOT recover within the {seconds(worst.ttr_censored_above_s)} observed{pending}."
    return f"{which}Whether it recovered is unknown."


def _hurt(result: Result) -> str:
    worst = result.recovery
    affected, back = worst.affected_clients, worst.back_s
    if affected is None:
        return ""
    lost = f" {seconds_of_clients(worst)} were lost." if worst.lost_client_seconds else ""
    if affected == 0 and (stale := result.detection_s.client.get("stale")) is not None:
        return f"No client went unanswered; the feeds of {counted(stale.count, 'client')} stood still.{lost}"
    if affected == 0:
        return f"No client was affected.{lost}"
    if back.never:
        named = ", ".join(back.unreturned[:_NAMED])
        more = ", ..." if len(back.unreturned) > _NAMED else ""
        return f"{back.never:,} of {counted(affected, 'affected client')} never came back ({named}{more}).{lost}"
    return f"{counted(affected, 'client')} affected, all back after {seconds(back.all)}.{lost}"


def seconds_of_clients(worst: EpisodeReport) -> str:
    """Lost client-seconds with their unit."""
    lost = worst.lost_client_seconds
    return "unknown" if lost is None else f"{show(lost, 'count')} client-seconds"
