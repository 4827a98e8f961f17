"""The toxics by name: what can be asked of each, and what each does. One file a toxic."""

from __future__ import annotations

from chaosrun.proxy.toxics._base import Attributes, ToxicStage
from chaosrun.proxy.toxics.bandwidth import Bandwidth
from chaosrun.proxy.toxics.latency import Latency
from chaosrun.proxy.toxics.limit_data import LimitData
from chaosrun.proxy.toxics.noop import Noop
from chaosrun.proxy.toxics.reset_peer import ResetPeer
from chaosrun.proxy.toxics.slicer import Slicer
from chaosrun.proxy.toxics.slow_close import SlowClose
from chaosrun.proxy.toxics.timeout import Timeout

__all__ = ["TYPES", "Attributes", "ToxicStage"]

TYPES: dict[str, type[Attributes]] = {
    "bandwidth": Bandwidth,
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}
