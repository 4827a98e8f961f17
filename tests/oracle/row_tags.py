"""The same outage told apart by how it looks from outside: what clients noticed, and why they were not let in.

Each step of a run is an episode of its own, so `detection_s.client`, `clients.by_cause` and `clients.refused_by` are
read for each as they are read for a whole run. A client counts once, under what it noticed first: so every count is
that of all clients, and there is one tag.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measured import Herald, Measured, Setup, measured, noop, pause
from oracle_row import Reading, Size, exact
from truth_script import Act, HalfOpen, Outage, Script, SlowShake

from chaosrun.scoring.connections import measure_connections

NAME = "tags"
ACCEPTS = "SIGSTOP, black hole, RST, FIN, 1012, 1013, half-open, refused, reset, 503, slow handshake: the right tag"
FAST = False

CLIENTS = 20
OPEN_TIMEOUT_S = 0.5
FROZEN = "frozen"
FROZEN_S = 2.5
REST_S = 4.0
"""What comes back on a busy machine has been well for `stable_for` when the next fault comes."""


@dataclass(frozen=True)
class Case:
    name: str
    acts: tuple[Act, ...]
    lasts: float
    noticed: str
    ends: bool
    """The connections end by it."""
    refused: frozenset[str] = frozenset()


def case(name: str, noticed: str, *acts: Act, lasts: float, ends: bool = True, refused: Sequence[str] = ()) -> Case:
    return Case(name, acts, lasts, noticed, ends, frozenset(refused))


def cut(name: str, noticed: str, refused: str, lasts: float, **how: Any) -> Case:
    return case(name, noticed, Outage(lasts=lasts, **how), lasts=lasts, refused=[refused])


WITHOUT_HEARTBEAT = (
    cut("RST, port refused", "rst", "refused", 0.6, how="rst", doors="shut"),
    cut("FIN, reset at the door", "fin", "reset", 0.6, how="fin", doors="reset"),
    cut("close 1012, HTTP 503", "close(1012)", "http(503)", 0.6, how="close", code=1012, doors="503"),
    case(
        "RST, slow handshake",
        "rst",
        SlowShake(by=2 * OPEN_TIMEOUT_S, lasts=1.5),
        Outage(lasts=0.001, how="rst", doors="reset"),
        lasts=1.5,
        refused=["timeout", "reset"],
    ),
    case("half-open", "deadline", HalfOpen(lasts=1.5), lasts=1.5, ends=False),
    case(FROZEN, "deadline", lasts=FROZEN_S, ends=False),
)
WITH_HEARTBEAT = (
    # Nobody accepts, and the kernel keeps `backlog` connections: it drops the SYN of everybody else.
    cut("close 1013, black hole", "close(1013)", "timeout", 2.5, how="close", code=1013, doors="hole"),
    # Handshakes are not answered either, and those that still wait are reset in the end.
    case("half-open", "ping_timeout", HalfOpen(lasts=2.5), lasts=2.5, refused=["timeout", "reset"]),
    case(FROZEN, "ping_timeout", lasts=FROZEN_S, refused=["timeout"]),
)


class Freezer(Herald):
    """Stops the server's process while the step `frozen` lasts, as nothing but a signal can."""

    def fault(self, name: str, event: str, detail: str) -> None:
        super().fault(name, event, detail)
        if (name, event) == (FROZEN, "called"):
            pid = self.pid
            os.kill(pid, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(FROZEN_S, os.kill, pid, signal.SIGCONT)


def run(size: Size, seed: int, scratch: Path) -> Iterator[Reading]:
    group = {"latency_limit": "500ms", "open_timeout": f"{OPEN_TIMEOUT_S:g}s"}
    # Its requests would notice first, unless they have more patience than the heartbeat.
    beating = {"latency_limit": "3s", "open_timeout": "1s", "heartbeat": {"every": "500ms", "timeout": "800ms"}}
    for transport in ("picows",) if size == "small" else ("picows", "websockets"):
        own = {"transport": transport, "reconnect": {"first": "20ms", "max": "100ms", "seed": seed}}
        where = scratch / transport
        without, with_heartbeat = asyncio.run(
            _both(
                measured(*_plan(WITHOUT_HEARTBEAT, group | own, 4096), where / "requests", Freezer),
                measured(*_plan(WITH_HEARTBEAT, beating | own, 4), where / "heartbeat", Freezer),
            )
        )
        yield from _read("", WITHOUT_HEARTBEAT, without)
        yield from _read("heartbeat: ", WITH_HEARTBEAT, with_heartbeat)


async def _both(*runs: Awaitable[Measured]) -> list[Measured]:
    return await asyncio.gather(*runs)


def _plan(cases: Sequence[Case], group: dict[str, Any], backlog: int) -> tuple[Setup, Script]:
    setup = Setup(
        clients=CLIENTS,
        requests="4/s",
        method=[step for each in cases for step in (noop(each.name), pause(each.lasts + REST_S))],
        group={"ramp": {"over": "1s", "start": 1}, "connect_within": "4s"} | group,
        recovery={"window": "1s", "stable_for": "1s"},
        timing={"after": "5s"},
    )
    return setup, Script(sections={each.name: each.acts for each in cases if each.acts}, backlog=backlog)


def _read(prefix: str, cases: Sequence[Case], run: Measured) -> Iterator[Reading]:
    note = str(run.folder)
    if not run.was_steady:
        yield Reading("injected", 1, 0, "wrong", flagged=True, note=note)
        return
    lost: Counter[str] = Counter()
    for number, each in enumerate(cases):
        lost += Counter({each.noticed: CLIENTS} if each.ends else {})
        yield from _of_case(run, f"{prefix}{each.name}", each, number)
    yield exact(
        f"{prefix}by_cause of the run", run.result.clients.by_cause, dict(lost), flagged=_is_doubted(run), note=note
    )


def _of_case(run: Measured, name: str, case: Case, number: int) -> Iterator[Reading]:
    starts = [line.t for line in run.history.called] + [run.history.load_stopped]
    assert run.evidence.recovery is not None
    episodes = {episode.fault_start: episode for episode in run.evidence.recovery.episodes}
    episode = episodes.get(starts[number])
    note, doubted = str(run.folder), _is_doubted(run)
    # Where a busy machine let the clients back too late to have been well for `stable_for` before the next fault, both
    # are one episode, and the run says so: what was noticed of this one alone is not told.
    joined = episode is None and any(f"fault-{number + 1}" in each.faults for each in episodes.values())
    noticed = None if episode is None else {tag: by.count for tag, by in episode.noticed.items()}
    yield exact(f"{name}: noticed", noticed, {case.noticed: CLIENTS}, flagged=doubted or joined, note=note)
    connections = measure_connections(run.history, 0, starts[number], starts[number + 1])
    lost = {case.noticed: CLIENTS} if case.ends else {}
    yield exact(f"{name}: connections lost", dict(connections.by_cause), lost, flagged=doubted, note=note)
    # Which of several reasons it is depends on where an attempt was when the doors opened; one there must be.
    others = set(connections.refused_by) - case.refused
    yield exact(f"{name}: other refusals", others, set(), flagged=doubted, note=note)
    yield exact(f"{name}: refused at all", bool(connections.refused_by), bool(case.refused), note=note)


def _is_doubted(run: Measured) -> bool:
    """The load itself was not sound; what the prober did meanwhile says nothing about what clients noticed."""
    checks = run.result.observer.checks
    return any(check.outcome == "invalid" and not check.name.startswith("prober") for check in checks)
