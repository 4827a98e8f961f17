"""The messages of the strategy lab. Ticks and metrics are numbered by channel, progress by its steps in each run."""

from __future__ import annotations

from typing import Annotated

import msgspec

# ---- pushed ---------------------------------------------------------------------------------------------------------


class Tick(msgspec.Struct, frozen=True, gc=False, tag="tick"):
    channel: str
    """The symbol."""
    seq: int
    boot_id: str
    bid: float
    ask: float
    ts: float
    """Unix time in ms; so is every `ts`."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    channel: str
    """The backtest, which runs again and again."""
    step: int
    """Its number."""
    boot_id: str
    """The boot and which run of the backtest in it; a new run begins at step 1."""
    steps: int
    percent: float
    left_s: float | None
    """Estimate of the time until the last step, from the pace of this run so far; null at the first step."""
    ts: float


class Metrics(msgspec.Struct, frozen=True, tag="metrics"):
    channel: str
    seq: int
    boot_id: str
    cpu_percent: float
    """Of one core, by this program."""
    memory_mb: float
    disk_read_kb_s: float
    disk_write_kb_s: float
    ts: float


# ---- asked ----------------------------------------------------------------------------------------------------------


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the strategy, with the values that each may have."""

    lookback: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    threshold: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.5
    stop_loss: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.02
    take_profit: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.04

    def __post_init__(self) -> None:
        if self.take_profit <= self.stop_loss:
            raise ValueError("take_profit is above stop_loss")


class SetParameters(msgspec.Struct, frozen=True, tag="set_parameters"):
    """Those that are named change; the others stay."""

    id: int | str
    parameters: dict[str, int | float]


class ParametersReply(msgspec.Struct, frozen=True, tag="parameters"):
    id: int | str
    version: int
    """How often they were changed."""
    parameters: Parameters
