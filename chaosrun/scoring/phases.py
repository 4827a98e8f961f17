"""When the phases of a run began and ended, and which of its faults struck when."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from chaosrun.plan import FaultPlan
from chaosrun.records import Called, History


def phase_span(history: History, name: str) -> tuple[int, int] | None:
    """`[start, end)` of the phase; None if the run never reached it."""
    starts = [*((phase.name, phase.t) for phase in history.phases), ("", history.end)]
    for (this, start), (_, end) in pairwise(starts):
        if this == name:
            return start, end
    return None


def ramp_start(history: History) -> int | None:
    """T0: nothing is due before it; None if the run never began to ramp."""
    span = phase_span(history, "ramp")
    return None if span is None else span[0]


def observation_end(history: History) -> int:
    """Where the last episode's observation ends: with `after`, never into rollback, verify or a stopped load."""
    beyond = [phase.t for phase in history.phases if phase.name in ("rollback", "verify", "drain")]
    return min([*beyond, history.load_stopped, history.end])


@dataclass(frozen=True, kw_only=True)
class Injection:
    """One call of a fault."""

    id: str
    name: str
    called: int
    """fault_start."""
    confirmed: int | None
    """When an independent probe saw the effect; None: it never did, the effect is not verified."""
    sustained: bool
    removed: int | None
    """fault_end: of an instant fault its call; None: a sustained fault that was never removed."""
    removal_width: int = 0
    """How long (ns) after that its effect may still have been there."""


def injections(history: History) -> tuple[Injection, ...]:
    """Every injection before the end of the observation, in order; each call of a repeated fault is one."""
    plans = {fault.id: fault for fault in history.plan.faults}
    end = observation_end(history)
    calls = sorted((call for call in history.called if call.t < end), key=lambda call: (call.t, call.w, call.n))
    made = []
    for i, call in enumerate(calls):
        again = next((later.t for later in calls[i + 1 :] if later.id == call.id), history.end + 1)
        plan = plans.get(call.id, FaultPlan(id=call.id, name=call.id, kind=call.id))
        made.append(_injection(history, call, again, plan))
    return tuple(made)


def _injection(history: History, call: Called, again: int, plan: FaultPlan) -> Injection:
    """What was seen of `call` before the same fault is called `again`."""
    confirmed = [c for c in history.confirmed if c.id == call.id and call.t <= c.t < again and c.verified]
    removed = [(r.t, r.until or r.t) for r in history.removed if r.id == call.id and call.t <= r.t < again]
    first, gone = min(removed, default=(None, None))
    return Injection(
        id=call.id,
        name=plan.name,
        called=call.t,
        confirmed=min((c.t for c in confirmed), default=None),
        sustained=plan.sustained,
        removed=first if plan.sustained else call.t,
        removal_width=gone - first if plan.sustained and first is not None and gone is not None else 0,
    )
