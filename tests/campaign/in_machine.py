"""What is done inside the machine: a process stands netem's fault as a run does, and is killed, again and again.

Runs there as root, with the host's interpreter: `in_machine.py KILLS SEED`. The process is a fork of this one, which
has read all that it needs: to start an interpreter for each kill would take most of the time here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import seen
from instants import Course, Instant, Mark, planned, tied
from shots import Shot, Victim
from watched_run import ROOT

from chaosrun.faults.netem import make
from chaosrun.identity import boot_id
from chaosrun.journal import JOURNAL, Journal
from chaosrun.recorded import ENGINE
from chaosrun.records import Note
from chaosrun.safety import lifeline
from chaosrun.safety.guarded import Guarded
from chaosrun.safety.standing import StandingFaults
from chaosrun.spec.steps import NetemStep

RESULTS = Path("/mnt")
OURS = "504c:"
READY = "note"
"""The line that is written when the guardian is ready."""
DELAY = "20ms"
HELD_NS = 1_500_000_000
CLEAN_WITHIN_S = 60.0
STAYS_CLEAN_S = 1.0
PATIENCE_S = 300.0
"""For a guardian to get ready, too: on a processor that is emulated, beside other work, that takes a minute."""
BEFORE_S = 1.0
"""Kills are spread from so long before the intent on: what comes before that is the start of the guardian."""
_LOOK_EVERY_S = 0.005


# ---- the process that is killed -------------------------------------------------------------------------------------


class Somewhere:
    """A world without roles and load; implements `chaosrun.faults._base.World`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.roles: dict[str, object] = {}

    def now(self) -> int:
        return time.monotonic_ns()


def stand(folder: Path, url: str) -> None:
    """Inject the fault as a run does, under a guardian, hold it, and take it away; at once if the guardian is lost."""

    async def story() -> None:
        first = {"w": ENGINE, "n": 0, "type": "began", "t": 0, "origin_ns": 0, "boot_id": boot_id()}
        (folder / JOURNAL).write_text(f"{json.dumps(first)}\n")
        journal = Journal(folder, ENGINE)
        faults = StandingFaults(Somewhere(url), journal, lambda *told: None)
        guarded = Guarded(folder, "a fault without a load", ("device lo",))
        fault = make(NetemStep.model_validate({"fault": "netem", "delay": DELAY}))
        tasks: list[asyncio.Task[object]] = []
        guarded.start(0, ["netem"], lambda why: [task.cancel() for task in tasks], silence_s=PATIENCE_S)
        await guarded.ready()
        journal.append(Note(t=time.monotonic_ns(), text="the guardian is ready"))
        journal.flush()
        await asyncio.sleep(BEFORE_S)
        tasks.append(asyncio.create_task(faults.inject(fault, "fault-1", for_ns=HELD_NS)))
        await asyncio.wait(tasks)
        clean = await faults.remove_all(alive=False)
        journal.sync()
        await guarded.end(clean=clean)

    asyncio.run(story())


def begin(folder: Path, url: str) -> int:
    """The pid of a fork that does that."""
    folder.mkdir()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            stand(folder, url)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


# ---- who kills it, and looks ----------------------------------------------------------------------------------------


def queues() -> str:
    return subprocess.run(["tc", "qdisc", "show", "dev", "lo"], capture_output=True, text=True, check=True).stdout


