"""Runs chaosrun as a user does, in a process of its own, and looks at what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from chaosrun.records import History
from chaosrun.targets import ports

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
PATIENCE_S = 90.0


@dataclass
class Finished:
    """A run that has ended."""

    code: int
    out: str
    err: str
    folder: Path | None
    family: list[psutil.Process]
    """Every process that was seen to descend from it."""

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.out)  # type: ignore[no-any-return]

    @property
    def kept(self) -> dict[str, Any]:
        assert self.folder is not None
        return json.loads((self.folder / "result.json").read_bytes())  # type: ignore[no-any-return]

    def left_behind(self) -> list[str]:
        """What still runs of it, after two seconds to go; a pid given away is not mistaken for it."""
        _, alive = psutil.wait_procs(self.family, timeout=2)
        return [f"{process.pid} {process.cmdline()}" for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@dataclass
class Run:
    """A run that goes on."""

    process: subprocess.Popen[str]
    reports: Path
    family: dict[int, psutil.Process] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        folders = sorted(path for path in self.reports.iterdir() if path.is_dir()) if self.reports.exists() else []
        return folders[-1] if folders else None

    def lines(self) -> Iterator[dict[str, Any]]:
        if self.folder is None or not (self.folder / "journal.jsonl").exists():
            return
        for line in (self.folder / "journal.jsonl").read_bytes().split(b"\n"):
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def look(self) -> None:
        """Remember who descends from it."""
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.family.setdefault(child.pid, child)
        except psutil.Error:
            pass

    def wait_for(self, **wanted: object) -> dict[str, Any]:
        """Wait until the journal has a line with these values."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.look()
            for line in self.lines():
                if all(line.get(key) == value for key, value in wanted.items()):
                    return line
            if self.process.poll() is not None:
                out, err = self.process.communicate()
                raise AssertionError(f"it ended with {self.process.returncode} before {wanted}:\n{err}\n{out}")
            time.sleep(0.05)
        raise AssertionError(f"no {wanted} within {PATIENCE_S} s")

    def signal(self, number: signal.Signals) -> None:
        self.look()
        self.process.send_signal(number)

    def finish(self) -> Finished:
        """Wait for its end."""
        self.look()
        try:
            out, err = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"it did not end:\n{err}") from None
        folder = self.folder
        return Finished(self.process.returncode, out, err, folder, list(self.family.values()))


def chaosrun(*arguments: str | Path, reports: Path, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Run:
    """Start `chaosrun ARGUMENTS --report-dir REPORTS`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chaosrun", *map(str, arguments), "--report-dir", str(reports)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | (env or {}),
        start_new_session=True,
    )
    return Run(process, reports)


def free_port() -> int:
    """Outside the kernel's ephemeral range: clients that retry against a dead port of it may connect to themselves."""
    return ports.free_port()


def missing_copies(folder: Path, history: History) -> int:
    """Ticks that clients should have and have not, id by id: what the terminal's own file says that it published, above
    the head told at a client's first subscribe and up to the last high-water mark, less what the client received."""
    published: dict[str, set[int]] = {}
    for line in (folder / "roles" / "terminal.published").read_text().splitlines():
        symbol, seq, *_ = line.split()
        published.setdefault(symbol, set()).add(int(seq))
    received: dict[tuple[int, str], set[int]] = {}
    for push in history.pushes:
        stream = history.streams[push.sid]
        received.setdefault((stream.c, stream.channel), set()).add(push.first)
    last: dict[str, int] = {}
    for head in history.heads:
        last[head.channel] = max(head.seq, last.get(head.channel, 0))
    missing = 0
    for first in {(line.c, line.channel): line for line in reversed(history.subscribed)}.values():
        assert first.head is not None
        owed = {number for number in published[first.channel] if first.head < number <= last[first.channel]}
        missing += len(owed - received[(first.c, first.channel)])
    return missing
