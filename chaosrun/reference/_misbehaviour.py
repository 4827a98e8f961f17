"""The ways in which a service can be told to be bad, so that tests see them caught. None is on unasked."""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec

from chaosrun.reference._values import Check, amount, at_least, flag

if TYPE_CHECKING:
    # What chaosrun imports of the services needs no WebSocket server.
    from chaosrun.reference._connection import Connection

    Deliver = Callable[[Iterable[Connection], bytes], None]


@dataclass(frozen=True)
class Misbehaviour:
    """What is asked for. Zero is off."""

    drop: int = 0
    """Publications whose number this divides reach no client."""
    duplicate: int = 0
    """Publications whose number this divides are sent twice."""
    delay_ms: float = 0
    """All that is sent is sent so much later."""
    refuse: bool = False
    """Every handshake is answered with 503."""
    stall_after_s: float = 0
    """So long after its start the service stops sending; connections stay, and are read."""
    start_delay_s: float = 0
    """It does not listen for so long."""

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("misbehaviour, for tests")
        group.add_argument(
            "--drop", type=at_least(0), default=0, metavar="N", help="withhold publications whose number N divides"
        )
        group.add_argument(
            "--duplicate",
            type=at_least(0),
            default=0,
            metavar="N",
            help="send publications twice whose number N divides",
        )
        group.add_argument("--delay-ms", type=amount, default=0, help="send everything so much later")
        group.add_argument("--refuse", action="store_true", help="answer every handshake with 503")
        group.add_argument("--stall-after-s", type=amount, default=0, help="stop sending so long after the start")
        group.add_argument("--start-delay-s", type=amount, default=0, help="do not listen for so long")

    def switches(self) -> Switches:
        """As they are at the start."""
        return Switches(
            refuse=503 if self.refuse else None,
            drop_every=self.drop,
            duplicate_every=self.duplicate,
            delay_ms=self.delay_ms,
        )

    @classmethod
    def given(cls, options: argparse.Namespace) -> Self:
        return cls(**{name: getattr(options, name) for name in cls.__dataclass_fields__})


CHECKS: Mapping[str, Check] = {
    "drop": at_least(0),
    "duplicate": at_least(0),
    "delay_ms": amount,
    "refuse": flag,
    "stall_after_s": amount,
    "start_delay_s": amount,
}
"""Of the options."""

Every = Annotated[int, msgspec.Meta(ge=0)]
"""Of publications: those whose number this divides; 0: none."""


class Switches(msgspec.Struct, forbid_unknown_fields=True):
    """What can be turned while the service runs. Nothing is on unless it was turned, or asked for at the start."""

    refuse: Literal[503, 1013] | None = None
    """Handshakes are answered with 503, or let in and closed with 1013, "try again later". Who is in stays in."""
    drop: bool = False
    """Every connection is cut off, without a close; so is each that comes, right after its handshake."""
    stall: bool = False
    """Nothing is sent; connections stay, and are read."""
    drop_every: Every = 0
    """These reach no client."""
    duplicate_every: Every = 0
    """These are sent twice."""
    delay_ms: Annotated[float, msgspec.Meta(ge=0, le=3_600_000)] = 0
    """All that is sent is sent so much later. When it shrinks, what is held goes first: the order stays."""

    def turn(self, body: bytes) -> None:
        """Turn what a JSON object names; the others stay as they are.

        Raises:
            msgspec.MsgspecError: it is none, or names a switch or a position that there is not; nothing was turned.
        """
        asked = msgspec.json.decode(body, type=dict[str, object])
        turned = msgspec.convert({**msgspec.to_builtins(self), **asked}, Switches)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(turned, name))


class Sending:
    """How a service sends: at once and in order, unless it was told to misbehave."""

    def __init__(self, switches: Switches, deliver: Deliver, *, stall_after_s: float) -> None:
        self._switches = switches
        self._deliver = deliver
        self._stall_at = time.monotonic() + stall_after_s if stall_after_s else math.inf
        self._held: deque[tuple[float, Iterable[Connection], bytes]] = deque()
        """What is sent later, and when."""

    def send(self, connections: Iterable[Connection], frame: bytes) -> None:
        """Writes one message to each of `connections` that is open."""
        now = time.monotonic()
        if self._switches.stall or now > self._stall_at:
            return
        if not self._switches.delay_ms and not self._held:
            self._deliver(connections, frame)
            return
        due = max(now + self._switches.delay_ms / 1000, self._held[-1][0] if self._held else 0.0)
        # Who is subscribed now gets it, not who is then.
        self._held.append((due, list(connections), frame))
        if len(self._held) == 1:
            self._release()

    def copies(self, seq: int) -> int:
        """How often the publication with this number is to be sent."""
        switches = self._switches
        if switches.drop_every and seq % switches.drop_every == 0:
            return 0
        return 2 if switches.duplicate_every and seq % switches.duplicate_every == 0 else 1

    def _release(self) -> None:
        while self._held and self._held[0][0] <= time.monotonic():
            _, connections, frame = self._held.popleft()
            self._deliver(connections, frame)
        if self._held:
            wait_s = max(0.001, self._held[0][0] - time.monotonic())
            asyncio.get_running_loop().call_later(wait_s, self._release)
