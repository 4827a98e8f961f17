"""The live display: phase, fault, load, losses, guards and CPU of a run, drawn in place on a terminal four times a
second.

It is drawn by a thread of rich's, which asks for the picture when it is due; what the engine tells is only remembered.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chaosrun.guards.watch import GuardNow
from chaosrun.records import OWN
from chaosrun.reports._fitting import Column, Fitting
from chaosrun.reports._safe_text import clean
from chaosrun.reports._view import SHOWN_PHASES, GroupView, PhaseView, View
from chaosrun.scoring.words import show
from chaosrun.spec.secret import mask

_PER_SECOND: Final = 4
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_GOODBYE_S: Final = 1.0
_BAR: Final = 30
_GUARDS: Final = 3
"""So many are shown one by one; there may be one for every group."""
_FAULT_STYLES: Final = {"failed": "bold red", "unconfirmed": "bold yellow", "undone": "green"}


class Display(View):
    """A `Watcher` and the context in which it is on the screen."""

    def __init__(self, stream: TextIO, secrets: Iterable[str], heading: str = "") -> None:
        super().__init__(heading=heading)
        self._secrets = tuple(secrets)
        # A file of its own on the terminal: a thread that is stuck in standard error holds its lock, and the
        # interpreter would abort over it at its end.
        self._file = os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding)
        self._live = Live(
            console=Console(file=self._file, markup=False, highlight=False, emoji=False),
            get_renderable=self.draw,
            refresh_per_second=_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the picture off the screen; a terminal that stands still is not waited for."""
        goodbye = threading.Thread(target=self._live.stop, daemon=True)
        goodbye.start()
        goodbye.join(_GOODBYE_S)
        if not goodbye.is_alive():
            with contextlib.suppress(OSError):  # the terminal has gone away, and the picture with it
                self._file.close()

    # ---- the picture ------------------------------------------------------------------------------------------------

    def draw(self) -> RenderableType:
        """The whole picture, from what is known this instant."""
        parts: list[RenderableType] = [self._heading()]
        if self.heading:
            parts.append(Text(self._safe(self.heading), style="dim", no_wrap=True, overflow="ellipsis"))
        parts.append(self._phases())
        if self.folder is not None:  # otherwise it is a rest before the next run
            parts.append(self._fault_banner())
        if self.groups:
            parts += [Text(), self._load(), *self._usable_over_time(), *self._troubles()]
        if self.resources:
            parts.append(self._resources())
        parts += self._guards()
        if self.lag_max_ns > 25_000_000:  # where the observer's own check begins to warn
            lag = show(self.lag_max_ns / 1e9, "s")
            parts.append(_line(("lag     ", "dim"), (f"chaosrun's own event loop was {lag} late", "yellow")))
        parts += [_line(("! ", "yellow"), self._safe(note)) for note in self.notes]
        return Group(*parts)

    def _safe(self, text: str) -> str:
        return clean(mask(text, self._secrets))

    def _heading(self) -> RenderableType:
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", no_wrap=True)
        line.add_row(Text(self._safe(self.title), style="bold"), Text(_clock(self.elapsed), style="dim"))
        return line

    def _phases(self) -> RenderableType:
        phase = self.phase_now
        if phase is None:
            return Text("starting", style="dim")
        # What only some runs come to stands alone: a rollback, stages that are left, a rest between two runs.
        names = SHOWN_PHASES if phase.name in SHOWN_PHASES else (phase.name,)
        place = names.index(phase.name)
        path = Text(no_wrap=True, overflow="ellipsis")
        for index, name in enumerate(names):
            style = "green" if index < place else "bold reverse cyan" if index == place else "dim"
            path.append(f" {name} ", style=style)
        return Group(path, self._time_left(phase))

    def _time_left(self, phase: PhaseView) -> RenderableType:
        left = phase.left(self.now)
        whole = phase.planned_s or phase.at_most_s
        name = f" {self._safe(phase.name):<10}"
        if left is None or not whole:
            return _line((name, "bold cyan"), (f"{self.now - phase.began:.0f} s so far", "dim"))
        done = round(_BAR * (1 - left / whole))
        most = "" if phase.planned_s else "at most "
        told = f" {most}{left:.0f} s left" if left > 0 else " ending"
        return _line((name, "bold cyan"), ("█" * done, "cyan"), ("░" * (_BAR - done), "dim"), (told, "dim"))

    def _fault_banner(self) -> RenderableType:
        fault = self.last_fault
        if fault is None:
            return Text(f" {_to_come(self.faults_planned)}", style="dim")
        style = _FAULT_STYLES.get(fault.event, "bold magenta")
        ago = f" {self.now - fault.at:.0f} s ago "
        detail = f": {self._safe(fault.detail)}" if fault.detail else ""
        return Text.assemble(
            (f" {self._safe(fault.event).upper()} ", f"reverse {style}"),
            (ago, "dim"),
            f"{self._safe(fault.name)}{detail}",
            no_wrap=True,
            overflow="ellipsis",
        )

    def _load(self) -> RenderableType:
        names = [Text(self._safe(group.now.counts.name)) for group in self.groups]
        columns = [Column("group", names, rank=0, left=True)]
        cells = zip(*map(_cells, self.groups), strict=True)
        columns += [Column(name, each, rank) for (name, rank), each in zip(_COLUMNS, cells, strict=True)]
        return Fitting(columns)

    def _usable_over_time(self) -> list[RenderableType]:
        if len(self.served) < 2:
            return []
        line = Text("served  ", style="dim")
        for share in self.served:
            style = "green" if share >= 0.99 else "yellow" if share >= 0.5 else "red"
            line.append(_BLOCKS[round(share * (len(_BLOCKS) - 1))], style=style)
        return [line]

    def _troubles(self) -> list[RenderableType]:
        errors: dict[str, int] = {}
        for group in self.groups:
            for why, count in group.now.counts.errors.items():
                errors[why] = errors.get(why, 0) + count
        if not errors:
            return []
        told = "  ".join(f"{self._safe(why)} {count:,}" for why, count in sorted(errors.items()))
        return [Text.assemble(("errors  ", "dim"), (told, "yellow"), no_wrap=True, overflow="ellipsis")]

    def _resources(self) -> RenderableType:
        told = "   ".join(
            f"{self._safe(role)} {sample.cpu:.0%} {show(sample.memory, 'bytes')}"
            for role, sample in sorted(self.resources.items(), key=lambda each: (each[0] == OWN, each[0]))
        )
        return _line(("cpu     ", "dim"), told)

    def _guards(self) -> list[RenderableType]:
        """The ones nearest to ending the run."""
        lines: list[RenderableType] = []
        for guard in self.guards_now[:_GUARDS]:
            of = "" if guard.of in guard.guard else f" ({self._safe(guard.of)})"
            reads = f": {'' if guard.blind else 'reads '}{self._safe(guard.reading)}" if guard.reading else ""
            lines.append(
                _line(
                    ("guard   ", "dim"),
                    (f"{_state(guard, self.guards_armed)} ", _guard_style(guard, self.guards_armed)),
                    f"{self._safe(guard.guard)}{of}",
                    (reads if self.guards_armed else "", "dim"),
                )
            )
        if len(self.guards_now) > _GUARDS:
            lines.append(_line((f"        and {len(self.guards_now) - _GUARDS} more guards", "dim")))
        return lines


