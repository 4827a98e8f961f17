"""The progress of a run on standard error: a live display on a terminal, otherwise a line per event.

Neither holds up the engine: lines are written by a thread of their own, and dropped rather than waited for when nobody
reads them; the display is drawn by a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import structlog

from chaosrun.load.live import FleetNow
from chaosrun.plan import Plan
from chaosrun.records import Resource
from chaosrun.reports._safe_text import clean, fit_encoding
from chaosrun.reports._streams import silence
from chaosrun.reports._view import GroupView, View
from chaosrun.scoring.words import show
from chaosrun.spec.secret import mask

STATUS_EVERY_S: Final = 5.0
_WAITING_LINES: Final = 1000
_LAST_WORDS_S: Final = 2.0


@contextlib.contextmanager
def watching(*, live: bool, secrets: Iterable[str], heading: str = "", stream: TextIO | None = None) -> Iterator[View]:
    """Something for the engine to tell of its run, which draws it as long as the context lasts.

    Args:
        live: draw in place, where the stream is a terminal that can.
        heading: which run of several it is, in words.
        stream: a file with a descriptor; None: standard error.
    """
    stream = sys.stderr if stream is None else stream
    if live and _can_draw(stream):
        from chaosrun.reports._display import Display  # noqa: PLC0415 - rich costs a fifth of a second

        with Display(stream, secrets, heading) as display:
            yield display
        return
    pump = Pump(stream)
    try:
        yield Lines(pump, secrets, heading)
    finally:
        pump.close()


def _can_draw(stream: TextIO) -> bool:
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    return fit_encoding("█━✓", stream.encoding) == "█━✓"


class Pump:
    """Writes lines in a thread of its own: who gives it one never waits for who reads it.

    It writes to the descriptor itself: a thread that is stuck in a stream holds the stream's lock, and the interpreter
    would abort over it at its end.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._descriptor = stream.fileno()
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING_LINES)
        self._thread = threading.Thread(target=self._write, daemon=True, name="progress")
        self._thread.start()

    def msg(self, line: str) -> None:
        """Structlog's name for it."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    info = msg

    def close(self) -> None:
        """Write what waits, for at most `_LAST_WORDS_S`."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_LAST_WORDS_S)

    def _write(self) -> None:
        encoding = self._stream.encoding or "ascii"
        try:
            while (line := self._lines.get()) is not None:
                data = f"{fit_encoding(line, encoding)}\n".encode(encoding)
                while data:
                    data = data[os.write(self._descriptor, data) :]
        except OSError:  # nobody reads any more: the run itself goes on, and its result is in its folder
            silence(self._stream)


class Lines(View):
    """A line per phase, fault and note, and one of the load every five seconds."""

    def __init__(self, pump: Pump, secrets: Iterable[str], heading: str = "") -> None:
        super().__init__(heading=heading)
        self._secrets = tuple(secrets)
        self._status_at = 0.0
        self._log = structlog.wrap_logger(
            pump,
            processors=[self._run_time, self._printable, structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)],
            wrapper_class=structlog.BoundLogger,
        )

    def began(self, folder: Path, title: str, plan: Plan) -> None:
        super().began(folder, title, plan)
        clients = sum(group.clients for group in plan.groups)
        if self.heading:
            self._log.info("series", what=self.heading)
        self._log.info("run", title=title, clients=clients, folder=str(folder))

    def phase(self, name: str, planned_ns: int | None) -> None:
        super().phase(name, planned_ns)
        planned = {} if planned_ns is None else {"planned": show(planned_ns / 1e9, "s")}
        self._log.info("phase", name=name, **planned)

    def fault(self, name: str, event: str, detail: str) -> None:
        super().fault(name, event, detail)
        self._log.info("fault", name=name, what=event, **({"detail": detail} if detail else {}))

    def note(self, text: str) -> None:
        super().note(text)
        self._log.info("note", text=text)

    def live(self, live: FleetNow, resources: Mapping[str, Resource]) -> None:
        super().live(live, resources)
        if self.now - self._status_at >= STATUS_EVERY_S:
            self._status_at = self.now
            for group in self.groups:
                self._log.info("load", **status(group), **_cpu(resources), **self._guard())

    def _guard(self) -> dict[str, str]:
        """The guard that is nearest to ending the run, if any has begun to burn or is blind."""
        nearest = next((guard for guard in self.guards_now if guard.burnt or guard.blind), None)
        if nearest is None or not self.guards_armed:
            return {}
        state = "blind" if nearest.blind else f"burning {nearest.burnt:.0%}"
        return {"guard": f"{nearest.guard} ({nearest.of}): {state}, reads {nearest.reading}"}

    def _run_time(self, _logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"timestamp": f"{self.elapsed:6.1f} s", **event}

    def _printable(self, _logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {
            key: clean(mask(value, self._secrets)) if isinstance(value, str) else value for key, value in event.items()
        }


def status(group: GroupView) -> dict[str, object]:
    """A group right now, as the fields of one line."""
    counts = group.now.counts
    fields: dict[str, object] = {"group": counts.name, "usable": f"{counts.usable}/{counts.counted}"}
    if group.replies_per_s is not None and counts.due:
        fields["replies"] = f"{group.replies_per_s:.0f}/s"
    if group.now.response_p99_ns is not None:
        fields["p99"] = show(group.now.response_p99_ns / 1e9, "s")
    if counts.due:
        fields["bad"] = f"{counts.bad} of {counts.due}"
    if counts.pushes:
        fields["pushes"] = f"{group.pushes_per_s or 0:.0f}/s"
    if counts.disconnects:
        fields["disconnects"] = counts.disconnects
    if counts.refused:
        fields["refused"] = counts.refused
    return fields


def _cpu(resources: Mapping[str, Resource]) -> dict[str, str]:
    return {f"cpu_{role}": f"{sample.cpu:.0%}" for role, sample in resources.items()}
