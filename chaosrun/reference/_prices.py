"""Prices that nobody trades at."""

from __future__ import annotations

import random


class Prices:
    """A random walk of bid and ask for one symbol; the same seed gives the same walk."""

    def __init__(self, symbol: str, seed: int) -> None:
        self._random = random.Random(f"{seed}/{symbol}")
        self._bid = self._random.uniform(0.5, 2.0)

    def step(self) -> tuple[float, float]:
        self._bid = max(0.1, self._bid + self._random.gauss(0, 1e-4))
        spread = self._random.uniform(5e-5, 2e-4)
        return round(self._bid, 5), round(self._bid + spread, 5)
