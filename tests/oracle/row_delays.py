"""Replies held back by a draw per message: the quantiles that are printed are those of the draws that were realised.

The truth is the server's own log: from the arrival of a request, timed by the kernel, to the writing of its reply. What
is left between that and our clock is two passages of the loopback device and one turn of our event loop; delays of 200
ms and more keep it below the 1% that is accepted, 0.4% of which are the buckets of the histogram.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from measured import Measured, Setup, measure_all, noop, pause
from oracle_row import Reading, Size, exact, near
from paired import lag, pairs, strangers, user_waits
from stall_forms import quantile
from truth_script import Act, Delay, Script

from chaosrun.records import Kind
from chaosrun.scoring.result import Quantiles

NAME = "delays"
ACCEPTS = "p50 and p99, corrected and uncorrected, within 1% of the realised sample's"
FAST = False

ACCEPTED = 0.01
LIMIT = 1_000_000_000
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    clients, seconds = (60, 8) if size == "small" else (200, 40)
    # Two in five clients are far away.
    far = tuple(c for c in range(clients) if c % 5 < 2)
    shapes: tuple[tuple[Act, ...], ...] = (
        (Delay(low=0.2, high=0.8, sigma=0.35),),
        (Delay(low=0.2, high=0.26), Delay(low=0.3, high=0.4, clients=far)),
    )
    setup = Setup(
        clients=clients,
        requests="2/s",
        method=[noop("nothing"), pause(seconds)],
        group={"latency_limit": "1s", "connect_within": "3s"},
    )
    plans = [(setup, Script(sections={"always": acts}, seed=seed)) for acts in shapes]
    return measure_all(plans, _read, scratch, at_once=2)


def _read(run: Measured) -> Iterator[Reading]:
    shape = "log-normal" if len(run.script.sections["always"]) == 1 else "bimodal"
    where = str(run.folder)
    every = pairs(run)
    paired = [pair for pair in every if pair.said.kind is Kind.SLOT]
    yield exact(f"{shape}: requests that are not the server's", strangers(paired), 0, note=where)
    latency = run.result.latency_ms
    services = [pair.held for pair in paired if pair.held is not None and not pair.said.late_observer]
    yield exact(f"{shape}: replies counted", latency.service["all"].count, len(services), note=where)
    responses = [wait for _, wait in user_waits(every, LIMIT)]
    # A run may be off by its own lateness, as it prints it; where that is more than 1%, the machine had no time.
    lateness = (latency.lateness.p99 or 0) / 1e3
    yield from _compare(run, f"{shape}: service", latency.service["all"], services, lag(run))
    yield from _compare(run, f"{shape}: response", latency.response["all"], responses, lag(run) + lateness)


def _compare(run: Measured, what: str, said: Quantiles, true: list[int], late: float) -> Iterator[Reading]:
    for name, q in QUANTILES.items():
        ms = quantile(true, q) / 1e6
        bound = max(ACCEPTED, 1e3 * late / ms)
        reading = near(f"{what} {name}", getattr(said, name), ms, 0, flagged=not run.sound, note=str(run.folder))
        yield Reading(reading.what, reading.error / ms, bound, "x", reading.flagged, reading.note)
