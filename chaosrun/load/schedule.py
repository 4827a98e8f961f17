"""Which slot of which client is due next, for the clients of one worker.

Phases spread the clients of a group evenly over the period, so the slots of a group come in the order of its clients,
round and round: a cursor is enough, and nothing is kept per slot.
"""

from __future__ import annotations

from typing import Final

from chaosrun.plan import GroupPlan
from chaosrun.scoring.pacing import first_slot, lives, slot_due

NEVER: Final = 1 << 62
"""Due time of the slot after the last: every client has left for good."""

_Numbers = tuple[int, int]
"""`first` and `end` of the slots `first <= k < end` of one life."""


class SlotCursor:
    """The regular slots of the clients `c` with `c % shards == shard`: slot `k` of client `client` is due at `due`."""

    __slots__ = ("_numbers", "_period", "_plan", "_settled", "_shard", "_shards", "_stays", "_t0", "client", "due", "k")

    def __init__(self, plan: GroupPlan, t0: int, shard: int, shards: int) -> None:
        """Raises ValueError if the plan gives this shard no slots."""
        if plan.period_ns is None or shard >= plan.clients:
            raise ValueError(f"group {plan.name!r} has no slots in shard {shard}")
        self._plan = plan
        self._period = plan.period_ns
        self._t0 = t0
        self._shard = shard
        self._shards = shards
        self._numbers = [_numbers(c, plan) for c in range(shard, plan.clients, shards)]
        # From this round on nobody comes or goes any more.
        bounds = [bound for numbers in self._numbers for each in numbers for bound in each if bound != NEVER]
        self._settled = max(bounds, default=0)
        self._stays = any(end == NEVER for numbers in self._numbers for _, end in numbers)
        self.k = 0
        self.client = shard - shards
        self.due = t0
        self.advance()

    def advance(self) -> None:
        """On to the next slot in a planned life of its client."""
        while True:
            self.client += self._shards
            if self.client >= self._plan.clients:
                self.client = self._shard
                self.k += 1
            if self.k >= self._settled and not self._stays:
                self.due = NEVER
                return
            if any(first <= self.k < end for first, end in self._numbers[self.client // self._shards]):
                break
        self.due = slot_due(self.k, self.client, self._plan.clients, self._period, self._t0)


def _numbers(c: int, plan: GroupPlan) -> tuple[_Numbers, ...]:
    """The slots of each planned life of client `c`."""
    return tuple(
        (first_slot(c, plan, start), NEVER if end is None else first_slot(c, plan, end))
        for start, end in lives(c, plan)
    )


class SentinelCursor:
    """The sentinels of a group from `begin` on: number `k` goes to client `k % clients`, whichever shard plays it."""

    __slots__ = ("_begin", "_clients", "_period", "_shard", "_shards", "client", "due", "k")

    def __init__(self, plan: GroupPlan, begin: int, shard: int, shards: int) -> None:
        """Raises ValueError if the plan gives this shard no sentinels."""
        if plan.sentinel_period_ns is None or shard >= plan.clients:
            raise ValueError(f"group {plan.name!r} has no sentinels in shard {shard}")
        self._period = plan.sentinel_period_ns
        self._clients = plan.clients
        self._begin = begin
        self._shard = shard
        self._shards = shards
        self.k = -1
        self.client = 0
        self.due = begin
        self.advance()

    def advance(self) -> None:
        """On to the next sentinel of this shard."""
        while True:
            self.k += 1
            self.client = self.k % self._clients
            if self.client % self._shards == self._shard:
                break
        self.due = self._begin + self.k * self._period
