"""Live outages: when the load and the prober say that the service went and came back, against when it did."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from courses import SECOND, bound_of, of_courses
from measured import Measured, Setup, measure_all, noop, pause
from oracle_row import Reading, Size, near
from truth_log import End
from truth_script import Outage, Script

from chaosrun.scoring.detection import noticed
from chaosrun.scoring.recovery import Episode

NAME = "live outages"
ACCEPTS = "prober within 10 ms of the truth; TTR within max(10 ms, 3 x lag p99); never over 100 ms unflagged"
FAST = False


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    """204 outages of 300 clients and 68 of 100, or 5.

    300 that lose their connections in one moment keep a slow core busy for longer than the limit of the lag, so such
    runs often flag themselves; those of 100 seldom do.
    """
    many = [plan(300, 17, seed * 100 + number) for number in range(12)]
    many += [plan(100, 17, seed * 100 + number) for number in range(12, 16)]
    # More at once than cores, and the machine would be measured.
    return measure_all(many if size == "full" else [plan(300, 5, seed)], readings, scratch, at_once=2)


def plan(clients: int, outages: int, seed: int) -> tuple[Setup, Script]:
    """So many outages in one run: of 50 ms to 1 s, with any kind of end and any kind of closed door."""
    draw = random.Random(seed)
    sections, method = {}, []
    for number in range(outages):
        lasts = 0.05 * 20 ** draw.random()
        how, doors = draw.choice(["rst", "fin", "close"]), draw.choice(["shut", "reset", "503", "hole"])
        sections[f"outage {number}"] = (Outage(lasts=lasts, how=how, doors=doors),)
        method += [noop(f"outage {number}"), pause(round(lasts + 1.3 + draw.random() / 2, 3))]
    setup = Setup(
        clients=clients,
        requests="1/s",
        group={"reconnect": {"first": "100ms", "max": "500ms", "seed": seed}},
        method=method,
        recovery={"window": "500ms", "stable_for": "500ms"},
        timing={"after": "2s"},
    )
    return setup, Script(sections=sections, seed=seed)


def readings(run: Measured) -> Iterator[Reading]:
    for episode, _, of_episode in of_courses(run):
        yield from of_episode
        if episode is not None:
            yield from of_prober(run, episode)


def of_prober(run: Measured, episode: Episode) -> Iterator[Reading]:
    """Its first detection against the end of its connection, its handshake against the echo that the server wrote.

    The prober keeps no record of its own lag; that of the load tells how late this machine lets anybody read.
    """
    note, bound = f"{run.folder} {' '.join(episode.faults)}", bound_of(run, episode)
    prober = [each for each in run.truth.prober if each.shaken is not None]
    cut = [each for each in prober if each.how in (End.RST, End.FIN, End.CLOSE)]
    broke = [each.ended for each in cut if each.ended is not None and episode.fault_start <= each.ended < episode.end]
    detected = noticed(run.evidence, episode).prober
    told = None if detected is None else detected / SECOND
    yield near("prober: first detection", told, min(broke) / SECOND, bound, flagged=not run.sound, note=note)
    began = min(each.ended for each in run.truth.connections if each.ended and each.ended >= episode.fault_start)
    served = [each.served for each in prober if each.accepted > began]
    ready = min(ask.answered for ask in served if ask is not None and ask.answered is not None)
    told = None if episode.server_ready is None else episode.server_ready / SECOND
    # A handshake that hung in an open door was begun before or after the impact by chance; the printed error says so.
    error = None if episode.server_ready_error is None else episode.server_ready_error / SECOND
    vague = not run.sound or error is None or error > bound
    yield near("prober: server ready", told, ready / SECOND, bound, flagged=vague, note=note)
    if told is not None and error is not None:
        beyond = max(0.0, abs(told - ready / SECOND) - error)
        yield Reading("server ready beyond its printed error", beyond, 0.001, flagged=not run.sound, note=note)
