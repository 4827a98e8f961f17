"""Measure one stall in three ways, and draw docs/images/coordinated-omission.svg of it.

`make picture`, or by hand: `python docs/pictures/coordinated_omission.py --locust PATH`, which takes 4 minutes: 50
clients of chaosrun and 50 users of Locust at once, on one bridge, which is first frozen and then, in a second run,
killed. What was measured is kept in coordinated_omission.json; `--draw` only draws that again.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from words import with_numbers

from chaosrun import engine
from chaosrun.load.live import FleetNow
from chaosrun.plan import Plan
from chaosrun.recorded import read_run
from chaosrun.records import NONE, Kind, Resource
from chaosrun.scoring.requests import Requests
from chaosrun.scoring.result import Quantiles
from chaosrun.spec.loader import load_experiment

HERE = Path(__file__).parent
MEASURED: Final = HERE / "coordinated_omission.json"
PAGE: Final = HERE.parent / "coordinated-omission.md"
FROZEN_S: Final = 6.0
POINTS: Final = 240
"""Of a curve, evenly spaced on its logarithmic axis."""


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What one way of measuring says of one stall; times in ms."""

    count: int
    failures: int
    """Requests without a reply. chaosrun has the waits of their users, corrected, or nothing."""
    over_1s: int
    """Times above a second."""
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    curve: list[tuple[float, float]]
    """(quantile, ms)"""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    ttr_s: float | None
    corrected: Series
    uncorrected: Series
    locust: Series


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of coordinated_omission.json."""

    environment: dict[str, str]
    freeze: Measured
    crash: Measured


# ---- measuring ------------------------------------------------------------------------------------------------------


class Conductor:
    """Watches a run: starts Locust beside its load, and freezes the bridge when the step `freeze` is called."""

    def __init__(self, locust: Path, scratch: Path) -> None:
        self._locust = locust
        self._scratch = scratch
        self._folder = Path()
        self._users: subprocess.Popen[bytes] | None = None

    @property
    def times(self) -> Path:
        return self._scratch / "times.json"

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        self._folder = folder

    def phase(self, name: str, planned_ns: int | None) -> None:
        if name == "warmup":
            self._users = subprocess.Popen(
                [self._locust, "--headless", "--only-summary", "--users", "50", "--spawn-rate", "50"],
                env=os.environ
                | {"LOCUST_LOCUSTFILE": str(HERE / "locustfile.py"), "LOCUST_CSV": str(self._scratch / "locust")}
                | {"PORT": self._option("--port"), "TIMES": str(self.times)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        elif name == "drain" and self._users is not None:
            self._users.terminate()

    def fault(self, name: str, event: str, detail: str) -> None:
        if (name, event) == ("freeze", "called"):
            bridge = psutil.Process(self._pid())
            bridge.send_signal(signal.SIGSTOP)
            asyncio.get_running_loop().call_later(FROZEN_S, bridge.send_signal, signal.SIGCONT)

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None:
        """Draw nothing."""

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def end(self) -> None:
        """Have Locust write its numbers."""
        if self._users is not None:
            self._users.terminate()
            self._users.wait(timeout=30)

    def _pid(self) -> int:
        lines = map(json.loads, (self._folder / "journal.jsonl").read_text().splitlines())
        return int([line["pid"] for line in lines if line["type"] == "started" and line["role"] == "server"][-1])

    def _option(self, name: str) -> str:
        command = psutil.Process(self._pid()).cmdline()
        return command[command.index(name) + 1]


def measure(which: str, locust: Path, scratch: Path) -> tuple[Measured, dict[str, str]]:
    """One run of `WHICH.yaml`, with Locust beside it."""
    loaded = load_experiment(HERE / f"{which}.yaml")
    conductor = Conductor(locust, scratch)
    try:
        outcome = asyncio.run(engine.run(loaded, engine.Options(report_dir=scratch), conductor))
    finally:
        conductor.end()
    result = outcome.result
    if not result.observer.sound:
        raise SystemExit(f"the observer was not sound, measure again on a quieter machine: {result.reasons}")
    judged = Requests.of(read_run(outcome.folder).history, 0).outcomes
    slots = [each for each in judged if each.kind is Kind.SLOT and each.good is not None]
    failures = sum(slot.got == NONE for slot in slots)
    waits = [slot.wait / 1e6 for slot in slots if slot.wait is not None]
    services = [(slot.got - slot.sent) / 1e6 for slot in slots if slot.valid]
    measured = Measured(
        title=result.title,
        ttr_s=result.recovery.ttr_s,
        corrected=_ours(result.latency_ms.response["all"], failures, waits),
        uncorrected=_ours(result.latency_ms.service["all"], failures, services),
        locust=_theirs(scratch / "locust_stats.csv", json.loads(conductor.times.read_text())),
    )
    environment = result.environment
    return measured, {
        "chaosrun": result.chaosrun_version,
        "python": str(environment.python),
        "cpus": str(environment.cpus),
        "kernel": str(environment.kernel),
    }


def _ours(printed: Quantiles, failures: int, times: list[float]) -> Series:
    """The numbers are those of result.json; the curve is of the same requests, one by one."""
    assert not printed.censored, "every user was served in the end"
    numbers = {name: round(getattr(printed, name), 2) for name in ("p50", "p90", "p99", "p999", "max")}
    return Series(count=printed.count, failures=failures, **numbers, **_of(times))


def _theirs(stats: Path, times: list[float]) -> Series:
    """The numbers are those that Locust prints, rounded by it; failed requests are in them, as Locust has it."""
    *_, total = csv.DictReader(stats.read_text().splitlines())
    columns = {"p50": "50%", "p90": "90%", "p99": "99%", "p999": "99.9%", "max": "100%"}
    numbers = {name: float(total[column]) for name, column in columns.items()}
    return Series(count=int(total["Request Count"]), failures=int(total["Failure Count"]), **numbers, **_of(times))


def _of(times: list[float]) -> dict[str, Any]:
    return {"over_1s": sum(ms > 1000 for ms in times), "curve": _curve(times)}


def _curve(times: list[float]) -> list[tuple[float, float]]:
    """Up to the quantile that is the largest of them."""
    ordered = sorted(times)
    tails = [len(ordered) ** (-i / (POINTS - 1)) for i in range(POINTS)]
    ranks = [ceil((1 - tail) * len(ordered)) for tail in tails]
    return [(round(1 - tail, 6), round(ordered[max(0, rank - 1)], 2)) for tail, rank in zip(tails, ranks, strict=True)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--locust", type=Path, default=Path(sys.executable).with_name("locust"))
    options.add_argument("--draw", action="store_true", help="measure nothing")
    chosen = options.parse_args()
    if not chosen.draw:
        version = subprocess.run([chosen.locust, "--version"], check=True, capture_output=True, text=True).stdout
        runs: dict[str, Any] = {}
        for which in ("freeze", "crash"):
            with tempfile.TemporaryDirectory() as scratch:
                runs[which], environment = measure(which, chosen.locust, Path(scratch))
        kept = Kept(environment=environment | {"locust": version.split()[1]}, **runs)
        MEASURED.write_bytes(msgspec.json.encode(kept) + b"\n")
    from curves import draw  # noqa: PLC0415 - matplotlib is needed for drawing only

    measured = kept_numbers()
    draw(measured, HERE.parent / "images" / "coordinated-omission.svg")
    PAGE.write_text(with_numbers(PAGE.read_text(), measured))


def kept_numbers() -> Kept:
    return msgspec.json.decode(MEASURED.read_bytes(), type=Kept)


if __name__ == "__main__":
    main()
