"""Messages that several of the reference services have. Numbers start at 1 in every boot of whoever numbers."""

from __future__ import annotations

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """The newest number of a channel (0: nothing yet) and the boot that gave it."""

    seq: int
    boot_id: str


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    id: int | str
    sent: float | int | None = None


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    id: int | str
    sent: float | int | None = None


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    channel: str


class Subscribed(msgspec.Struct, frozen=True, tag="subscribed"):
    """The next publication of the channel that the client gets is the one after `head`."""

    channel: str
    head: Mark


class HeadQuery(msgspec.Struct, frozen=True, tag="head"):
    channel: str


class HeadReply(msgspec.Struct, frozen=True, tag="head"):
    channel: str
    seq: int
    boot_id: str


class Error(msgspec.Struct, frozen=True, omit_defaults=True, tag="error"):
    """Bad input; the connection stays open. `id` is that of the message that was refused, where it has one."""

    error: str
    id: int | str | None = None