def _line(*parts: str | tuple[str, str]) -> Text:
    """One line that is cut off rather than wrapped."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _to_come(faults: int) -> str:
    return "no fault is planned" if not faults else "1 fault to come" if faults == 1 else f"{faults} faults to come"


def _state(guard: GuardNow, armed: bool) -> str:
    if not armed:
        return "off"
    if guard.blind:
        return "blind"
    return f"BURNING {guard.burnt:.0%}" if guard.burnt else "calm"


def _guard_style(guard: GuardNow, armed: bool) -> str:
    return "dim" if not armed else "bold yellow" if guard.blind else "bold red" if guard.burnt else "green"


_COLUMNS: Final = (
    ("usable", 1),
    ("replies/s", 2),
    ("pushes/s", 5),
    ("p50", 6),
    ("p99", 3),
    ("bad", 4),
    ("lost", 4),
    ("broken", 7),
    ("waiting", 8),
)
"""Of a group, each with its rank: the lower, the longer it is kept where there is little room."""


def _cells(group: GroupView) -> list[Text]:
    counts = group.now.counts
    served = "" if not counts.counted else "green" if counts.usable >= counts.counted else "bold red"
    bad = "" if not counts.due else f"{counts.bad:,}"
    burning = bool(group.bad_share)
    return [
        Text(f"{counts.usable:,}/{counts.counted:,}", style=served),
        Text(_rate(group.replies_per_s) if counts.due else "-"),
        Text(_rate(group.pushes_per_s) if counts.pushes else "-"),
        Text(_time(group.now.response_p50_ns)),
        Text(_time(group.now.response_p99_ns)),
        Text(bad or "-", style="bold red" if burning else "yellow" if counts.bad else ""),
        Text(f"{counts.unanswered:,}" if counts.due else "-", style="yellow" if counts.unanswered else ""),
        Text(f"{counts.disconnects:,}", style="yellow" if counts.disconnects else ""),
        Text(f"{counts.in_flight:,}"),
    ]


def _rate(per_s: float | None) -> str:
    return "-" if per_s is None else f"{per_s:,.0f}"


def _time(ns: int | None) -> str:
    return "-" if ns is None else show(ns / 1e9, "s")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
