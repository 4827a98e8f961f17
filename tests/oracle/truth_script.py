"""What the truth server is to do wrong, and when: the types of its script.

A script is JSON. A section is begun by its name (see `measured.py`); its acts begin `at` seconds after that and last
`lasts` seconds. Two names mean more: `always` begins with the server, `restarted` with each start after the first.
What the script says is only a plan: the log of the server tells what it really did, and when.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

PROBER = -1
"""The prober's number where clients are named."""


class Act(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag=str.lower, forbid_unknown_fields=True):
    at: float = 0.0
    """Seconds after the section began."""
    lasts: float | None = None
    """Seconds; None: for ever."""
    clients: tuple[int, ...] | None = None
    """Whom it concerns, the prober by -1; None: everybody."""

    def concerns(self, client: int) -> bool:
        return self.clients is None or client in self.clients


class Outage(Act, frozen=True, kw_only=True):
    """Connections end as it begins; while it lasts, nobody gets in."""

    how: Literal["rst", "fin", "close", "none"] = "rst"
    """`close` sends a close frame with `code`; `none` leaves the connections alone."""
    code: int = 1012
    doors: Literal["shut", "reset", "hole", "503"] = "shut"
    """To who knocks: refused by the kernel; accepted and reset; connected by the kernel and left to wait until it is
    over; answered by HTTP 503. Where it concerns some clients only, `shut` is `reset`, for their names come with the
    handshake, and those left in the `hole` are reset in the end."""


class Pace(Act, frozen=True, kw_only=True):
    """So many connections are accepted a second; the others wait in the kernel."""

    per_s: float


class Stall(Act, frozen=True, kw_only=True):
    """What comes in is read, what should go out waits."""

    of: Literal["replies", "pushes", "both"] = "both"
    then: Literal["answer", "discard"] = "answer"
    """What becomes of what waited, when it is over."""


class HalfOpen(Act, frozen=True, kw_only=True):
    """Connections stay, and nothing passes: what comes in is swallowed, what should go out is dropped, and handshakes
    are not answered (those are reset in the end)."""


class Errors(Act, frozen=True, kw_only=True):
    """Requests are answered by an error: each with probability `share`."""

    share: float = 1.0


class Delay(Act, frozen=True, kw_only=True):
    """Each reply is held back by a draw from `[low, high)` seconds; with `sigma`, log-normal around `low`, at most
    `high`."""

    low: float
    high: float
    sigma: float | None = None


class SlowShake(Act, frozen=True, kw_only=True):
    """The handshake is answered `by` seconds late."""

    by: float


class Spoil(Act, frozen=True, kw_only=True):
    """What happens to copies of pushed messages, each with its own probability, drawn per (client, channel, number)."""

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """Held back until the copy after it has gone out."""
    everywhere: bool = False
    """Draw per (channel, number): all clients share the fate."""


class Renumber(Act, frozen=True, kw_only=True):
    """The numbering of all channels begins again at 1."""

    tell: bool = True
    """With a new epoch id."""


class Feed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server pushes: each channel `per_s` messages a second, numbered from 1."""

    per_s: float = 10.0
    scope: Literal["channel", "client"] = "channel"
    """`client`: numbers of a client's own, which run on over its connections (messages due while it is away count)."""
    epoch: bool = True
    """Messages name the epoch of their numbering."""
    head: bool = True
    """The answer to a subscription tells the newest number."""
    replay: bool = False
    """A client that returns and says what it has (`resume`) is sent what it missed."""
    burst: int = 1
    """Messages that go out together."""


AnyAct = Outage | Pace | Stall | HalfOpen | Errors | Delay | SlowShake | Spoil | Renumber


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sections: dict[str, tuple[AnyAct, ...]] = {}
    feed: Feed | None = None
    channels: tuple[str, ...] = ("one",)
    seed: int = 0
    backlog: int = 4096
    """Connections that the kernel keeps while nobody accepts; it drops the SYN of any more."""
    entries: int = 1_000_000
    """Room in the log; a server that runs out of it stops with an error."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a truth server is started with, as the JSON file of its only argument."""

    script: Script
    port: int
    folder: str
    """Where its logs go: `truth-0.log`, and another one for each further start."""

    @property
    def control(self) -> str:
        """Address of the datagram socket that takes names of sections; in Linux's abstract namespace, so that it is
        gone with the process."""
        return f"\0truth-server-{self.port}"

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))


def read_order(path: Path) -> Order:
    return msgspec.json.decode(path.read_bytes(), type=Order)
