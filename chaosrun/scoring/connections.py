"""What became of the connections of a group: needs and whether they were met, losses by cause, connect times."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chaosrun.plan import GroupPlan
from chaosrun.records import Closed, History, Refused
from chaosrun.scoring.histogram import Histogram
from chaosrun.scoring.leaves import Leaves
from chaosrun.scoring.pacing import lives
from chaosrun.scoring.phases import ramp_start


class Need(NamedTuple):
    """From `at` on the client should have been open within `connect_within`."""

    at: int
    client: int
    met: bool


@dataclass(frozen=True, kw_only=True)
class Connections:
    """Counts over a window, each event by its own instant, a need by when it arose."""

    attempts: int
    refused_by: Mapping[str, int]
    """Attempts that failed: `refused`, `timeout`, `http(403)`, `conversation`, ..."""
    reconnects: int
    """Opened connections that are not their client's first."""
    needs: int
    needs_met: int
    unexpected_disconnects: int
    """Neither our close nor an injected cut."""
    by_cause: Mapping[str, int]
    """Unexpected disconnects: `rst`, `fin`, `close(1012)`, ..."""
    connect: Histogram
    """From the attempt to the end of the opening conversation, of attempts begun in the window that succeeded."""

    @property
    def refused(self) -> int:
        """Attempts that failed."""
        return sum(self.refused_by.values())


def measure_connections(history: History, g: int, start: int, end: int) -> Connections:
    """The connections of group `g` in [start, end); once the load has stopped, a loss is none."""
    opened = [line for line in history.opened if line.g == g and start <= line.t < end]
    connect = Histogram()
    for line in history.opened:
        if line.g == g and start <= line.began < end:
            connect.record(line.t - line.began)
    arisen = [need for need in needs(history, g) if start <= need.at < end]
    until = min(end, history.load_stopped)
    lost = [line for line in history.closed if line.g == g and start <= line.t < until and not line.planned]
    return Connections(
        attempts=sum(start <= line.t < end for line in history.attempts if line.g == g),
        refused_by=dict(
            sorted(Counter(refusal(line) for line in history.refused if line.g == g and start <= line.t < end).items())
        ),
        reconnects=sum(line.conn > 0 for line in opened),
        needs=len(arisen),
        needs_met=sum(need.met for need in arisen),
        unexpected_disconnects=len(lost),
        by_cause=dict(sorted(Counter(map(tag, lost)).items())),
        connect=connect,
    )


def needs(history: History, g: int) -> Iterator[Need]:
    """Planned connects and the losses after which a client must come back, so that retries do not dilute a share.

    A connection that a fault cut is such a loss, though not an unexpected disconnect. A need that was not met, and that
    the end of the load left no time to meet, is none. HTTP groups have none.
    """
    group = history.plan.groups[g]
    ramp = ramp_start(history)
    if group.kind == "http" or ramp is None:
        return
    openings: defaultdict[int, list[int]] = defaultdict(list)
    for line in history.opened:
        if line.g == g:
            openings[line.c].append(line.t)
    leaves = Leaves(history, g)
    arising = [(at, c) for c in range(group.clients) for at in _planned_connects(c, group, ramp, leaves)]
    arising += [(line.t, line.c) for line in history.closed if line.g == g and _must_return(line)]
    for at, client in sorted(arising):
        index = bisect_left(openings[client], at)
        deadline = at + group.connect_within_ns
        met = index < len(openings[client]) and openings[client][index] <= deadline
        if at < history.load_stopped and (met or deadline <= history.load_stopped):
            yield Need(at, client, met)


def _planned_connects(c: int, group: GroupPlan, ramp: int, leaves: Leaves) -> list[int]:
    """When client `c` should begin to connect: its planned starts, and whenever its script calls it back."""
    starts = [ramp + life.start for life in lives(c, group)]
    return starts + ([] if group.stages else leaves.returns(c))


def refusal(line: Refused) -> str:
    """Why an attempt failed, with the status where the server answered one."""
    return line.why if line.status is None else f"{line.why}({line.status})"


def tag(line: Closed) -> str:
    """How a client noticed the loss: `rst`, `fin`, `close(1012)`, `ping_timeout`, ..."""
    return f"close({line.code})" if line.cause == "close" and line.code is not None else line.cause


def _must_return(line: Closed) -> bool:
    return not (line.planned and line.cause == "ours")
