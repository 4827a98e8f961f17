"""What `tc` is told, and how its answers are read. Text in, text out: nothing here runs anything.

Only what goes to or comes from one port passes netem; all else goes straight through the queue above it, `htb`, whose
unclassified traffic is neither delayed nor counted. The handles name the queues as chaosrun's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

Direction = Literal["both", "in", "out"]
"""Seen from the service at the port: `in` is what is sent to it, `out` what it sends."""

ROOT: Final = "504c:"
_CLASS: Final = "504c:10"
LEAF: Final = "504e:"

_PACKETS_PER_S: Final = 500_000
"""More than a load of one machine sends through one port. What is delayed lies in a queue; one that is full loses
packets that nobody asked it to lose, so it holds twice what can be under way at this rate."""
_LEAST_LIMIT: Final = 10_000
_ROUNDING: Final = 1e-6
"""The kernel keeps shares as 32-bit fractions."""

_PORTS: Final = {"in": "dport", "out": "sport"}
_FAMILIES: Final = (("ip", 10), ("ip6", 11))
"""tc's word for a match, and the filter's priority; one priority holds filters of one protocol only."""
_PROTOCOLS: Final = {"ip": "ip", "ip6": "ipv6"}
_TCP: Final = 6


@dataclass(frozen=True)
class Shape:
    """What becomes of the packets: times in ns, shares of 1, `rate` in bytes a second (None: unlimited)."""

    delay_ns: int = 0
    jitter_ns: int = 0
    """Evenly spread around the delay, so that packets overtake each other."""
    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    """This share is sent at once, before those that wait."""
    rate: int | None = None

    @property
    def longest_ns(self) -> int:
        return self.delay_ns + self.jitter_ns

    @property
    def limit(self) -> int:
        """Packets that the queue holds before it loses any by itself."""
        return max(_LEAST_LIMIT, 2 * _PACKETS_PER_S * self.longest_ns // 1_000_000_000)

    def options(self) -> list[str]:
        """netem's own words for it."""
        words = []
        if self.longest_ns:
            words += ["delay", _time(self.delay_ns), *([_time(self.jitter_ns)] if self.jitter_ns else [])]
        for key in ("loss", "duplicate", "corrupt", "reorder"):
            share = getattr(self, key)
            words += [key, f"{share * 100:.10g}%"] if share else []
        if self.rate is not None:
            words += ["rate", f"{self.rate * 8}bit"]
        return [*words, "limit", str(self.limit)]


def _time(ns: int) -> str:
    return f"{ns / 1000:.15g}us"


def ways(direction: Direction) -> Sequence[Literal["in", "out"]]:
    """The single directions that a direction stands for."""
    return ("in", "out") if direction == "both" else (direction,)


def put(device: str, port: int, direction: Direction, shape: Shape) -> str:
    """The batch that shapes a port's traffic on a device; its first command fails where the root queue is somebody's.

    The filters come last: what a torn batch leaves delays nothing.
    """
    dev = f"dev {device}"
    lines = [
        f"qdisc add {dev} root handle {ROOT} htb default 0 direct_qlen 10000",
        f"class add {dev} parent {ROOT} classid {_CLASS} htb rate 10gbit",
        f"qdisc add {dev} parent {_CLASS} handle {LEAF} netem {' '.join(shape.options())}",
    ]
    for family, priority in _FAMILIES:
        for way in ways(direction):
            matches = f"match {family} protocol {_TCP} 0xff match {family} {_PORTS[way]} {port} 0xffff"
            lines.append(
                f"filter add {dev} parent {ROOT} protocol {_PROTOCOLS[family]} prio {priority} "
                f"u32 {matches} flowid {_CLASS}"
            )
    return _batch(lines)


def calm(device: str, limit: int) -> str:
    """The batch that lets new packets pass as they come and keeps those that wait.

    A `change` forgets some of what it does not name (limit, loss) and keeps the rest (corrupt, rate): see
    net/sched/sch_netem.c. So all is named.
    """
    calmed = f"netem delay 0us corrupt 0% rate 0bit limit {limit}"
    return _batch([f"qdisc change dev {device} parent {_CLASS} handle {LEAF} {calmed}"])


