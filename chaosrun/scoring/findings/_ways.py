"""The way back of every client that an episode hit: when it fell out, what it tried, when it was served again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from chaosrun.records import Closed, History, Opened
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.findings._rule import Seen
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.steps import Interval


@dataclass(frozen=True, kw_only=True)
class Way:
    """One affected client. Instants in ns of run time."""

    group: GroupEvidence
    client: int
    away: tuple[Interval, ...]
    """When it was unusable, up to its return, the recovery or the end of the episode."""
    back: int | None
    """It was usable again, by the definition of back(q); None: never."""
    closed: Closed | None
    """The end of the connection that it lost."""
    opened: Opened | None
    """The connection on which it came back; None: it kept its own, or never came back."""
    attempts: int
    """That it made from the loss to its return, or to the end of the episode."""
    ended: int | None
    """The end of what it had before the attempt that succeeded: its connection, or its last attempt in vain."""

    @property
    def lost(self) -> int:
        """When it was unusable first."""
        return self.away[0][0]

    @property
    def out(self) -> int:
        """How long (ns) it was unusable in all."""
        return sum(b - a for a, b in self.away)

    @property
    def name(self) -> str:
        return f"{self.group.plan.name}-{self.client}"

    @property
    def kept(self) -> bool:
        """Its connection did not end."""
        return self.closed is None

    def idle_since(self, ready: int) -> int:
        """How long (ns) it waited for its own next attempt when the service had been ready from `ready` on."""
        if self.opened is None or self.ended is None:
            return 0
        return max(0, self.opened.began - max(ready, self.ended))


def ways(seen: Seen, episode: Episode) -> list[Way]:
    """Of the affected clients of all groups that hold connections; none without an impact."""
    if episode.impact is None:
        return []
    return seen.once(("ways", episode.fault_start), partial(_ways, seen, episode, episode.impact))


def _ways(seen: Seen, episode: Episode, impact: int) -> list[Way]:
    groups = [group for group in seen.evidence.groups if group.plan.kind == "websocket"]
    return [way for group in groups for way in _of_group(seen, episode, group, impact)]


class _Lines:
    """What was recorded of a group's connections, by client and in order of time."""

    def __init__(self, history: History, g: int) -> None:
        self.closes: defaultdict[int, list[Closed]] = defaultdict(list)
        self.opens: defaultdict[int, list[Opened]] = defaultdict(list)
        self.attempts: defaultdict[int, list[int]] = defaultdict(list)
        self.refusals: defaultdict[int, list[int]] = defaultdict(list)
        for closed in history.closed:
            if closed.g == g:
                self.closes[closed.c].append(closed)
        for opened in history.opened:
            if opened.g == g:
                self.opens[opened.c].append(opened)
        for attempt in history.attempts:
            if attempt.g == g:
                self.attempts[attempt.c].append(attempt.t)
        for refused in history.refused:
            if refused.g == g:
                self.refusals[refused.c].append(refused.t)


def _of_group(seen: Seen, episode: Episode, group: GroupEvidence, impact: int) -> Iterator[Way]:
    until = episode.end if episode.recovered is None else episode.recovered
    lines = seen.once(("lines", group.g), partial(_Lines, seen.history, group.g))
    for client in group.timeline.clients:
        was_usable = bool(client.usable) and client.usable[0][0] < impact
        away = client.unusable(impact, until) if was_usable else []
        if not away:
            continue
        c, lost, last = client.index, away[0][0], away[-1][1]
        back = next((t for a, b in client.usable if b > last and (t := max(a, last)) < episode.end), None)
        end = episode.end if back is None else back
        away[-1] = (away[-1][0], end)
        broken = next((each for each in lines.closes[c] if lost <= each.t <= end), None)
        came = [each for each in lines.opens[c] if broken is not None and broken.t < each.t <= end]
        on = came[-1] if came and back is not None else None
        before = [] if on is None else [each.t for each in lines.closes[c] if each.t <= on.began]
        before += [] if on is None else lines.refusals[c][: bisect_right(lines.refusals[c], on.began)]
        attempts = lines.attempts[c]
        yield Way(
            group=group,
            client=c,
            away=tuple(away),
            back=back,
            closed=broken,
            opened=on,
            attempts=bisect_right(attempts, end) - bisect_left(attempts, lost),
            ended=max(before, default=None),
        )
