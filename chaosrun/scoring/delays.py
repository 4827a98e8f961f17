"""What became of a delay that a fault was asked for, by the echoes of the prober.

realised = median of the echoes during the fault - median of the echoes of the baseline. An echo counts where it was
sent; it counts for the fault only if it would have been back before the removal, since what is on its way then may be
let through early. Echoes that never came rank last, so that where they are the greater half, nothing is known.
"""

from __future__ import annotations

from typing import NamedTuple

from chaosrun.plan import FaultPlan
from chaosrun.records import NONE, History
from chaosrun.scoring.phases import Injection, injections, phase_span
from chaosrun.scoring.result import DelayReport, milliseconds


class Delay(NamedTuple):
    """In ns of round-trip time."""

    requested: int
    realised: int | None
    """None: too few echoes came back."""


def delay_of(history: History, plan: FaultPlan, call: Injection) -> Delay | None:
    """The delay of one injection; None: the fault is of another kind."""
    if plan.delay_ns is None:
        return None
    start = call.called if call.confirmed is None else call.confirmed
    end = (history.end if call.removed is None else call.removed) - plan.delay_ns
    during = _median(history, start, end)
    before = _median(history, *(phase_span(history, "baseline") or (0, 0)))
    return Delay(plan.delay_ns, None if during is None or before is None else during - before)


def delay_report(history: History, plan: FaultPlan, call: Injection) -> DelayReport | None:
    """The same as `result.json` has it."""
    delay = delay_of(history, plan, call)
    return (
        None
        if delay is None
        else DelayReport(requested_ms=delay.requested / 1e6, realised_ms=milliseconds(delay.realised))
    )


def proxy_report(history: History) -> dict[str, str | float | None] | None:
    """Which Toxiproxy the load went through, and the longest delay that was asked of it; None: it went straight."""
    if history.proxied is None:
        return None
    plans = {plan.id: plan for plan in history.plan.faults if plan.kind == "toxiproxy"}
    delays = [delay_of(history, plans[call.id], call) for call in injections(history) if call.id in plans]
    longest = max(filter(None, delays), key=lambda delay: delay.requested, default=None)
    return {
        "kind": history.proxied.kind,
        "version": history.proxied.version,
        "requested_ms": milliseconds(longest.requested) if longest is not None else None,
        "realised_ms": milliseconds(longest.realised) if longest is not None else None,
    }


def _median(history: History, start: int, end: int) -> int | None:
    """The lower median of the round trips of the echoes sent in [start, end); None: it is one that never came."""
    echoes = [probe for probe in history.probes if not probe.connect and start <= probe.sent < end]
    came = sorted(probe.got - probe.sent for probe in echoes if probe.got != NONE)
    middle = (len(echoes) - 1) // 2
    return came[middle] if 0 <= middle < len(came) else None
