"""`latency`: everything arrives later, and in order."""

from __future__ import annotations

from collections import deque
from random import Random

from chaosrun.proxy.stage import Chunk, Item, Start
from chaosrun.proxy.toxics._base import MS, Attributes, ToxicStage, Whole


class Latency(Attributes, frozen=True, kw_only=True):
    """Delays each chunk by `latency` plus or minus at most `jitter`, in ms. An end of stream is not delayed itself: it
    follows the last chunk."""

    latency: Whole = 0
    jitter: Whole = 0

    def stage(self, start: Start) -> ToxicStage[Latency]:
        return _LatencyStage(self, start)


class _LatencyStage(ToxicStage[Latency]):
    """A chunk counts its delay from its own arrival, so any number of them are on their way at once."""

    room = 4 << 20

    def __init__(self, attributes: Latency, start: Start) -> None:
        super().__init__(attributes, start)
        self._new_random = start.random
        self._random: Random | None = None
        self._swings: deque[float] = deque()
        """Of each item held, where in -1..1 of the jitter it lies: drawn once, so that new attributes keep it."""

    def put(self, item: Item) -> None:
        super().put(item)
        self._swings.append(self._swing() if self.attributes.jitter else 0.0)

    def pop(self) -> Item:
        item = super().pop()
        self._swings.popleft()
        return item

    def _swing(self) -> float:
        if self._random is None:  # a source of chance takes 2.5 kB, and most connections need none
            self._random = self._new_random()
        return self._random.uniform(-1, 1)

    def due(self, head: Item) -> int:
        if not isinstance(head, Chunk):
            return head.at
        delay = self.attributes.latency + self._swings[0] * self.attributes.jitter
        return head.at + max(0, round(delay * MS))
