"""Several troubles in one run: which episode each belongs to, which is the worst, and that no time is negative."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from courses import CLOSE, SECOND, of_courses
from measured import Measured, Setup, measure_all, noop, pause
from oracle_row import Reading, Size, exact, near
from truth_recovery import Served
from truth_script import AnyAct, Outage, Script

NAME = "several troubles"
ACCEPTS = "the worst episode is the headline; no negative time"
FAST = False


def run(size: Size, seed: int, scratch: Path) -> Iterable[Reading]:
    """In full size the dip is followed by 30 s of outage 10 s later, and the storm has an outage every 10 s."""
    scale = 1.0 if size == "full" else 0.25
    plans = [dip_and_outage(scale), storm(scale), overlapping(), breaks_again()]
    return measure_all(plans, readings, scratch, at_once=4)


def setup(method: list[dict[str, object]], hold: float = 2) -> Setup:
    return Setup(
        clients=60,
        requests="4/s",
        group={"reconnect": {"first": "20ms", "max": "150ms"}},
        method=method,
        recovery={"window": "1s", "stable_for": f"{hold:g}s"},
        timing={"recovery_timeout": "60s", "after": f"{hold + 1:g}s"},
    )


def dip_and_outage(scale: float) -> tuple[Setup, Script]:
    """One fault: a short dip, and a long outage before the service has been in tolerance for as long as it must."""
    between = 10 * scale
    acts = (Outage(lasts=0.2), Outage(at=between, lasts=30 * scale, doors="503"))
    return setup([noop("both")], hold=between + 1), Script(sections={"both": acts})


def storm(scale: float) -> tuple[Setup, Script]:
    """Six outages, of which the fourth is the longest, and the fifth begins before its effects are over."""
    lengths = [0.2, 0.8, 0.1, 12 * scale, 0.5, 0.3]
    sections: dict[str, tuple[AnyAct, ...]] = {}
    method: list[dict[str, object]] = []
    for number, lasts in enumerate(lengths):
        sections[f"gust {number}"] = (Outage(lasts=lasts, how="fin"),)
        method += [noop(f"gust {number}"), pause(10 * scale)]
    return setup(method), Script(sections=sections)


def overlapping() -> tuple[Setup, Script]:
    """The second fault strikes in the middle of the first one's outage, and ends after it."""
    sections = {"first": (Outage(lasts=1.5),), "second": (Outage(lasts=2, doors="reset"),)}
    return setup([noop("first"), pause(0.7), noop("second")]), Script(sections=sections)


def breaks_again() -> tuple[Setup, Script]:
    """A sustained kill; what is started when it is removed serves for a while, and goes down once more."""
    kill = {"fault": "process_kill", "role": "server"}
    return setup([kill, pause(1)]), Script(sections={"restarted": (Outage(at=1.0, lasts=0.8),)})


def readings(run: Measured) -> Iterator[Reading]:
    note, flagged = str(run.folder), not run.sound
    for _, _, of_episode in of_courses(run):
        yield from of_episode
    if run.was_steady:
        worst = max(Served(run.truth, run.history).courses(), key=lambda course: course.ttr or float("inf"))
        said = run.result.recovery
        assert worst.ttr is not None
        yield near("headline", said.ttr_s, worst.ttr / SECOND, CLOSE, flagged=flagged, note=note)
        back = said.back_s
        times = [said.ttr_s, said.outage_s, said.server_ready_s, back.first, back.p50, back.p90, back.p99, back.all]
        yield exact("negative times of the headline", [t for t in times if t is not None and t < 0], [], note=note)
