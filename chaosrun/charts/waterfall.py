"""How each client came back, and how often all of them knocked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from chaosrun.charts.bins import Bins, seconds
from chaosrun.charts.picture import Attempts, Fall, Waterfall
from chaosrun.charts.thinning import spread
from chaosrun.records import Closed, History
from chaosrun.scoring.comeback import Way, ways_back
from chaosrun.scoring.connections import tag
from chaosrun.scoring.recovery import Episode
from chaosrun.scoring.timeline import GroupTimeline


def draw_waterfalls(
    history: History, timeline: GroupTimeline, episodes: Sequence[Episode], most: int
) -> Iterator[Waterfall]:
    """One of each episode that affected clients of the group, of at most `most` lines."""
    connections = _Connections(history, timeline.g)
    for index, episode in enumerate(episodes):
        if episode.impact is None:
            continue
        until = episode.end if episode.recovered is None else episode.recovered
        ways = list(ways_back(timeline, episode.impact, until, episode.end))
        if not ways:
            continue
        back = sorted((way for way in ways if way.back is not None), key=lambda way: (way.back, way.client.index))
        never = [way for way in ways if way.back is None]
        of_never = max(most // 2, most - len(back))
        shown = spread(back, max(most - len(never), most - of_never)) + spread(never, of_never)
        yield Waterfall(
            episode=index,
            falls=[connections.fall(way, episode.end) for way in shown],
            affected=len(ways),
            never=len(never),
        )


class _Connections:
    """What each client of a group did about its connections, in order of time."""

    def __init__(self, history: History, g: int) -> None:
        self._unbroken = "kept" if history.plan.groups[g].kind == "websocket" else "sessionless"
        self._closed: defaultdict[int, list[Closed]] = defaultdict(list)
        self._attempts: defaultdict[int, list[int]] = defaultdict(list)
        self._opened: defaultdict[int, list[int]] = defaultdict(list)
        for closed in history.closed:
            if closed.g == g:
                self._closed[closed.c].append(closed)
        for attempt in history.attempts:
            if attempt.g == g:
                self._attempts[attempt.c].append(attempt.t)
        for opened in history.opened:
            if opened.g == g:
                self._opened[opened.c].append(opened.t)

    def fall(self, way: Way, end: int) -> Fall:
        """One line; `end` is where its episode's observation ends."""
        c = way.client.index
        until = end if way.back is None else way.back
        # It may have been lost before the impact: that is when too many were.
        away = max(b for _, b in way.client.usable if b <= way.lost)
        broke = next((closed for closed in self._closed[c] if away <= closed.t < until), None)
        attempts = [t for t in self._attempts[c] if broke is not None and broke.t <= t <= until]
        opened = [t for t in self._opened[c] if attempts and attempts[0] <= t <= until]
        return Fall(
            client=c,
            lost=seconds(way.lost),
            reconnecting=seconds(attempts[0]) if attempts else None,
            connected=seconds(opened[-1]) if opened else None,
            usable=None if way.back is None else seconds(way.back),
            cause=self._unbroken if broke is None else tag(broke),
            attempts=len(attempts),
        )


def draw_attempts(history: History, g: int, bins: Bins) -> Attempts:
    """Attempts of the whole run, in bins."""
    begun, refused, opened = bins.zeros(), bins.zeros(), bins.zeros()
    for counts, lines in ((begun, history.attempts), (refused, history.refused), (opened, history.opened)):
        for line in lines:
            if line.g == g:
                counts[bins.of(line.t)] += 1
    return Attempts(start=0.0, step=seconds(bins.step), begun=begun, refused=refused, opened=opened)
