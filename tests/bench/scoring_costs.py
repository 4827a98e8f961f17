"""What it costs to score a run, for the figures of docs/scale.md: `python tests/bench/scoring_costs.py`, half a minute.

A run is written down as the load writes it, all of it answered, and read and judged in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chaosrun.journal import Journal, PushRows, SlotRows
from chaosrun.judge import judge
from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.recorded import read_run
from chaosrun.records import Attempt, Began, Ended, Kind, LoadStopped, Opened, Phase, Status, Stream

S = 1_000_000_000
CLIENTS = 1_000
LASTS_S = 60
MANY = 600_000
FEW = CLIENTS


def write(folder: Path, requests: int, pushes: int) -> None:
    """`requests` and `pushes` in all, spread over the clients and the baseline."""
    plan = GroupPlan(
        name="users", clients=CLIENTS, period_ns=LASTS_S * S * CLIENTS // requests, streams=(StreamPlan(),)
    )
    end = (LASTS_S + 1) * S
    engine = Journal(folder, "engine")
    engine.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(plan,))))
    for at, name in ((0, "ramp"), (S, "baseline"), (end, "verify"), (end + S, "drain")):
        engine.append(Phase(t=at, name=name))
    engine.append(LoadStopped(t=end + S))
    engine.append(Ended(t=end + 2 * S))
    engine.close()
    load, slots, rows = Journal(folder, "load-0"), SlotRows(folder, "load-0"), PushRows(folder, "load-0")
    for c in range(CLIENTS):
        load.append(Attempt(t=0, g=0, c=c))
        load.append(Opened(t=S // 2, g=0, c=c, conn=1, began=0, shaken=S // 4))
        load.append(Stream(t=S // 2, sid=c, g=0, c=c, conn=1, channel="x"))
    for k in range(requests // CLIENTS):
        for c in range(CLIENTS):
            due = S + k * LASTS_S * S * CLIENTS // requests + c * 1_000
            slots.add(0, c, due, due, due + 1_000_000 + c, Status.SENT, Kind.SLOT, 1)
    for k in range(pushes // CLIENTS):
        for c in range(CLIENTS):
            at = S + k * LASTS_S * S * CLIENTS // pushes + c * 1_000
            rows.add(at, k + 1, k + 1, at - 1_000, c)
    slots.close()
    rows.close()
    load.append(Ended(t=end + 2 * S, slots=slots.count, pushes=rows.count))
    load.close()


def one(folder: Path) -> None:
    began = time.process_time()
    recording = read_run(folder)
    judge(recording.history, recording.began)
    print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def cost(requests: int, pushes: int) -> tuple[float, float]:
    """Seconds of CPU, and bytes at most."""
    with tempfile.TemporaryDirectory(prefix="chaosrun-bench-") as folder:
        write(Path(folder), requests, pushes)
        done = subprocess.run([sys.executable, __file__, folder], check=True, capture_output=True, text=True)
    seconds, size = map(float, done.stdout.split())
    return seconds, size


def main() -> None:
    if len(sys.argv) > 1:
        one(Path(sys.argv[1]))
        return
    for _ in range(3):
        base_s, base = cost(FEW, FEW)
        for called, requests, pushes in (("a request", MANY, FEW), ("a pushed message", FEW, MANY)):
            seconds, size = cost(requests, pushes)
            rest = MANY - FEW
            print(f"{called}: {(seconds - base_s) / rest * 1e6:.1f} us, {(size - base) / rest:.0f} bytes", flush=True)


if __name__ == "__main__":
    main()
