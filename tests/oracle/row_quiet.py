"""No fault: where nothing happens, nothing is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from measured import Measured, Setup, measure_all, noop
from oracle_row import Reading, Size, exact
from truth_recovery import Served
from truth_script import Script

NAME = "no fault"
ACCEPTS = "no impact reported"
FAST = False


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    """200 short runs of few clients, or 5, several at once."""
    setup = Setup(
        clients=10,
        requests="10/s",
        group={"ramp": {"over": "100ms", "start": 10}, "latency_limit": "200ms"},
        method=[noop("nothing")],
        recovery={"window": "500ms", "stable_for": "500ms"},
        timing={"warmup": "100ms", "baseline": "1s", "recovery_timeout": "10s", "after": "800ms", "verify": "100ms"},
    )
    runs = 200 if size == "full" else 5
    return measure_all([(setup, Script(seed=seed, entries=100_000))] * runs, readings, scratch, at_once=6)


def readings(run: Measured) -> Iterator[Reading]:
    """What a run says of a fault that did nothing. An impact that the server's log shows, too, was none of ours."""
    said = run.result.recovery
    happened = [course for course in Served(run.truth, run.history).courses() if course.impact is not None]
    note, flagged = str(run.folder), not run.sound or not run.was_steady
    if happened:
        yield exact("impact that there was", said.impact_s is not None, True, flagged=flagged, note=note)
        return
    yield exact("impact", said.impact_s, None, flagged=flagged, note=note)
    yield exact("absorbed", said.absorbed, True, flagged=flagged, note=note)
    yield exact("time to recover", said.ttr_s, 0.0, flagged=flagged, note=note)
    yield exact("affected clients", said.affected_clients, 0, flagged=flagged, note=note)
    yield exact("unexpected disconnects", run.result.clients.unexpected_disconnects, 0, flagged=flagged, note=note)
