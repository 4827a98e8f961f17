"""How clients are cut off: what a fault orders, which of them that means, and what it hears back of each."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from chaosrun.scoring.ratio import how_many
from chaosrun.sockets import Name

How = Literal["rst", "fin", "close", "silent", "vanished"]
LASTING: frozenset[How] = frozenset({"silent", "vanished"})
"""They leave the connection open, and are over when they are taken back."""


class CutOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Which clients are to be cut off, when, and how."""

    group: str | None = None
    """None: the first one."""
    clients: int | float = 1.0
    """A number of clients, or as a float a share of the group."""
    how: How = "rst"
    code: int | None = None
    """Of `close`."""
    over_ns: int = 0
    """One after the other, spread evenly over this time."""
    seed: int = 1


class CutOff(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one client that was to be cut off and had an open connection. Times in ns of run time."""

    client: int
    due: int
    at: int | None
    """When its connection ended, or fell silent; None: not yet."""
    socket: Name
    quiet: bool | None = None
    """Of a connection that was silenced, by the kernel's count: not a byte was read from it or written to it since.
    None: it is not established any more, or was not silenced."""


def chosen(order: CutOrder, wave: int, clients: int) -> list[int]:
    """The clients of a group of `clients` that an order means in its `wave`-th call, in the order of their cuts."""
    return random.Random(f"{order.seed}/{wave}").sample(range(clients), how_many(order.clients, clients))
