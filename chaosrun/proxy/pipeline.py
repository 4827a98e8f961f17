"""One direction of one connection: the toxics that lie on it, one after the other, without a socket or a clock."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from chaosrun.proxy.lots import Lots
from chaosrun.proxy.stage import Chunk, End, Item, Stage, Start
from chaosrun.proxy.toxic import Toxic
from chaosrun.proxy.toxics import ToxicStage

_AT_ONCE = 200
"""Items that leave a toxic in one turn: a chunk in slices of a byte must not keep other connections waiting."""


class Pipeline:
    """Takes data and the end of the stream in, and gives them out when they are due.

    Toxics can be added, changed and taken away at any time; nothing that is under way is lost, doubled or put out of
    order by that, but for what a toxic is there to drop. Times are ns of one monotonic clock and never go back.
    """

    def __init__(self, toxics: Iterable[Toxic], lots: Lots, now: int) -> None:
        self._lots = lots
        self._slots: list[_Slot] = []
        self._ended = False
        """Whether the source has."""
        self.done = False
        """Whether the end of the stream has come out; nothing does after it."""
        for toxic in toxics:
            self.add(toxic, now)

    def put(self, data: bytes, now: int) -> list[Item]:
        """Data from the source. Returns what is due, as `advance`; so do all that put something in or change it."""
        return self._enter(Chunk(now, data))

    def end(self, now: int) -> list[Item]:
        """The source has ended its stream; more than once is no more than once."""
        if self._ended:
            return self.advance(now)
        self._ended = True
        return self._enter(End(now))

    def advance(self, now: int) -> list[Item]:
        """What is due by now, in order; an `End` is the last item ever.

        Where very much is due it is a part of that, and `due` says that the rest is.
        """
        return self._move(0, [], now)

    def due(self) -> int | None:
        """When `advance` will next have something to do; None: not until something is put in or changed."""
        times = [when for slot in self._slots if (when := slot.leaves()) is not None]
        return min(times) if times and not self.done else None

    def full(self, share: float = 1.0) -> bool:
        """Whether some toxic holds as much as it may, or that share of it."""
        return any(slot.stage.held >= slot.stage.room * share for slot in self._slots)

    def add(self, toxic: Toxic, now: int) -> None:
        """Lays a toxic behind the others."""
        self._slots.append(_Slot(toxic, self._lots, now))

    def change(self, toxic: Toxic, now: int) -> list[Item]:
        """Gives the toxic of that name new attributes and a new toxicity.

        A connection keeps its lot: those that a toxicity of 0.2 affects are among those of 0.5.
        """
        due = self.advance(now)
        index = self._index(toxic.name)
        held = self._slots[index].change(toxic, now)
        return due + self._move(index + 1, held, now)

    def remove(self, name: str, now: int) -> list[Item]:
        """Takes the toxic of that name away; what it holds goes on to the next."""
        due = self.advance(now)
        index = self._index(name)
        held = self._slots.pop(index).stage.drain()
        return due + self._move(index, held, now)

    def _enter(self, item: Item) -> list[Item]:
        if self.done:
            return []
        due = self.advance(item.at)  # what was due before it came must not see it
        return due + self._move(0, [item], item.at)

    def _move(self, start: int, items: list[Item], now: int) -> list[Item]:
        """Moves on what is due, `items` entering the slot at `start` now; returns what comes out at the end."""
        entering = [item._replace(at=now) for item in items]
        moved: list[Item] = []
        for index, slot in enumerate(self._slots):
            moved = slot.move(entering + moved if index == start else moved, now)
        if start == len(self._slots):
            moved = entering + moved
        out = [] if self.done else moved
        self.done = self.done or any(isinstance(item, End) for item in out)
        return out

    def _index(self, name: str) -> int:
        return next(index for index, slot in enumerate(self._slots) if slot.toxic.name == name)


class _Slot:
    """One toxic on one direction of one connection."""

    def __init__(self, toxic: Toxic, lots: Lots, now: int) -> None:
        self.toxic = toxic
        self._lots = lots
        self._random = partial(lots.random, toxic.name)
        self._over = False
        """Whether an end has left it: what comes after is dropped."""
        self.stage = self._begin(now)

    def leaves(self) -> int | None:
        """When the next item leaves; None if none is going to."""
        return None if self._over else self.stage.leaves()

    def move(self, items: list[Item], now: int) -> list[Item]:
        """Puts `items` in; what leaves by now."""
        for item in items:
            self.stage.put(item)
        left: list[Item] = []
        while len(left) < _AT_ONCE and (when := self.leaves()) is not None and when <= now:
            left.append(self.stage.pop())
            self._over = isinstance(left[-1], End)
        if self._over:
            self.stage.drain()
        return left

    def change(self, toxic: Toxic, now: int) -> list[Item]:
        """What the old stage held, where the toxicity now says otherwise of this connection."""
        self.toxic = toxic
        if isinstance(self.stage, ToxicStage) and self._affected():
            self.stage.change(toxic.attributes, now)
            return []
        held = self.stage.drain()
        self.stage = self._begin(now)
        return held

    def _begin(self, now: int) -> Stage:
        start = Start(now, self._random)
        return self.toxic.attributes.stage(start) if self._affected() else Stage(start)

    def _affected(self) -> bool:
        return self.toxic.toxicity >= 1 or self._lots.lot(self.toxic.name) < self.toxic.toxicity