def lines(folder: Path) -> Iterator[dict[str, object]]:
    for journal in folder.glob("journal.jsonl"):
        for line in journal.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def wait_for(kind: str, folder: Path, pid: int) -> float:
    """When its journal first had such a line."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert is_running(pid), f"it ended before its {kind}"
        if any(line["type"] == kind for line in lines(folder)):
            return time.monotonic()
        time.sleep(_LOOK_EVERY_S)
    raise AssertionError(f"no {kind} within {PATIENCE_S:g} s")


def is_running(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG) == (0, 0)


def course_of(folder: Path, url: str) -> Course:
    """From `BEFORE_S` before the intent on, which is called its begin."""
    pid = begin(folder, url)
    _, status = os.waitpid(pid, 0)
    ended = time.monotonic()
    assert status == 0, "nobody disturbed it"
    told = {str(line["type"]): int(str(line["t"])) / 1e9 for line in lines(folder)}
    began = told["intent"] - BEFORE_S
    names = ("intent", "called", "confirmed", "removed", "undone")
    marks = [Mark("begun", 0.0), *(Mark(name, told[name] - began) for name in names)]
    return Course(sorted(marks, key=lambda mark: mark.at_s), ended - began)


def shoot(course: Course, instant: Instant, victim: Victim, folder: Path, url: str) -> Shot:
    at_s = course.at(instant.after) + instant.plus_s
    pid = begin(folder, url)
    began = wait_for(READY if at_s < BEFORE_S else "intent", folder, pid)
    began -= 0.0 if at_s < BEFORE_S else BEFORE_S
    family = seen.family(pid)
    time.sleep(max(0.0, began + at_s - time.monotonic()))
    wrong = []
    if victim != "runner":
        guardians = [each for each in family if "guardian" in " ".join(seen.command_line(each.pid))]
        wrong += [] if guardians else ["there was no guardian to kill"]
        for each in guardians:
            os.kill(each.pid, signal.SIGKILL)
    if victim != "guardian":
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    stood = OURS in queues()
    phase = [mark.name for mark in course.marks if mark.at_s <= at_s][-1]
    if victim == "both":
        os.waitpid(pid, 0)
        killed = time.monotonic()
        wrong += recovered()
    undone_s, clean_s, left = wait_until_clean(lambda: survivors(family, pid), killed)
    return Shot("netem", victim, instant, phase, stood, undone_s, clean_s, (*wrong, *left))


def survivors(family: set[seen.Who], pid: int) -> list[str]:
    with contextlib.suppress(ChildProcessError):
        if is_running(pid):
            return ["the process with the fault runs"]
    return [f"process {seen.shown([each])}" for each in family if seen.is_there(each)]


def wait_until_clean(survivors: Callable[[], list[str]], since: float) -> tuple[float | None, float | None, list[str]]:
    undone = clean = None
    while True:
        now = time.monotonic() - since
        left = [queue for queue in queues().splitlines() if OURS in queue]
        undone = None if left else now if undone is None else undone
        left += survivors()
        clean = None if left else now if clean is None else clean
        if clean is not None and now - clean >= STAYS_CLEAN_S:
            return undone, clean, []
        if left and now > CLEAN_WITHIN_S:
            return undone, None, left
        time.sleep(_LOOK_EVERY_S)


def recovered() -> list[str]:
    command = [sys.executable, "-m", "chaosrun", "recover"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, cwd=ROOT)
    return [] if done.returncode == 0 else [f"recover ended with {done.returncode}: {done.stderr.strip()[-400:]}"]


def main(kills: int, seed: int) -> None:
    lifeline.READY_WITHIN_S = PATIENCE_S  # type: ignore[misc]
    shots = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        begun = Path("/tmp/campaign")
        begun.mkdir()
        course = course_of(begun / "course", url)
        aims: list[tuple[Victim, Instant]] = [("runner", each) for each in planned(course, kills, (seed, "netem"))]
        rng = random.Random(repr((seed, "netem", "guardian")))
        aims += [("guardian", tied(course, "confirmed", rng)), ("both", tied(course, "confirmed", rng))]
        for number, (victim, instant) in enumerate(aims):
            shot = shoot(course, instant, victim, begun / f"kill-{number}", url)
            shots.append(asdict(shot))
            print(shot, flush=True)
            if shot.left:
                subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], capture_output=True, check=False)
    (RESULTS / "facts.json").write_text(json.dumps(shots))


if __name__ == "__main__":
    os.chdir(ROOT)
    main(int(sys.argv[1]), int(sys.argv[2]))
