"""The messages of the stock tracker. Those that it pushes are numbered by channel; a status is not."""

from __future__ import annotations

import msgspec

from chaosrun.reference._wire import Mark
from chaosrun.reference.stock_market import Alert, ForeignSummary, ForeignTrade, Quote


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    channel: str
    seq: int
    boot_id: str
    ts: float
    """Unix time in ms."""


class MarketPush(Pushed, frozen=True, kw_only=True, tag="market"):
    quotes: dict[str, Quote]
    indices: dict[str, float]
    foreign: ForeignSummary
    derivatives: dict[str, float]
    prices: dict[str, float]


class ForeignPush(Pushed, frozen=True, kw_only=True, tag="foreign"):
    summary: ForeignSummary
    stocks: list[ForeignTrade]


class AlertsPush(Pushed, frozen=True, kw_only=True, tag="alerts"):
    alerts: list[Alert]
    """Those since the last push, newest last."""


class Status(msgspec.Struct, frozen=True, omit_defaults=True, tag="status"):
    """`connected`, the first message, with the head of the channel; then `open` now and then."""

    status: str
    channel: str
    head: Mark | None = None


class HeadQuery(msgspec.Struct, frozen=True, tag="head"):
    """Of the channel that the connection is for."""
