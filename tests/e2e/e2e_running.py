"""Runs chaosrun as a user does, in a process of its own, and looks at what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaosrun.identity import Identity, all_stats, boot_id, is_alive
from chaosrun.records import History
from chaosrun.targets import ports

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
PATIENCE_S = 90.0
GONE_WITHIN_S = 20.0
INCONCLUSIVE = 3
TRIES = 4
"""A run of which the observer itself says that the machine was too busy proves nothing, and is made again."""
REST_S = 4
"""Before the second try; twice and three times as long before the next ones. Where a hypervisor shares out the CPU by
credit, a machine that has just been busy gets some of it back by resting."""


class EndedBefore(AssertionError):
    """A run ended before it came to what was waited for."""


@dataclass
class Finished:
    """A run that has ended."""

    code: int
    out: str
    err: str
    folder: Path | None
    family: list[Identity]
    """Every process that was seen to descend from it."""

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.out)  # type: ignore[no-any-return]

    @property
    def kept(self) -> dict[str, Any]:
        assert self.folder is not None
        return json.loads((self.folder / "result.json").read_bytes())  # type: ignore[no-any-return]

    def left_behind(self) -> list[str]:
        """What still runs of it, once it has had time to go; a pid given away is not mistaken for it."""
        end = time.monotonic() + GONE_WITHIN_S
        while (left := [each for each in self.family if is_alive(each)]) and time.monotonic() < end:
            time.sleep(0.05)
        return [f"{each.pid} {command_line(each.pid)}" for each in left]


@dataclass
class Run:
    """A run that goes on."""

    process: subprocess.Popen[str]
    reports: Path
    family: set[Identity] = field(default_factory=set)

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
        self.family.update(descendants(self.process.pid))

    def wait_for(self, **wanted: object) -> dict[str, Any]:
        """Wait until the journal has a line with these values."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            ended = self.process.poll() is not None  # first: what it wrote last is still to be read
            self.look()
            for line in self.lines():
                if all(line.get(key) == value for key, value in wanted.items()):
                    return line
            if ended:
                out, err = self.process.communicate()
                raise EndedBefore(f"it ended with {self.process.returncode} before {wanted}:\n{err}\n{out}")
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
        return Finished(self.process.returncode, out, err, folder, list(self.family))


def chaosrun(
    *arguments: str | Path,
    reports: Path,
    env: dict[str, str] | None = None,
    cwd: Path = ROOT,
    around: Sequence[str] = (),
    terminal: int | None = None,
) -> Run:
    """Start `chaosrun ARGUMENTS --report-dir REPORTS`.

    Args:
        around: a command that becomes the one that it is given.
        terminal: where it reads and complains, in place of nothing and a pipe.
    """
    process: subprocess.Popen[str] = subprocess.Popen(
        [*around, sys.executable, "-m", "chaosrun", *map(str, arguments), "--report-dir", str(reports)],
        stdin=subprocess.DEVNULL if terminal is None else terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if terminal is None else terminal,
        text=True,
        cwd=cwd,
        env=os.environ | (env or {}),
        start_new_session=True,
    )
    return Run(process, reports)


def conclusive(
    *arguments: str | Path, reports: Path, before_each: Callable[[], None] = lambda: None, **more: Any
) -> Finished:
    """A run to its end, and once more where it proved nothing."""
    for number in range(TRIES):
        time.sleep(number * REST_S)
        before_each()
        finished = chaosrun(*arguments, reports=reports / f"try-{number}", **more).finish()
        if finished.code != INCONCLUSIVE:
            return finished
    skip_where_stolen_from(finished.out + finished.err)
    return finished


def come_to(line: dict[str, object], *arguments: str | Path, reports: Path, **more: Any) -> Run:
    """A run that has just written this line, of a phase that comes only where the baseline was steady."""
    for number in range(TRIES):
        time.sleep(number * REST_S)
        run = chaosrun(*arguments, reports=reports / f"try-{number}", **more)
        try:
            run.wait_for(**line)
        except EndedBefore as ended:
            if run.process.returncode != INCONCLUSIVE:
                raise
            if number == TRIES - 1:
                skip_where_stolen_from(str(ended))
                raise
        else:
            return run
    raise AssertionError("unreachable")


def skip_where_stolen_from(told: str) -> None:
    """A limit that was missed while the hypervisor took over 5% of the CPU is unknown; chaosrun says so, rightly."""
    if "not to be trusted (CPU stolen by the hypervisor" in told:
        pytest.skip(f"the hypervisor took more than 5% of this machine's CPU, {TRIES} times")


def descendants(pid: int) -> Iterator[Identity]:
    """Every process that comes from `pid`, at one look; zombies are none."""
    stats = all_stats()
    for each in stats.values():
        above = each
        while above.parent in stats and above.parent != pid:
            above = stats[above.parent]
        if above.parent == pid and each.runs:
            yield Identity(each.pid, each.start_time, boot_id())


def command_line(pid: int) -> str:
    """Of a process that may be gone by now."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone)"


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
