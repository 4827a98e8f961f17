"""A small run on disk, written as a run writes it, for tests that read one."""

from __future__ import annotations

from pathlib import Path

from chaosrun.journal import Journal, ProbeRows, PushRows, SlotRows
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.recorded import ENGINE, PROBER
from chaosrun.records import (
    Attempt,
    Began,
    Called,
    Closed,
    Confirmed,
    Ended,
    Intent,
    Lag,
    LoadStopped,
    Opened,
    Phase,
    Removed,
    Stream,
    Subscribed,
    Undo,
    Undone,
)

S = 1_000_000_000
MS = 1_000_000
PHASES = {
    "start": 0,
    "ramp": 1,
    "warmup": 2,
    "baseline": 3,
    "fault": 8,
    "recovery": 10,
    "after": 14,
    "verify": 16,
    "drain": 18,
}
GROUP = GroupPlan(name="users", clients=2, period_ns=100 * MS)
LOAD = "load-0"


def record(folder: Path) -> None:
    """A small run with everything in it: two clients, one of which loses its connection to a fault for a second."""
    told = Journal(folder, ENGINE)
    plan = Plan(groups=(GROUP,), faults=(FaultPlan(id="fault-1", name="kill", kind="process_kill", role="server"),))
    told.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=plan))
    for name, at in PHASES.items():
        told.append(Phase(t=at * S, name=name))
    undo = Undo(id="fault-1", kind="process_kill", what="start it again", identity={"pids": "1"})
    told.append(Intent(t=8 * S, undo=undo))
    told.append(Called(t=8 * S, id="fault-1"))
    told.append(Confirmed(t=8 * S + MS, id="fault-1", verified=True, how="seen"))
    told.append(Removed(t=9 * S, id="fault-1"))
    told.append(Undone(t=9 * S, id="fault-1", done=True, verified=True))
    told.append(LoadStopped(t=18 * S))
    told.append(Ended(t=19 * S))
    told.close()

    said, slots, pushes = Journal(folder, LOAD), SlotRows(folder, LOAD), PushRows(folder, LOAD)
    for c in range(2):
        said.append(Attempt(t=S, g=0, c=c))
        said.append(Opened(t=S + 2 * MS, g=0, c=c, conn=0, began=S, shaken=S + MS))
        said.append(Subscribed(t=S + 2 * MS, g=0, c=c, conn=0, channel="E", head=0))
        said.append(Stream(t=S, sid=c, g=0, c=c, conn=0, channel="E"))
        for k in range(10, 180):
            due, out = k * 100 * MS, c == 0 and 80 <= k < 90
            slots.add(0, c, due, -1 if out else due, -1 if out else due + MS, 2 if out else 0)
            if not out:
                pushes.add(due, k - 9, k - 9, None, c)
    said.append(Closed(t=8 * S, g=0, c=0, conn=0, cause="rst"))
    said.append(Opened(t=9 * S, g=0, c=0, conn=1, began=9 * S - 2 * MS, shaken=9 * S - MS))
    for at in range(2, 19):
        said.append(Lag(t=at * S, span_ns=S, buckets={3: 100}, max_ns=MS))
    slots.close()
    pushes.close()
    said.append(Ended(t=19 * S, slots=slots.count, pushes=pushes.count))
    said.close()

    prober, probes = Journal(folder, PROBER), ProbeRows(folder, PROBER)
    for at in range(S, 18 * S, 50 * MS):
        probes.add(at, at + MS, at + MS, connect=False)
    probes.close()
    prober.append(Ended(t=19 * S, probes=probes.count))
    prober.close()
