"""No fault: where nothing happens, nothing is reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from courses import CLOSE, SECOND
from measured import Measured, Setup, measure_all, noop
from msgspec import structs
from oracle_row import Reading, Size, exact
from truth import Truth
from truth_recovery import Served
from truth_script import Script

from chaosrun.records import History
from chaosrun.scoring.bounds import lag_p99

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


def _has_impact(truth: Truth, history: History) -> bool:
    return any(course.impact is not None for course in Served(truth, history).courses())


def _stricter(history: History) -> History:
    """The same run with a latency limit that is lower by what may be off between server and client."""
    lag = lag_p99(history, 0, history.end) or 0
    (group,) = history.plan.groups
    group = structs.replace(group, latency_limit_ns=group.latency_limit_ns - round(max(CLOSE * SECOND, 3 * lag)))
    return replace(history, plan=structs.replace(history.plan, groups=(group,)))


def readings(run: Measured) -> Iterator[Reading]:
    """What a run says of a fault that did nothing. An impact that the server's log shows, too, was none of ours."""
    said = run.result.recovery
    note, flagged = str(run.folder), not run.sound or not run.was_steady
    if _has_impact(run.truth, run.history):
        yield exact("impact that there was", said.impact_s is not None, True, flagged=flagged, note=note)
        return
    # The server's log ends where the way to the client begins: replies as near to the limit as that may be either.
    if _has_impact(run.truth, _stricter(run.history)):
        yield exact("on the brink: unexpected disconnects", run.result.clients.unexpected_disconnects, 0, note=note)
        return
    yield exact("impact", said.impact_s, None, flagged=flagged, note=note)
    yield exact("absorbed", said.absorbed, True, flagged=flagged, note=note)
    yield exact("time to recover", said.ttr_s, 0.0, flagged=flagged, note=note)
    yield exact("affected clients", said.affected_clients, 0, flagged=flagged, note=note)
    yield exact("unexpected disconnects", run.result.clients.unexpected_disconnects, 0, flagged=flagged, note=note)
