"""Faults that hide well: their impact is found, and never called absorbed.

Errors that come back at once keep every connection, and look fast. A feed that stands still has nothing to be late.
And four dead clients of a small group beside hundreds of healthy ones of another are less than one in a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from measured import GROUP, Measured, Setup, measure_all, noop, pause, protocol
from oracle_row import Reading, Size, exact, near
from paired import pairs, room
from truth import Acted
from truth_log import What
from truth_script import Act, Errors, Feed, HalfOpen, Outage, Script, Stall

from chaosrun.records import Kind
from chaosrun.scoring.recovery import Episode

NAME = "impact"
ACCEPTS = (
    "error replies at once, a push-only service that stalls, 4 of 30 dead beside 500 healthy: found, never absorbed"
)
FAST = False

S = 1e9
DEAD = (0, 1, 2, 3)
SOME = 0.2


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    if size == "small":
        plans = [errors(60, 4.0, seed), still_feed(40, 3.0), few_dead(100, 4.0)]
    else:
        plans = [errors(300, 20.0, seed), still_feed(300, 10.0), few_dead(500, 10.0)]
    return measure_all(plans, _read, scratch, at_once=3 if size == "small" else 1)


def _read(run: Measured) -> Iterator[Reading]:
    """Each script is read by its own first section."""
    reads = {"all": of_errors, "still": of_still_feed, "silent": of_few_dead}
    return reads[next(iter(run.script.sections))](run)


def errors(clients: int, lasts: float, seed: int) -> tuple[Setup, Script]:
    """Every request is answered within a millisecond or so, by an error; later one in five is."""
    setup = Setup(
        clients=clients,
        requests="2/s",
        method=[noop("all"), pause(lasts + 4), noop("some"), pause(lasts)],
        group={"latency_limit": "500ms"},
        recovery={"window": "1s", "stable_for": "2s"},
    )
    sections: dict[str, tuple[Act, ...]] = {"all": (Errors(lasts=lasts),), "some": (Errors(share=SOME, lasts=lasts),)}
    return setup, Script(sections=sections, seed=seed)


def of_errors(run: Measured) -> Iterator[Reading]:
    paired = [pair for pair in pairs(run) if pair.said.kind is Kind.SLOT and pair.ask is not None]
    for number, name in enumerate(run.script.sections):
        what = f"errors of {name}"
        episode, act, readings = _found(run, what, name, number, f"{GROUP}.requests")
        yield from readings
        if episode is None or act is None or act.over is None:
            continue
        refused = [i for i, pair in enumerate(paired) if pair.ask and not pair.ask.ok and act.begun <= pair.ask.read]
        refused = [i for i in refused if paired[i].ask.read <= act.over]
        # A service that fails in part is out of tolerance with one failure more than are tolerated, and no earlier.
        tolerated = 0 if name == "all" else _tolerated(run)
        first, last = (paired[refused[i]].said.due for i in (0, tolerated))
        yield _near(run, f"{what}: impact", episode.impact, first, (last - first) / S)
        late = 0.0 if name == "all" else (episode.error or 0) / S
        yield _near(run, f"{what}: recovery", episode.recovered, paired[refused[-1] + 1].said.due, late)
    served = [entry.b for entry in run.truth.entries(What.ANSWERED) if entry.client >= 0]
    ledger = run.result.messages.requests
    bad = ledger.replied_error + (ledger.canaries.sent - ledger.canaries.good)
    yield exact("errors: counted", bad, served.count(0), flagged=not run.was_steady, note=str(run.folder))


def _tolerated(run: Measured) -> int:
    """Bad requests that a window may have."""
    group = run.history.plan.groups[0]
    assert group.period_ns is not None
    return int(group.tolerate_requests * group.clients * group.window_ns / group.period_ns)


def still_feed(clients: int, lasts: float) -> tuple[Setup, Script]:
    """Clients that ask nothing; the numbers come late, and none is missing."""
    setup = Setup(clients=clients, method=[noop("still"), pause(lasts)], group={"requests": None})
    return setup, Script(sections={"still": (Stall(of="pushes", lasts=lasts),)}, feed=Feed(per_s=10))


def of_still_feed(run: Measured) -> Iterator[Reading]:
    clients = run.history.plan.groups[0].clients
    episode, act, readings = _found(run, "a still feed", "still", 0, f"{GROUP}.pushes")
    yield from readings
    if episode is None or act is None or act.over is None:
        return
    pushed: dict[int, list[int]] = {client: [] for client in range(clients)}
    for entry in run.truth.entries(What.PUSHED):
        if entry.client >= 0:
            pushed[entry.client].append(entry.t)
    last = min(max(t for t in times if t < act.begun) for times in pushed.values())
    yield _near(run, "a still feed: impact", episode.impact, max(last, episode.fault_start), 0)
    # Recovered when no more clients are without than is tolerated.
    fresh = sorted(min(t for t in times if t > act.begun) for times in pushed.values())
    tolerated = int(clients * (run.result.tolerance[GROUP].pushes or 0))
    yield _near(run, "a still feed: recovery", episode.recovered, fresh[-1 - tolerated], 0)
    noticed = {tag: by.count for tag, by in episode.noticed.items()}
    yield exact("a still feed: noticed", noticed, {"stale": clients}, flagged=not run.sound, note=str(run.folder))
    push = run.result.messages.push
    lost = None if push is None else push.lost_connected
    yield exact("a still feed: lost", lost, 0, note=str(run.folder))


def few_dead(healthy: int, lasts: float) -> tuple[Setup, Script]:
    """Two groups in one run; the second one's names begin with a 9, so that the script cannot mean its clients."""
    few = _group(30, protocol(None))
    many = _group(healthy, protocol(None) | {"query": {"who": "many-9{index}"}})
    setup = Setup(
        method=[noop("silent"), pause(lasts + 4), noop("cut off"), pause(lasts)],
        extra={"steady_state": {"load": {"few": few, "many": many}}},
        recovery={"stable_for": "2s"},
    )
    sections: dict[str, tuple[Act, ...]] = {
        "silent": (HalfOpen(clients=DEAD, lasts=lasts),),
        "cut off": (Outage(clients=DEAD, how="rst", doors="reset", lasts=lasts),),
    }
    return setup, Script(sections=sections)


