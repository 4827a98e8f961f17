"""`reset_peer`: the connection ends with a reset."""

from __future__ import annotations

from chaosrun.proxy.stage import End, How, Item, Start
from chaosrun.proxy.toxics._base import MS, Attributes, ToxicStage, Whole


class ResetPeer(Attributes, frozen=True, kw_only=True):
    """Resets the connection `timeout` ms after the first data, or the end, that comes its way."""

    timeout: Whole = 0

    def stage(self, start: Start) -> ToxicStage[ResetPeer]:
        return _ResetPeerStage(self, start)


class _ResetPeerStage(ToxicStage[ResetPeer]):
    """Holds what comes until the reset, which loses it; taken away before, it gives everything back."""

    def due(self, head: Item) -> int:
        return head.at + self.attributes.timeout * MS

    def pop(self) -> Item:
        when = super().pop().at
        return End(when, How.RESET)
