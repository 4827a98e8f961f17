"""`timeout`: no data gets through, and after a silence the connection ends."""

from __future__ import annotations

from chaosrun.proxy.stage import End, How, Item, Start
from chaosrun.proxy.toxics._base import MS, Attributes, ToxicStage, Whole


class Timeout(Attributes, frozen=True, kw_only=True):
    """Drops all data, and closes the connection when nothing has come for `timeout` ms; 0: never."""

    timeout: Whole = 0

    def stage(self, start: Start) -> ToxicStage[Timeout]:
        return _TimeoutStage(self, start)


class _TimeoutStage(ToxicStage[Timeout]):
    """Each chunk begins the silence anew, as in the original; an end of stream passes at once."""

    def __init__(self, attributes: Timeout, start: Start) -> None:
        super().__init__(attributes, start)
        self._last = start.at
        self._closed = False

    def put(self, item: Item) -> None:
        if isinstance(item, End):
            super().put(item)
        else:
            self._last = item.at

    def leaves(self) -> int | None:
        if self._queue:
            return super().leaves()
        if self._closed or not self.attributes.timeout:
            return None
        return self._last + self.attributes.timeout * MS

    def pop(self) -> Item:
        if self._queue:
            return super().pop()
        when = self.leaves()
        assert when is not None
        self._closed = True
        return End(when, How.CLOSED)

    def change(self, attributes: Timeout, now: int) -> None:
        """A new time-out counts from now."""
        super().change(attributes, now)
        self._last = now

    def drain(self) -> list[Item]:
        """The connection ends with the toxic: what it dropped is missing from the stream for good."""
        return super().drain() or [End(self._last, How.CLOSED)]
