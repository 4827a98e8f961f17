"""What engine, driver and actors say to each other beside the conversation with each worker."""

from __future__ import annotations

import msgspec

# ---- engine and driver: packets over a socketpair -------------------------------------------------------------------


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where on a cluster workers run."""

    address: str
    """HOST:PORT of the cluster, or `auto`: the one that this machine is a node of."""
    workers: int | None
    """None: one on every node, or as many as the experiment asks for if that is more."""
    resources: dict[str, float]
    """What each worker reserves, by Ray's names; only nodes that have them play."""
    spread: bool
    """Dealt out evenly over those nodes; else as Ray packs them."""


class Join(msgspec.Struct, frozen=True, kw_only=True, tag="join"):
    """Be the driver of a cluster. Answered by `Joined` or `Refused`."""

    options: Options
    wanted: int
    most: int
    """More workers than clients would play nothing."""
    run_dir: str
    origin_ns: int


class Take(msgspec.Struct, frozen=True, kw_only=True, tag="take"):
    """Have a worker played. The driver's end of the conversation with it comes along."""

    shard: int


class Joined(msgspec.Struct, frozen=True, kw_only=True, tag="joined"):
    workers: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    why: str


decode_request = msgspec.json.Decoder(Join | Take).decode
decode_answer = msgspec.json.Decoder(Joined | Refused).decode

# ---- driver and actor -----------------------------------------------------------------------------------------------


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Who and where an actor is."""

    version: str
    """Of its chaosrun."""
    node: str
    """Its host's name, and the beginning of Ray's id for it."""
    pid: int
    network: str
    """Names the machine and the network namespace: who has the same one has the same loopback."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that a file of the worker's records has gained, or all of it."""

    file: str
    """`journal`, or the suffix of a file of rows."""
    data: bytes
    whole: bool = False
    """In place of what came before."""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker said since the last one, at the latest after 200 ms, and what it had recorded before it said so."""

    number: int
    """From 0; none may be missing."""
    pieces: tuple[Piece, ...]
    lines: tuple[bytes, ...]
