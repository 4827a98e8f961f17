"""`bandwidth`: so many bytes a second."""

from __future__ import annotations

from chaosrun.proxy.stage import Chunk, Item, Start
from chaosrun.proxy.toxics._base import MS, Attributes, ToxicStage, Whole

_PIECE_MS = 100
"""What takes longer than this leaves in pieces of it."""


class Bandwidth(Attributes, frozen=True, kw_only=True):
    """Passes `rate` kB/s, that is `rate` bytes a millisecond; at 0 nothing passes."""

    rate: Whole = 0

    def stage(self, start: Start) -> ToxicStage[Bandwidth]:
        return _BandwidthStage(self, start)


class _BandwidthStage(ToxicStage[Bandwidth]):
    """A wire that is busy for size / rate with each chunk, one after the other."""

    def leaves(self) -> int | None:
        if not self._queue:
            return None
        head = self._queue[0]
        begins = max(head.at, self.left)
        if not isinstance(head, Chunk):
            return begins
        rate = self.attributes.rate
        if rate <= 0:
            return None
        return begins + min(len(head.data), rate * _PIECE_MS) * MS // rate

    def pop(self) -> Item:
        if isinstance(self._queue[0], Chunk):
            self._split_head(self.attributes.rate * _PIECE_MS)
        return super().pop()

    def change(self, attributes: Bandwidth, now: int) -> None:
        """Begins what is under way anew: time at the old rate, which may have been 0, buys no bytes at the new one."""
        super().change(attributes, now)
        self.left = max(self.left, now)
