"""What a metric sees: one stretch of one run, and of it one group or role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from chaosrun.records import OBSERVER, OWN, Resource
from chaosrun.scoring.connections import Connections
from chaosrun.scoring.evidence import Evidence, GroupEvidence
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.push_windows import PushWindow
from chaosrun.scoring.pushes import PushLedger
from chaosrun.scoring.recovery import Recovery
from chaosrun.scoring.requests import RequestLedger, RequestWindow
from chaosrun.scoring.timeline import GroupTimeline

SECOND = 1_000_000_000

PushClass = Literal["lost_connected", "missed_disconnected", "tail", "duplicates", "reordered", "unexpected"]


@dataclass(frozen=True)
class PushCount:
    """So many copies of so many; perhaps more (`lower_bound`), and why."""

    count: int
    of: int
    lower_bound: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Window:
    """[start, end) of one run, seen through one criterion's filters."""

    name: str
    start: int
    end: int
    evidence: Evidence
    group: GroupEvidence | None = None
    role: str | None = None
    stream: str | None = None
    request: str | None = None
    of_machine: bool = False

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SECOND

    # ---- the group --------------------------------------------------------------------------------------------------

    @property
    def timeline(self) -> GroupTimeline | None:
        """None for HTTP groups, whose clients hold no connection that could be usable."""
        return None if self.group is None or self.group.plan.kind == "http" else self.group.timeline

    @property
    def connections(self) -> Connections | None:
        if self.group is None or self.group.plan.kind == "http":
            return None
        return self.group.connections_in(self.start, self.end)

    @property
    def requests(self) -> RequestWindow | None:
        return None if self.group is None else self.group.requests_in(self.start, self.end, self.request)

    @property
    def ledger(self) -> RequestLedger | None:
        return None if self.requests is None else self.requests.ledger

    @property
    def pushes(self) -> PushWindow | None:
        return None if self.group is None else self.group.pushes_in(self.start, self.end, self.stream)

    # ---- the ledger of pushes ---------------------------------------------------------------------------------------

    def push_class(self, name: PushClass, share_of: Literal["owed", "received"]) -> PushCount | None:
        """What one class of the ledger gained in the window; None: no stream, or unknown altogether."""
        after = self._ledgers[1]
        if name in ("duplicates", "unexpected") and any(name in after[stream].clouded for stream in self._streams):
            return None  # they may be first copies of a second numbering
        return _sum(_gain(self._ledgers, [(stream, (name,)) for stream in self._streams], share_of))

    @property
    def push_lost(self) -> PushCount | None:
        """Losses, with those across a reconnect where the protocol promises to make up for them."""
        always: tuple[PushClass, ...] = ("lost_connected", "tail") if self._ends_the_run else ("lost_connected",)
        promised = {stream.name for stream in self.group.plan.streams if stream.resumes} if self.group else set()
        classes = [(s, (*always, "missed_disconnected") if s in promised else always) for s in self._streams]
        return _sum(_gain(self._ledgers, classes, "owed"))

    @property
    def push_delivered(self) -> PushCount | None:
        """Copies that came (live or replayed), of those owed and not in flight at the end."""
        before, after = self._ledgers
        parts = []
        for stream in self._streams:
            old, new = before.get(stream, PushLedger()), after[stream]
            came = _came(new) - _came(old)
            owed = (new.owed - new.in_flight_at_end) - (old.owed - old.in_flight_at_end)
            parts.append(PushCount(max(0, came), max(0, owed), *_doubt(new, ("lost_connected", "missed_disconnected"))))
        return _sum(parts)

    @property
    def _ends_the_run(self) -> bool:
        """Only then is there a tail: before, what is missing behind a receipt is in flight, or the next one's gap."""
        history = self.evidence.history
        return self.end >= history.load_stopped and phase_span(history, "drain") is not None

    @cached_property
    def _ledgers(self) -> tuple[dict[str, PushLedger], dict[str, PushLedger]]:
        if self.group is None:
            return {}, {}
        return self.group.ledgers_until(self.start), self.group.ledgers_until(self.end)

    @property
    def _streams(self) -> list[str]:
        return [stream for stream in self._ledgers[1] if self.stream in (None, stream)]

    # ---- the role ---------------------------------------------------------------------------------------------------

    @property
    def resources(self) -> Sequence[Resource]:
        """The role's samples, each of the second before its time."""
        role = OWN if self.role == OBSERVER else self.role
        return [r for r in self.evidence.history.resources if r.role == role and self.start < r.t <= self.end]

    @property
    def cores(self) -> int:
        """What CPU is divided by."""
        return (self.evidence.cores or 1) if self.of_machine else 1

    @property
    def open_connection_ns(self) -> int:
        """Connections of all groups, each by the time it was open in the window."""
        history = self.evidence.history
        ends = {(line.g, line.c, line.conn): line.t for line in history.closed}
        lives = ((line.t, ends.get((line.g, line.c, line.conn), history.end)) for line in history.opened)
        return sum(max(0, min(end, self.end) - max(start, self.start)) for start, end in lives)

    # ---- the run ----------------------------------------------------------------------------------------------------

    @property
    def recovery(self) -> Recovery | None:
        return self.evidence.recovery


def _gain(
    ledgers: tuple[dict[str, PushLedger], dict[str, PushLedger]],
    classes: Sequence[tuple[str, tuple[PushClass, ...]]],
    share_of: Literal["owed", "received"],
) -> Iterator[PushCount]:
    before, after = ledgers
    for stream, names in classes:
        old, new = before.get(stream, PushLedger()), after[stream]
        # A number that arrives late takes back a loss counted before: a window never gains less than none.
        count = sum(max(0, (getattr(new, name) or 0) - (getattr(old, name) or 0)) for name in names)
        yield PushCount(count, max(0, getattr(new, share_of) - getattr(old, share_of)), *_doubt(new, names))


def _doubt(ledger: PushLedger, names: Iterable[str]) -> tuple[bool, str]:
    """Is any of the classes known from below only, and why?"""
    unknown = [name for name in names if name in ledger.clouded or getattr(ledger, name) is None]
    return bool(unknown), ledger.why or (f"{', '.join(unknown)} known from below only" if unknown else "")


def _came(ledger: PushLedger) -> int:
    return ledger.live + (ledger.replayed or 0)


def _sum(parts: Iterable[PushCount]) -> PushCount | None:
    found = list(parts)
    if not found:
        return None
    return PushCount(
        sum(part.count for part in found),
        sum(part.of for part in found),
        any(part.lower_bound for part in found),
        "; ".join(dict.fromkeys(part.why for part in found if part.lower_bound)),
    )