def take(device: str) -> str:
    """The batch that deletes our root queue, and what still waits in it; the kernel refuses where the handle is not
    the root's."""
    return _batch([f"qdisc del dev {device} root handle {ROOT}"])


def _batch(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# ---- what tc answers ------------------------------------------------------------------------------------------------


class _Delay(msgspec.Struct):
    delay: float = 0.0
    jitter: float = 0.0


class _Loss(msgspec.Struct):
    loss: float = 0.0


class _Duplicate(msgspec.Struct):
    duplicate: float = 0.0


class _Corrupt(msgspec.Struct):
    corrupt: float = 0.0


class _Reorder(msgspec.Struct):
    reorder: float = 0.0


class _Bandwidth(msgspec.Struct):
    rate: int = 0


class _Options(msgspec.Struct):
    """Of netem; those of other kinds have none of these names."""

    limit: int = 0
    delay: _Delay = msgspec.field(default_factory=_Delay)
    loss: _Loss = msgspec.field(default_factory=_Loss, name="loss-random")
    duplicate: _Duplicate = msgspec.field(default_factory=_Duplicate)
    corrupt: _Corrupt = msgspec.field(default_factory=_Corrupt)
    reorder: _Reorder = msgspec.field(default_factory=_Reorder)
    rate: _Bandwidth = msgspec.field(default_factory=_Bandwidth)


class _Queue(msgspec.Struct):
    kind: str
    handle: str
    root: bool = False
    options: msgspec.Raw = msgspec.Raw(b"{}")
    packets: int = 0
    drops: int = 0
    qlen: int = 0


@dataclass(frozen=True)
class Leaf:
    """Our netem as the kernel holds it."""

    shape: Shape
    limit: int
    passed: int
    """Packets that went through it so far."""
    lost: int
    """Packets that it dropped so far, as asked or because it was full."""
    waiting: int

    def holds(self, shape: Shape) -> bool:
        """It is what was asked for, as exactly as the kernel keeps it."""
        found = self.shape
        shares = ("loss", "duplicate", "corrupt", "reorder")
        return (
            self.limit == shape.limit
            and abs(found.delay_ns - shape.delay_ns) <= 1000
            and abs(found.jitter_ns - shape.jitter_ns) <= 1000
            and all(abs(getattr(found, key) - getattr(shape, key)) <= _ROUNDING for key in shares)
            and found.rate == shape.rate
        )


@dataclass(frozen=True)
class Queues:
    """The queues of one device."""

    root: str
    """Kind and handle of the root, for people."""
    is_default: bool
    """The root is what the kernel puts there by itself: nobody has set it."""
    is_ours: bool
    leaf: Leaf | None
    """Our netem, where a batch came so far."""


def read(answer: str | bytes) -> Queues:
    """The answer to `tc -json -statistics qdisc show dev DEVICE`."""
    queues = msgspec.json.decode(answer or b"[]", type=list[_Queue])
    root = next((queue for queue in queues if queue.root), None)
    if root is None:
        return Queues("none", is_default=True, is_ours=False, leaf=None)
    # A queue that somebody adds is given a handle, by the kernel if by nobody else; the kernel's own have none.
    is_default, is_ours = root.handle == "0:", root.handle == ROOT
    leaf = next((queue for queue in queues if queue.handle == LEAF and queue.kind == "netem"), None)
    return Queues(f"{root.kind} {root.handle}", is_default, is_ours, _leaf(leaf) if is_ours and leaf else None)


def _leaf(queue: _Queue) -> Leaf:
    options = msgspec.json.decode(queue.options, type=_Options)
    shape = Shape(
        delay_ns=round(options.delay.delay * 1e9),
        jitter_ns=round(options.delay.jitter * 1e9),
        loss=options.loss.loss,
        duplicate=options.duplicate.duplicate,
        corrupt=options.corrupt.corrupt,
        reorder=options.reorder.reorder,
        rate=options.rate.rate or None,
    )
    return Leaf(shape, options.limit, queue.packets, queue.drops, queue.qlen)
