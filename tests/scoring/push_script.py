"""Histories of pushes written by hand, a line an event; times are whole seconds, and L is one second."""

from __future__ import annotations

from chaosrun.plan import FaultPlan, GroupPlan, Plan, StreamPlan
from chaosrun.records import (
    NONE,
    Called,
    Closed,
    Head,
    History,
    Opened,
    Phase,
    Published,
    Push,
    Removed,
    Stream,
    Subscribed,
)
from chaosrun.scoring.pushes import PushScore, count_pushes

S = 1_000_000_000
LOAD_STOPPED = 100


class Script:
    """One group whose clients do what they are told; the load stops at 100 s, the run ends at 105 s."""

    def __init__(self, stream: StreamPlan | None = None, *, faults: tuple[FaultPlan, ...] = ()) -> None:
        self.streams_planned = (stream or StreamPlan(has_epoch=True),)
        self.faults = faults
        self._conn: dict[int, int] = {}
        self._sids: dict[tuple[int, int, str, str | None], int] = {}
        self._opened: list[Opened] = []
        self._closed: list[Closed] = []
        self._subscribed: list[Subscribed] = []
        self._streams: list[Stream] = []
        self._pushes: list[Push] = []
        self._heads: list[Head] = []
        self._published: list[Published] = []
        self._called: list[Called] = []
        self._removed: list[Removed] = []

    def opens(self, c: int, t: int) -> Script:
        self._conn[c] = self._conn.get(c, -1) + 1
        self._opened.append(Opened(t=t * S, g=0, c=c, conn=self._conn[c], began=t * S, shaken=t * S))
        return self

    def joins(self, c: int, t: int, head: int | None = None, epoch: str | None = "E", channel: str = "A") -> Script:
        """Opens a connection and subscribes."""
        return self.opens(c, t).subscribes(c, t, head, epoch, channel)

    def subscribes(self, c: int, t: int, head: int | None, epoch: str | None = "E", channel: str = "A") -> Script:
        self._subscribed.append(
            Subscribed(t=t * S, g=0, c=c, conn=self._conn[c], channel=channel, head=head, epoch=epoch)
        )
        return self

    def leaves(self, c: int, t: int, cause: str = "rst", *, planned: bool = False) -> Script:
        self._closed.append(Closed(t=t * S, g=0, c=c, conn=self._conn[c], cause=cause, planned=planned))
        return self

    def gets(
        self, c: int, t: float, *numbers: int, epoch: str | None = "E", channel: str = "A", sent: float | None = None
    ) -> Script:
        """The client receives the numbers, all at `t`."""
        key = (c, self._conn.setdefault(c, 0), channel, epoch)
        if key not in self._sids:
            sid = self._sids[key] = len(self._streams)
            self._streams.append(Stream(t=int(t * S), sid=sid, g=0, c=c, conn=key[1], channel=channel, epoch=epoch))
        for number in numbers:
            sent_at = None if sent is None else int(sent * S)
            self._pushes.append(Push(int(t * S), number, number, sent_at, self._sids[key]))
        return self

    def gets_unnumbered(self, c: int, t: float, times: int, channel: str = "A") -> Script:
        return self.gets(c, t, *[NONE] * times, epoch=None, channel=channel)

    def marks(self, t: int, seq: int, epoch: str | None = "E", channel: str = "A", c: int | None = None) -> Script:
        self._heads.append(Head(t=t * S, channel=channel, seq=seq, epoch=epoch, c=c))
        return self

    def logs(self, t: float, first: int, last: int, epoch: str | None = "E", channel: str = "A") -> Script:
        """The server's log: `first..last` were published at `t`."""
        self._published.append(Published(t=int(t * S), channel=channel, epoch=epoch, first=first, last=last))
        return self

    def strikes(self, called: int, removed: int | None = None, id: str = "f") -> Script:
        self._called.append(Called(t=called * S, id=id))
        if removed is not None:
            self._removed.append(Removed(t=removed * S, id=id))
        return self

    def history(self) -> History:
        clients = 1 + max([*self._conn, 0])
        group = GroupPlan(name="all", clients=clients, latency_limit_ns=S, streams=self.streams_planned)
        return History(
            plan=Plan(groups=(group,), faults=self.faults),
            phases=[Phase(t=0, name="start")],
            end=105 * S,
            load_stopped=LOAD_STOPPED * S,
            called=self._called,
            removed=self._removed,
            opened=self._opened,
            closed=self._closed,
            subscribed=self._subscribed,
            streams=self._streams,
            pushes=self._pushes,
            heads=self._heads,
            published=self._published,
        )

    def score(self, baseline: tuple[int, int] = (0, 50)) -> PushScore:
        score = count_pushes(self.history(), 0, (baseline[0] * S, baseline[1] * S))
        assert score.ledger.balanced
        return score
