"""From when to when each window of a criterion goes."""

from __future__ import annotations

from chaosrun.records import History
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.phases import injections, observation_end, phase_span
from chaosrun.scoring.recovery import Recovery

Span = tuple[int, int]


def span_of(history: History, recovery: Recovery | None, window: str) -> Span | None:
    """`[start, end)` of a window (docs/metrics.md); None if the run never came to it.

    Raises:
        ValueError: there is no such window.
    """
    match window:
        case "baseline":
            return baseline(history)
        case "recovery" | "after" | "verify":
            return phase_span(history, window)
        case "during":
            return during(history)
        case "outage":
            return outage(recovery)
        case "whole":
            return whole(history)
    raise ValueError(f"no window {window!r}; known: baseline, during, outage, recovery, after, verify, whole")


def baseline(history: History) -> Span | None:
    """The phase, as far as the clocks of the load's nodes can tell that it was before the first fault."""
    span = phase_span(history, "baseline")
    doubt = clock_bound(history)
    if span is None or not doubt:
        return span
    return _proper(span[0], min([span[1], *(call.t - doubt for call in history.called)]))


def during(history: History) -> Span | None:
    """From the first fault_start to the last fault_end; a fault that was never removed lasted as long as was looked.

    By the clock of a node the fault may have struck before its call, so that the window begins as much earlier.
    """
    faults = injections(history)
    if not faults:
        return None
    end = observation_end(history)
    start, last = faults[0].called, max(end if fault.removed is None else fault.removed for fault in faults)
    return (_seen(history, start), last) if start < last else None


def outage(recovery: Recovery | None) -> Span | None:
    """From impact to R of the worst episode, or to the end of its observation."""
    if recovery is None or recovery.worst is None or recovery.worst.impact is None:
        return None
    worst = recovery.worst
    return _proper(recovery.worst.impact, worst.end if worst.recovered is None else worst.recovered)


def whole(history: History) -> Span | None:
    """From the first fault_start, as in `during`, to the end of `verify`; in a load test from the baseline on."""
    verify = phase_span(history, "verify")
    calm = phase_span(history, "baseline")
    faults = injections(history)
    if faults:
        start = _seen(history, faults[0].called)
    elif calm is not None and not history.plan.faults:
        start = calm[0]
    else:
        return None
    return _proper(start, min(history.load_stopped, verify[1] if verify else history.end))


def _seen(history: History, call: int) -> int:
    """From when on a node may have seen the fault, by its own clock."""
    return call - (clock_bound(history) or 0)


def _proper(start: int, end: int) -> Span | None:
    return (start, end) if start < end else None
