"""`slow_close`: the end of the stream arrives later than its data."""

from __future__ import annotations

from chaosrun.proxy.stage import End, Item, Start
from chaosrun.proxy.toxics._base import MS, Attributes, ToxicStage, Whole


class SlowClose(Attributes, frozen=True, kw_only=True):
    """Delays the end of the stream by `delay` ms."""

    delay: Whole = 0

    def stage(self, start: Start) -> ToxicStage[SlowClose]:
        return _SlowCloseStage(self, start)


class _SlowCloseStage(ToxicStage[SlowClose]):
    def due(self, head: Item) -> int:
        return head.at + self.attributes.delay * MS if isinstance(head, End) else head.at
