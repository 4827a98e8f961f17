"""What a toxic does to one direction of one connection, without a socket or a clock: items come in, items leave later.

Every item carries the time at which it enters a stage; where it leaves, that becomes the time at which it should have
left, however late the timer was. So the error of a timer is not added up over the toxics of a chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from random import Random
from typing import NamedTuple, TypeAlias

_OVERHEAD = 512
"""Bytes that a held chunk is counted for at least: a million chunks of one byte are no megabyte."""


class How(Enum):
    """How a stream ends."""

    PASSED = auto()
    """Its source has ended it; the other direction may go on."""
    CLOSED = auto()
    """A toxic ends the connection, in an orderly way."""
    RESET = auto()
    """A toxic ends the connection with a reset."""


class Chunk(NamedTuple):
    """Bytes on their way."""

    at: int
    """When they enter the stage, in ns of the monotonic clock."""
    data: bytes | memoryview
    """A view is what is left of a chunk that a toxic has cut: to copy that for each slice would take for ever."""


class End(NamedTuple):
    """The end of the stream; nothing follows it."""

    at: int
    how: How = How.PASSED


Item: TypeAlias = Chunk | End


class Start(NamedTuple):
    """What a stage is given when it begins."""

    at: int
    """Now, in ns of the monotonic clock."""
    random: Callable[[], Random]
    """A source of random numbers of its own, the same for the same seed, connection and toxic."""


class Stage:
    """Passes everything on at once, in order; the base of all others, which say when the head of the queue leaves."""

    room = 64 << 10
    """Bytes it holds before its source is asked to wait."""

    def __init__(self, start: Start) -> None:
        self.held = 0
        """Bytes that wait here, each chunk counted with an overhead."""
        self.left = start.at
        """When the last item left, or when the stage began: nothing leaves before."""
        self._queue: deque[Item] = deque()

    def put(self, item: Item) -> None:
        """Takes an item in; its time is not before that of the item before."""
        self._queue.append(item)
        if isinstance(item, Chunk):
            self.held += cost(item.data)

    def leaves(self) -> int | None:
        """When the next item leaves; None if none is going to, as things are."""
        if not self._queue:
            return None
        due = self.due(self._queue[0])
        return None if due is None else max(due, self.left)

    def pop(self) -> Item:
        """The next item, with the time at which it leaves; to be called when `leaves` has come."""
        when = self.leaves()
        assert when is not None
        self.left = when
        item = self._queue.popleft()
        if isinstance(item, Chunk):
            self.held -= cost(item.data)
        return item._replace(at=when)

    def due(self, head: Item) -> int | None:
        """When the head of the queue should leave, if nothing before it held it up; None: not as things are."""
        return head.at

    def drain(self) -> list[Item]:
        """Everything that it holds, in order, when its toxic is taken away."""
        items = list(self._queue)
        self._queue.clear()
        self.held = 0
        return items

    def _split_head(self, size: int) -> None:
        """Cuts the chunk at the head in two, the first of `size` bytes, both with its time."""
        head = self._queue[0]
        assert isinstance(head, Chunk)
        if len(head.data) > size:
            view = memoryview(head.data)
            first, rest = bytes(view[:size]), view[size:]
            self._queue[0] = Chunk(head.at, rest)
            self._queue.appendleft(Chunk(head.at, first))
            self.held += cost(first) + cost(rest) - cost(head.data)


def cost(data: bytes | memoryview) -> int:
    """Bytes that a chunk counts for while it is held."""
    return max(len(data), _OVERHEAD)
