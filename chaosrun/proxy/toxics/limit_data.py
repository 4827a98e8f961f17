"""`limit_data`: after so many bytes the connection ends."""

from __future__ import annotations

from chaosrun.proxy.stage import Chunk, End, How, Item, Start
from chaosrun.proxy.toxics._base import Attributes, ToxicStage, Whole


class LimitData(Attributes, frozen=True, kw_only=True):
    """Passes `bytes` bytes and then closes the connection. Other data than that is dropped."""

    bytes: Whole = 0

    def stage(self, start: Start) -> ToxicStage[LimitData]:
        return _LimitDataStage(self, start)


class _LimitDataStage(ToxicStage[LimitData]):
    """Counts from when it began; new attributes do not begin a new count."""

    def __init__(self, attributes: LimitData, start: Start) -> None:
        super().__init__(attributes, start)
        self._passed = 0

    def pop(self) -> Item:
        if isinstance(self._queue[0], End):
            return super().pop()
        left = self.attributes.bytes - self._passed
        if left <= 0:
            return End(super().pop().at, How.CLOSED)
        self._split_head(left)
        item = super().pop()
        assert isinstance(item, Chunk)
        self._passed += len(item.data)
        if len(item.data) == left:
            self._queue.appendleft(End(item.at, How.CLOSED))
        return item
