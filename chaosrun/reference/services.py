"""The reference services of one program each."""

from __future__ import annotations

from chaosrun.reference._service import MISBEHAVIOUR, Alone


class StockTracker(Alone):
    name = "stock-tracker"
    path = "/ws/market"
    module = "stock_tracker"
    known = ("rate", "throttle_ms", "max_connections_per_ip", "send_buffer", "seed", *MISBEHAVIOUR)


class Agents(Alone):
    name = "agents"
    path = "/ws"
    module = "agents"
    known = ("rate", *MISBEHAVIOUR)


class StrategyStream(Alone):
    name = "strategy-stream"
    path = "/ws"
    module = "strategy_stream"
    known = ("symbols", "rate", "backtests", "steps", "step_rate", "seed", *MISBEHAVIOUR)
