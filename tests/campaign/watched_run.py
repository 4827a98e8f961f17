"""A run of chaosrun as a user starts it, watched from outside: what it tells of itself, and when."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instants import TIED, Course, Mark
from seen import Who, command_line, family

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
_PHASE = re.compile(r" phase +name=(\w+)")
_FAULT = re.compile(r" fault +.*what=(called|confirmed|unconfirmed|undone|failed)")
_INTENT = re.compile(rb'"type":"intent","t":\d+,"undo":\{"id":"fault-')
"""Of the fault. A link through somebody else's Toxiproxy has one, too."""
_SAME = {"unconfirmed": "confirmed", "failed": "undone"}
_LOOK_EVERY_S = 0.001


@dataclass
class WatchedRun:
    """A run that goes on. Its lines on standard error are out at once; those of its journal when it is synced."""

    folder: Path
    process: subprocess.Popen[str]
    began: float
    """On the monotonic clock, in seconds, as all of its marks."""
    marks: list[Mark] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Its standard error."""

    @classmethod
    def start(cls, experiment: Path, folder: Path, env: Mapping[str, str]) -> WatchedRun:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "chaosrun", str(experiment), "--report-dir", str(folder / "reports")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **env},
            start_new_session=True,
        )
        run = cls(folder, process, began, [Mark("begun", began)])
        threading.Thread(target=run._listen, daemon=True).start()
        return run

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            now = time.monotonic()
            self.told.append(line)
            if (phase := _PHASE.search(line)) is not None:
                self.marks.append(Mark(phase[1], now))
            elif (fault := _FAULT.search(line)) is not None:
                self.marks.append(Mark(_SAME.get(fault[1], fault[1]), now))

    def wait_for(self, name: str) -> float | None:
        """When it told of this; None: it ended, or stood still for `PATIENCE_S`, without."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            ended = self.process.poll() is not None
            if name == "intent":
                if (at := self._intent()) is not None:
                    return at
            elif (mark := next((mark for mark in self.marks if mark.name == name), None)) is not None:
                return mark.at_s
            if ended:
                return None
            time.sleep(_LOOK_EVERY_S)
        return None

    def _intent(self) -> float | None:
        journal = self.journal
        return time.monotonic() if journal is not None and _INTENT.search(journal.read_bytes()) is not None else None

    @property
    def journal(self) -> Path | None:
        return next((self.folder / "reports").glob("*/journal.jsonl"), None)

    @property
    def last(self) -> str:
        """What it told last."""
        return self.marks[-1].name

    def guardian(self) -> Who | None:
        """The process below it that undoes in its place."""
        return next((each for each in family(self.process.pid) if "guardian" in " ".join(command_line(each.pid))), None)

    def course(self) -> Course:
        """Of a run that has ended: what its engine wrote into the journal, in seconds since its process was started."""
        assert self.journal is not None
        lines = [json.loads(line) for line in self.journal.read_bytes().splitlines()]
        lines = [line for line in lines if line["w"] == "engine"]
        origin_s = lines[0]["origin_ns"] / 1e9 - self.began
        marks = [Mark("begun", 0.0)]
        for line in lines:
            at_s = origin_s + line["t"] / 1e9
            if line["type"] == "phase":
                marks.append(Mark(line["name"], at_s))
            elif line["type"] in TIED and line.get("undo", line)["id"].startswith("fault-"):
                marks.append(Mark(line["type"], at_s))
        return Course(sorted(marks, key=lambda mark: mark.at_s), time.monotonic() - self.began)
