"""What the engine and a load worker say to each other: one JSON message a line, over a socketpair.

The engine asks, the worker answers in the same order; `Live`, `Fatal`, `Placed` and `ClockRead` come unasked.
"""

from __future__ import annotations

import msgspec

from chaosrun.cutting import CutOff, How
from chaosrun.load.config import GroupLoad

MAX_LINE = 256 * 1024 * 1024
"""A `Setup` carries the accounts of all clients."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower, tag_field="type"):
    pass


# ---- engine to worker -----------------------------------------------------------------------------------------------


class Setup(Message, frozen=True, kw_only=True):
    """What to be. Worker `shard` of `shards` plays the clients `c` with `c % shards == shard`."""

    groups: tuple[GroupLoad, ...]
    run_dir: str
    writer: str
    shard: int
    shards: int
    origin_ns: int
    wall_offset_ns: int
    ahead_ns: int = 0
    """How far the clock of the worker's machine is ahead of the one that the origin was read from."""
    secrets: tuple[str, ...] = ()
    """Texts that are blanked out in what is written down."""


class Ramp(Message, frozen=True, kw_only=True):
    """The phase `ramp` starts at run time `at`: T0 of every slot."""

    at: int


class Sentinels(Message, frozen=True, kw_only=True):
    """The first sentinel is due at run time `at`."""

    at: int


class StopLoad(Message, frozen=True, kw_only=True):
    """No slot is due at or after run time `at`; nobody connects any more. Answered by `Stopped`.

    A later one moves the end on to its own `at`.
    """

    at: int


class Drain(Message, frozen=True, kw_only=True):
    """Wait for the replies still owed, for at most `within_ns`; then ask for high-water marks and take leave."""

    within_ns: int
    heads_within_ns: int
    close_within_ns: int


class Cut(Message, frozen=True, kw_only=True):
    """Cut clients of group number `group` off. Done when it is understood; what became of it is told by `Account`."""

    id: str
    group: int
    how: How
    code: int | None = None
    clients: tuple[tuple[int, int], ...]
    """Each with the run time at which it is due."""


class Account(Message, frozen=True, kw_only=True):
    """Tell what has become of the cut `id`; answered by `Cuts`."""

    id: str


class Mend(Message, frozen=True, kw_only=True):
    """Take the cut `id` back: what is silent reads and writes on, and what is not yet cut will not be."""

    id: str


class Flush(Message, frozen=True, kw_only=True):
    """Bring all rows and lines so far to the disk, the undecided slots to their own file."""


class Finish(Message, frozen=True, kw_only=True):
    """Decide what is undecided, write `Ended` and exit."""


Order = Setup | Ramp | Sentinels | Cut | Account | Mend | StopLoad | Drain | Flush | Finish

# ---- worker to engine -----------------------------------------------------------------------------------------------


class Done(Message, frozen=True, kw_only=True):
    """The oldest unanswered order is carried out."""


class Cuts(Message, frozen=True, kw_only=True):
    """The oldest unanswered order is carried out: what has become of a cut so far."""

    cuts: tuple[CutOff, ...]


class Stopped(Message, frozen=True, kw_only=True):
    """The oldest unanswered order is carried out: the load ends at run time `at`.

    That is as ordered, or later: a slot that was served before the order came cannot be taken back.
    """

    at: int


class Failed(Message, frozen=True, kw_only=True):
    """The oldest unanswered order could not be carried out, in words for the user."""

    why: str
    unavailable: bool = False
    """The machine lacks something (descriptors, ports), rather than the order being wrong."""


class Fatal(Message, frozen=True, kw_only=True):
    """What the worker records is no longer whole. `kind`: unwritable, defect."""

    kind: str
    why: str


class GroupLive(msgspec.Struct, frozen=True, kw_only=True):
    """A group right now, for display and for stopping early; never for scoring."""

    name: str
    clients: int = 0
    planned: int = 0
    """Clients whose planned start has come, there or not: whom the ramp waits for."""
    counted: int = 0
    """Clients that should be usable by now, which the score calls planned: those that a picture showed usable since
    they were called, and those whose time to connect is over."""
    open: int = 0
    usable: int = 0
    stale: int = 0
    in_flight: int = 0
    due: int = 0
    """Slots decided so far, observer's own excluded."""
    bad: int = 0
    good: int = 0
    unanswered: int = 0
    """Those of them that will never have a reply."""
    overdue: int = 0
    """Slots that wait for a reply and have waited longer than the latency limit: bad, whatever becomes of them."""
    replies: int = 0
    pushes: int = 0
    attempts: int = 0
    refused: int = 0
    disconnects: int = 0
    malformed: int = 0
    errors: dict[str, int] = {}
    """Refusals and unplanned closes by why."""
    latency: dict[int, int] = {}
    """Response times of the slots answered since the last snapshot, by histogram bucket."""


class Live(Message, frozen=True, kw_only=True):
    t: int
    groups: tuple[GroupLive, ...]
    lag_max_ns: int = 0
    """Since the last snapshot."""


class Placed(Message, frozen=True, kw_only=True):
    """Where a worker plays that is placed by others, told once before the answer to its `Setup`."""

    node: str
    """In words that its keeper knows."""
    pid: int
    """There."""


class ClockRead(Message, frozen=True, kw_only=True):
    """The clock of a worker's machine, held against the engine's: once before the load and once after it."""

    t: int
    offset_ns: int
    """How far it is ahead, less what its times are already shifted by: 0 before the load, what it drifted after it."""
    bound_ns: int
    """The offset is right to within this."""
    exchanges: int
    """How many were made; the one with the smallest round trip tells."""


Answer = Done | Cuts | Stopped
Report = Answer | Failed | Fatal | Live | Placed | ClockRead

_encode = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(Order).decode
decode_report = msgspec.json.Decoder(Report).decode


def line(message: Message) -> bytes:
    return _encode(message) + b"\n"
