"""The market of the stock tracker: thirty stocks that walk at random, and what is made of them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

CHANNELS: Final = ("market", "foreign", "alerts")

SYMBOLS: Final = (
    "ACB", "BCM", "BID", "BVH", "CTG", "FPT", "GAS", "GVR", "HDB", "HPG",
    "MBB", "MSN", "MWG", "PLX", "POW", "SAB", "SHB", "SSB", "SSI", "STB",
    "TCB", "TPB", "VCB", "VHM", "VIB", "VIC", "VJC", "VNM", "VPB", "VRE",
)  # fmt: skip
"""The index VN30 as it once was."""

_ALERTS_KEPT: Final = 200
_ALERT_SHARE: Final = 0.05
_FOREIGN_SHARE: Final = 0.5


class Quote(msgspec.Struct):
    price: float
    change: float
    """Since the start, as a share."""
    volume: int = 0


class ForeignTrade(msgspec.Struct):
    symbol: str
    bought: int = 0
    sold: int = 0


class ForeignSummary(msgspec.Struct):
    bought: int = 0
    sold: int = 0
    net: int = 0


class Alert(msgspec.Struct):
    number: int
    symbol: str
    text: str


class Market:
    """All prices; the same seed gives the same walk."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._opened = {symbol: round(self._random.uniform(10, 120), 2) for symbol in SYMBOLS}
        self.quotes = {symbol: Quote(price, 0.0) for symbol, price in self._opened.items()}
        self.foreign = ForeignSummary()
        self.stocks = {symbol: ForeignTrade(symbol) for symbol in SYMBOLS}
        self.alerts: deque[Alert] = deque(maxlen=_ALERTS_KEPT)
        self._alerted = 0

    def trade(self) -> Iterator[str]:
        """One stock changes hands; the channels that have news by it."""
        symbol = self._random.choice(SYMBOLS)
        quote = self.quotes[symbol]
        lot = self._random.randrange(100, 10_000, 100)
        quote.price = round(max(1.0, quote.price + self._random.gauss(0, 0.05)), 2)
        quote.change = round(quote.price / self._opened[symbol] - 1, 4)
        quote.volume += lot
        yield "market"
        if self._random.random() < _FOREIGN_SHARE:
            self._foreigner(self.stocks[symbol], lot)
            yield "foreign"
        if self._random.random() < _ALERT_SHARE:
            self._alerted += 1
            self.alerts.append(Alert(self._alerted, symbol, f"{symbol} is at {quote.price}"))
            yield "alerts"

    def prices(self) -> dict[str, float]:
        return {symbol: quote.price for symbol, quote in self.quotes.items()}

    def indices(self) -> dict[str, float]:
        change = sum(quote.change for quote in self.quotes.values()) / len(self.quotes)
        return {"VN30": round(1000 * (1 + change), 2)}

    def derivatives(self) -> dict[str, float]:
        return {"VN30F1M": round(self.indices()["VN30"] + 1.5, 2)}

    def _foreigner(self, stock: ForeignTrade, lot: int) -> None:
        if self._random.random() < 0.5:
            stock.bought += lot
            self.foreign.bought += lot
        else:
            stock.sold += lot
            self.foreign.sold += lot
        self.foreign.net = self.foreign.bought - self.foreign.sold
