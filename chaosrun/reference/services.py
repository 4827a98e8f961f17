"""The reference services of one program each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from chaosrun.reference._misbehaviour import CHECKS
from chaosrun.reference._service import Alone
from chaosrun.reference._values import Check, at_least, rate, seed, symbols


class StockTracker(Alone):
    name = "stock-tracker"
    path = "/ws/market"
    module = "stock_tracker"
    known: ClassVar[Mapping[str, Check]] = {
        "rate": rate,
        "throttle_ms": at_least(1),
        "max_connections_per_ip": at_least(0),
        "send_buffer": at_least(1),
        "seed": seed,
        **CHECKS,
    }


class Agents(Alone):
    name = "agents"
    path = "/ws"
    module = "agents"
    known: ClassVar[Mapping[str, Check]] = {"rate": rate, **CHECKS}


class StrategyStream(Alone):
    name = "strategy-stream"
    path = "/ws"
    module = "strategy_stream"
    known: ClassVar[Mapping[str, Check]] = {
        "symbols": symbols,
        "rate": rate,
        "backtests": symbols,
        "steps": at_least(1),
        "step_rate": rate,
        "seed": seed,
        **CHECKS,
    }
