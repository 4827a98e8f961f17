"""One kill, and what it left: chaosrun is killed with SIGKILL, and the machine is looked at until it is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import seen
from instants import Course, Instant
from stages import Stage
from watched_run import PATIENCE_S, ROOT, WatchedRun

Victim = Literal["runner", "guardian", "both"]

CLEAN_WITHIN_S = 30.0
"""Long, for a machine with much more work than it can do: there a guardian takes ten seconds to start, and to end."""
STAYS_CLEAN_S = 0.4
"""An order that chaosrun gave while it lived may be obeyed after its end, and after an undo that found nothing."""
TAG = "CHAOSRUN_CAMPAIGN"
"""In the environment of the run, and so of all that descends from it."""
PASSED, INCONCLUSIVE = 0, 3
_LOOK_EVERY_S = 0.005
_TRIES = 4


class NoKill(Exception):
    """A run ended by itself before it came to the instant, again and again; the text says how."""


@dataclass(frozen=True)
class Shot:
    """What one kill came to."""

    fault: str
    victim: Victim
    instant: Instant
    phase: str
    """What the run had told last."""
    stood: bool
    """The fault's effect was there at the first look after the kill."""
    undone_s: float | None
    """From the kill (of both: from the call of `recover`) until the effect was gone for good; None: it is there."""
    clean_s: float | None
    """Until all was as before, the processes of the run included."""
    left: tuple[str, ...] = ()
    """What was not, after `CLEAN_WITHIN_S`."""
    folder: Path | None = None
    """Of the run, where something was left."""

    def told(self) -> str:
        """In a line, with what was left."""
        when = f"{self.instant.plus_s * 1000:.0f} ms after {self.instant.after}"
        return f"{self.fault}: {self.victim} killed {when}: {'; '.join(self.left)}"


def course_of(stage: Stage, folder: Path) -> Course:
    """The course of a run that nobody disturbs, which must leave nothing either."""
    for number in range(_TRIES):
        run = _start(stage, folder / f"course-{number}", f"{stage.mark}-course-{number}")
        code = run.process.wait(PATIENCE_S)
        # Whether so short a run proves anything of the service is not the question, but whether it had its fault.
        if code in (PASSED, INCONCLUSIVE) and "undone" in (mark.name for mark in run.marks):
            course = run.course()
            if left := _wait_until_clean(stage, f"{stage.mark}-course-{number}", set(), time.monotonic()).left:
                raise NoKill(f"{stage.fault}: a run that nobody disturbed left {'; '.join(left)}")
            return course
    raise NoKill(f"{stage.fault}: {_TRIES} runs that nobody disturbed ended with {code}:\n{''.join(run.told[-12:])}")


def shoot(stage: Stage, instant: Instant, victim: Victim, folder: Path) -> Shot:
    """Start a run, kill at the instant, and watch what becomes of the machine.

    Raises:
        NoKill: no run came to the instant.
    """
    for number in range(_TRIES):
        place = folder / f"try-{number}"
        tag = f"{stage.mark}-{folder.name}-{number}"
        run = _start(stage, place, tag)
        shot = _shoot(stage, run, tag, instant, victim)
        if shot is not None:
            return shot
        # It was not steady, which is right on a busy machine, or over sooner than the run that told the instant.
        if instant.after in (mark.name for mark in run.marks):
            instant = instant.sooner()
        _wait_until_clean(stage, tag, set(), time.monotonic())
    raise NoKill(f"{stage.fault} {instant}: {_TRIES} runs ended before:\n{''.join(run.told[-12:])}")


def _start(stage: Stage, folder: Path, tag: str) -> WatchedRun:
    folder.mkdir(parents=True)
    experiment = folder / "experiment.yaml"
    experiment.write_text(stage.experiment())
    return WatchedRun.start(experiment, folder, _environment(stage, tag))


def _environment(stage: Stage, tag: str) -> Mapping[str, str]:
    """What chaosrun knows of earlier runs is kept apart from that of others on this machine, and for as long as the
    stage: a run that was killed must not keep the next one from its target."""
    return {**stage.env, "CHAOSRUN_STATE_DIR": str(stage.state), TAG: tag}


def _shoot(stage: Stage, run: WatchedRun, tag: str, instant: Instant, victim: Victim) -> Shot | None:
    """None: it ended before."""
    at = run.wait_for(instant.after)
    if at is None:
        run.process.wait(PATIENCE_S)
        return None
    guardian = run.guardian() if victim != "runner" else None
    family = seen.family(run.process.pid)
    time.sleep(max(0.0, at + instant.plus_s - time.monotonic()))
    if run.process.poll() is not None:
        return None
    phase = run.last
    if guardian is not None:
        try:
            os.kill(guardian.pid, signal.SIGKILL)
        except ProcessLookupError:  # the run has come so far that it has sent its guardian home
            run.process.wait(PATIENCE_S)
            return None
    if victim != "guardian":
        run.process.kill()
    killed = time.monotonic()
    stood = bool(stage.standing())
    wrong: list[str] = []
    if victim != "runner" and guardian is None:
        wrong.append("there was no guardian to kill")
    if victim == "both":
        run.process.wait()
        killed = time.monotonic()
        wrong += _recovered(stage, tag)
    # A run that lost its guardian carries the tag itself: it is clean when it has ended.
    seen_after = _wait_until_clean(stage, tag, family, killed)
    if victim == "guardian" and run.process.poll() == 0:
        wrong.append("the run went on without its guardian, and passed")
    left = (*wrong, *seen_after.left)
    return Shot(
        fault=stage.fault,
        victim=victim,
        instant=instant,
        phase=phase,
        stood=stood,
        undone_s=seen_after.undone_s,
        clean_s=seen_after.clean_s,
        left=left,
        folder=run.folder if left else None,
    )


def _recovered(stage: Stage, tag: str) -> list[str]:
    """What is wrong with `chaosrun recover`, which is for whoever comes after both have died."""
    done = subprocess.run(
        [sys.executable, "-m", "chaosrun", "recover"],
        env={**os.environ, **_environment(stage, tag)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return [] if done.returncode == 0 else [f"recover ended with {done.returncode}: {done.stderr.strip()[-400:]}"]


@dataclass(frozen=True)
class _After:
    undone_s: float | None
    clean_s: float | None
    left: list[str]


def _wait_until_clean(stage: Stage, tag: str, family: set[seen.Who], since: float) -> _After:
    """Look until nothing has been left for `STAYS_CLEAN_S`, for `CLEAN_WITHIN_S`; times are those since when."""
    looks: list[tuple[str, Callable[[], list[str]]]] = [
        ("undone", stage.standing),
        ("clean", lambda: orphans(stage, tag, family)),
        ("clean", stage.unwell),
    ]
    undone: float | None = None
    clean: float | None = None
    while True:
        now = time.monotonic()
        left: list[str] = []
        for name, look in looks:
            if left := look():
                clean = None
                undone = None if name == "undone" else undone
                break
            if name == "undone" and undone is None:
                undone = now - since
        else:
            clean = now - since if clean is None else clean
            if now - since - clean >= STAYS_CLEAN_S:
                return _After(undone, clean, [])
        if left and now - since > CLEAN_WITHIN_S:
            return _After(undone, None, left)
        time.sleep(_LOOK_EVERY_S)


def orphans(stage: Stage, tag: str, family: set[seen.Who]) -> list[str]:
    """Processes that the run has left: those that were below it, and those that carry its tag."""
    ours = {each for each in (*family, *seen.carrying(TAG, tag)) if seen.is_there(each) and not stage.is_service(each)}
    return [f"process {seen.shown([each])}" for each in sorted(ours)]
