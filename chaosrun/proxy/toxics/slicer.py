"""`slicer`: data arrives in small pieces."""

from __future__ import annotations

from chaosrun.proxy.stage import Chunk, Item, Start
from chaosrun.proxy.toxics._base import US, Attributes, ToxicStage, Whole


class Slicer(Attributes, frozen=True, kw_only=True):
    """Cuts data into slices of `average_size` plus or minus at most `size_variation` bytes, and waits `delay` us after
    each."""

    average_size: Whole = 0
    size_variation: Whole = 0
    delay: Whole = 0

    def stage(self, start: Start) -> ToxicStage[Slicer]:
        return _SlicerStage(self, start)


class _SlicerStage(ToxicStage[Slicer]):
    """The slices of one chunk do not reach into the next."""

    def __init__(self, attributes: Slicer, start: Start) -> None:
        super().__init__(attributes, start)
        self._random = start.random()
        self._ready = start.at
        """When the delay after the last slice is over."""

    def due(self, head: Item) -> int:
        return max(head.at, self._ready)

    def pop(self) -> Item:
        if isinstance(self._queue[0], Chunk):
            self._split_head(self._size())
        item = super().pop()
        self._ready = item.at + self.attributes.delay * US
        return item

    def _size(self) -> int:
        """Of the next slice; at least one byte."""
        variation = max(0, self.attributes.size_variation)
        return max(1, self.attributes.average_size + self._random.randint(-variation, variation))
