"""A history as a fleet on several machines would have recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from chaosrun.records import NONE, History, NodeClock


def compared(t: int, offset: int, bound: int, *, worker: str = "load-0", exchanges: int = 60) -> NodeClock:
    """A comparison at `t`; the host of `load-0` is `host-0`."""
    node = worker.replace("load", "host")
    return NodeClock(t=t, worker=worker, node=node, offset_ns=offset, bound_ns=bound, exchanges=exchanges)


def on_nodes(history: History, *lines: NodeClock) -> History:
    """The same records, the lag written by the first of the workers that were compared."""
    lags = [msgspec.structs.replace(lag, w=lines[0].worker) for lag in history.lags]
    return replace(history, node_clocks=lines, lags=lags)


def within(history: History, bound: int) -> History:
    """All load processes were within `bound` ns of the coordinator, and drifted not at all."""
    return on_nodes(history, *_both(history, "load-0", bound))


def skewed(history: History, skews: Sequence[int]) -> History:
    """Client `c` ran on node `c % len(skews)`, whose clock is ahead by so many ns; each bound is what its clock is off.

    What was due is due by the clock of the node, too. Nothing is recorded before the run began.
    """

    def seen(t: int, c: int) -> int:
        return max(0, t + skews[c % len(skews)])

    lines = {
        name: sorted(
            (msgspec.structs.replace(line, t=seen(line.t, line.c)) for line in getattr(history, name)),
            key=lambda line: line.t,
        )
        for name in ("attempts", "refused", "closed")
    }
    opened = [
        msgspec.structs.replace(
            line, t=seen(line.t, line.c), began=seen(line.began, line.c), shaken=seen(line.shaken, line.c)
        )
        for line in history.opened
    ]
    slots = [
        row._replace(
            due=seen(row.due, row.client),
            sent=NONE if row.sent == NONE else seen(row.sent, row.client),
            got=NONE if row.got == NONE else seen(row.got, row.client),
        )
        for row in history.slots
    ]
    clocks = [line for n, skew in enumerate(skews) for line in _both(history, f"load-{n}", abs(skew))]
    return on_nodes(
        replace(
            history,
            **lines,
            opened=sorted(opened, key=lambda line: line.t),
            slots=sorted(slots, key=lambda row: (row.due, row.group, row.client)),
        ),
        *clocks,
    )


def _both(history: History, worker: str, bound: int) -> tuple[NodeClock, NodeClock]:
    return compared(0, 0, bound, worker=worker), compared(history.load_stopped, 0, bound, worker=worker)
