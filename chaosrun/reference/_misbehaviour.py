"""The ways in which a service can be told to be bad, so that tests see them caught. None is on unasked."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import msgspec

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
            "--drop", type=int, default=0, metavar="N", help="withhold publications whose number N divides"
        )
        group.add_argument(
            "--duplicate", type=int, default=0, metavar="N", help="send publications twice whose number N divides"
        )
        group.add_argument("--delay-ms", type=float, default=0, help="send everything so much later")
        group.add_argument("--refuse", action="store_true", help="answer every handshake with 503")
        group.add_argument("--stall-after-s", type=float, default=0, help="stop sending so long after the start")
        group.add_argument("--start-delay-s", type=float, default=0, help="do not listen for so long")

    @classmethod
    def given(cls, options: argparse.Namespace) -> Self:
        return cls(**{name: getattr(options, name) for name in cls.__dataclass_fields__})


class Switches(msgspec.Struct, forbid_unknown_fields=True):
    """What can be turned while the service runs. Nothing is on unless it was turned."""

    refuse: Literal[503, 1013] | None = None
    """Handshakes are answered with 503, or let in and closed with 1013, "try again later". Who is in stays in."""
    drop: bool = False
    """Every connection is cut off, without a close; so is each that comes, right after its handshake."""
    stall: bool = False
    """Nothing is sent; connections stay, and are read."""

    def turn(self, body: bytes) -> None:
        """Turn what a JSON object names; the others stay as they are.

        Raises:
            msgspec.MsgspecError: it is none, or names a switch or a position that there is not; nothing was turned.
        """
        asked = msgspec.json.decode(body, type=dict[str, object])
        turned = msgspec.convert({**msgspec.to_builtins(self), **asked}, Switches)
        self.refuse, self.drop, self.stall = turned.refuse, turned.drop, turned.stall


class Sending:
    """How a service sends: at once and in order, unless it was told to misbehave."""

    def __init__(self, misbehaviour: Misbehaviour, switches: Switches, deliver: Deliver) -> None:
        self._asked = misbehaviour
        self._switches = switches
        self._deliver = deliver
        self._began = time.monotonic()

    def send(self, connections: Iterable[Connection], frame: bytes) -> None:
        """Writes one message to each of `connections` that is open."""
        if self._switches.stall:
            return
        if self._asked.stall_after_s and time.monotonic() - self._began > self._asked.stall_after_s:
            return
        if self._asked.delay_ms:
            # Who is subscribed now gets it, not who is then. Equal delays keep the order.
            asyncio.get_running_loop().call_later(self._asked.delay_ms / 1000, self._deliver, list(connections), frame)
        else:
            self._deliver(connections, frame)

    def copies(self, seq: int) -> int:
        """How often the publication with this number is to be sent."""
        if self._asked.drop and seq % self._asked.drop == 0:
            return 0
        return 2 if self._asked.duplicate and seq % self._asked.duplicate == 0 else 1