def of_few_dead(run: Measured) -> Iterator[Reading]:
    for number, (name, by) in enumerate((("silent", "few.requests"), ("cut off", "few.sessions"))):
        what = f"4 of 30 {name}"
        episode, _, readings = _found(run, what, name, number, by)
        yield from readings
        if episode is not None:
            note = str(run.folder)
            yield exact(f"{what}: affected", episode.back.affected, len(DEAD), flagged=not run.sound, note=note)
            noticed = sum(by.count for by in episode.noticed.values())
            yield exact(f"{what}: noticed", noticed, len(DEAD), flagged=not run.sound, note=note)


def _group(clients: int, spoken: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "protocol": dict(spoken),
        "clients": clients,
        "requests": "1/s",
        "ramp": {"over": "1s", "start": 10},
        "connect_within": "1s",
        "reconnect": {"first": "50ms", "max": "200ms"},
    }


def _found(
    run: Measured, what: str, section: str, number: int, by: str
) -> tuple[Episode | None, Acted | None, list[Reading]]:
    """The episode of the `number`-th fault, what the server did, and the reading that says whether it was noticed.

    No flag helps here: an impact that is passed over is wrong whatever else the run says of itself. It may say only
    that it did not inject anything, since its baseline was not steady.
    """
    note = str(run.folder)
    if not run.was_steady:
        return None, None, [Reading(f"{what}: injected", 1, 0, "wrong", flagged=True, note=note)]
    (act,) = run.truth.acts(section)
    called = run.history.called[number].t
    assert run.evidence.recovery is not None
    episode = next((each for each in run.evidence.recovery.episodes if each.fault_start == called), None)
    said = None if episode is None else (episode.impact_by, bool(episode.absorbed))
    return episode, act, [exact(f"{what}: found", said, (by, False), note=note)]


def _near(run: Measured, what: str, got: int | None, truth: int, late: float) -> Reading:
    """It may be `late` seconds off."""
    said = None if got is None else got / S
    return near(what, said, truth / S, late + room(run), flagged=not run.sound, note=str(run.folder))
