"""`noop`: nothing happens to the data."""

from __future__ import annotations

from chaosrun.proxy.stage import Start
from chaosrun.proxy.toxics._base import Attributes, ToxicStage


class Noop(Attributes, frozen=True, kw_only=True):
    """Has no attributes."""

    def stage(self, start: Start) -> ToxicStage[Noop]:
        return ToxicStage(self, start)
