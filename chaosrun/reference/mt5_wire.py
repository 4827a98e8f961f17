"""The messages of the MT5 integration service: terminal to bridge (JSON lines over TCP), bridge to clients (JSON text).

Only types; both programs and whoever wants to read a log import them. Numbers start at 1 in every boot of the terminal.
"""

from __future__ import annotations

import msgspec

from chaosrun.reference._wire import Error, Mark, Ping, Pong

__all__ = ["Error", "Mark", "Ping", "Pong"]

DEFAULT_SYMBOLS = ("EURUSD", "XAUUSD")


Heads = dict[str, Mark]


# ---- terminal to bridge, and onwards as it is -----------------------------------------------------------------------


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The terminal's first line on a connection: what it has numbered so far (0: nothing yet)."""

    boot_id: str
    heads: dict[str, int]


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The terminal lives, even when no price moves."""


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """A price. The bridge passes the terminal's line to its clients byte for byte."""

    symbol: str
    seq: int
    boot_id: str
    bid: float
    ask: float
    ts: float
    """Unix time in ms, stamped by the terminal."""


# ---- client to bridge -----------------------------------------------------------------------------------------------


class Auth(msgspec.Struct, frozen=True, tag="auth"):
    account: str
    token: str = ""


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    channels: tuple[str, ...]


class HeadQuery(msgspec.Struct, frozen=True, tag="head"):
    pass


# ---- bridge to client -----------------------------------------------------------------------------------------------


class AuthOk(msgspec.Struct, frozen=True, tag="auth_ok"):
    account: str


class Subscribed(msgspec.Struct, frozen=True, tag="subscribed"):
    """`heads` lacks a channel whose number is not known: the terminal is away."""

    channels: tuple[str, ...]
    heads: Heads


class HeadReply(msgspec.Struct, frozen=True, tag="head"):
    heads: Heads


class FeedStatus(msgspec.Struct, frozen=True, tag="status"):
    feed: str
    """`live` or `stale`."""
