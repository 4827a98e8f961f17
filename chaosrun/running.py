"""A run of chaosrun in a process of its own, as tests and other tools start it: asked to stop, waited for, read.

It has a session of its own, so that signals meant for whoever started it do not reach it, and ends in order when that
process is gone (`chaosrun.tethered`). Light: nothing of chaosrun is imported before it is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

STOPPED_WITHIN_S: Final = 120.0
"""A run that is asked to stop undoes, drains and scores; each of it is bounded, and mostly takes some seconds."""
_LAST_LINES_WITHIN_S: Final = 2.0
_KEPT_LINES: Final = 400
_PROGRESS = re.compile(r"\s*\d+\.\d s\s")
"""How a line of progress begins; all others are errors and notes."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be run, as others than the command line say it."""

    run: str
    """The file of the experiment."""
    profile: str | None = None
    target: str | None = None
    """A target file, in place of the experiment's own target."""
    sets: Mapping[str, object] = field(default_factory=dict)
    """Overrides, as by `--set`: a path to a value that JSON can tell."""
    report_dir: str = "reports"
    repeat: int | None = None
    arguments: Sequence[str] = ()
    """Anything else for the command line."""

    def command_line(self) -> list[str]:
        """With `result.json` as standard output, and lines of progress."""
        line = ["run", self.run, "--format", "json", "--no-live", "--report-dir", self.report_dir]
        named = {"--profile": self.profile, "--target": self.target, "--repeat": self.repeat}
        line += [word for option, said in named.items() if said is not None for word in (option, str(said))]
        for path, value in self.sets.items():
            line += ["--set", f"{path}={_as_yaml(value)}"]
        return [*line, *self.arguments]


def _as_yaml(value: object) -> str:
    """JSON that is YAML, too, which knows no pairs of surrogates, and no control characters as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if " " <= char <= "~" else f"\\U{ord(char):08x}" for char in text)


class Ended(NamedTuple):
    """What a run left when its process ended."""

    code: int
    """Its exit code; below 0: a signal that killed it."""
    out: bytes
    """Its standard output: `result.json`, or nothing where there is no result."""
    complaint: str
    """What it said on standard error beside its progress, the last lines of it."""


class Running:
    """One run, from its start.

    Args:
        arguments: of the command line, without the name of a program.
        cwd: working directory.
        tell: given every line of its progress, by a thread of its own.
    """

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path | None = None, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the run
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self._tell = tell
        self._ended: Ended | None = None
        self._reading = threading.Lock()
        self.process = subprocess.Popen(
            # -P: the working directory is of others, whose modules may have the names of ours.
            [sys.executable, "-P", "-m", "chaosrun.tethered", str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.PIPE,
            cwd=cwd,
            start_new_session=True,
        )
        self._listening = threading.Thread(target=self._listen, name="progress of chaosrun", daemon=True)
        self._listening.start()

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def wait(self, within_s: float | None = None) -> Ended:
        """Wait for its end; the same each time. May be called by several threads.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        code = self.process.wait(within_s)
        with self._reading:
            if self._ended is None:
                # Something that it left running may hold the pipe open.
                self._listening.join(_LAST_LINES_WITHIN_S)
                with self._out as out:
                    out.seek(0)
                    said = "\n".join(line for line in tuple(self._kept) if not _PROGRESS.match(line))
                    self._ended = Ended(code, out.read(), said)
            return self._ended

    def stop(self, within_s: float = STOPPED_WITHIN_S) -> Ended | None:
        """Ask it to undo everything and end, and wait for that; None: it has not ended, and goes on undoing by itself.

        What interrupts the wait, such as a second Ctrl-C, interrupts nothing of the run.
        """
        if not self.is_over:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.wait(within_s)
        except subprocess.TimeoutExpired:
            return None

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\n")
                self._kept.append(line)
                with contextlib.suppress(Exception):  # who listens no more cuts off nothing: a closed pipe would end it
                    self._tell(line)
