"""One metric of one history, read as the judge reads it."""

from typing import Any

from chaosrun.judge import gather
from chaosrun.metrics._base import Metric
from chaosrun.records import History
from chaosrun.registry import load
from chaosrun.scoring.verdict import Reading
from chaosrun.scoring.window import Window


def read(
    name: str, history: History, start: int = 0, end: int | None = None, *, group: str | None = "accounts", **of: Any
) -> Reading | None:
    """The metric over [start, end) of `history`; to the load's end by default."""
    metric: Metric = load("metrics", name)
    evidence = gather(history, cores=4)
    window = Window(
        name="test",
        start=start,
        end=history.load_stopped if end is None else end,
        evidence=evidence,
        group=None if metric.per != "group" or group is None else evidence.group(group),
        **of,
    )
    return metric.measure(window)


def value(name: str, history: History, start: int = 0, end: int | None = None, **of: Any) -> float | None:
    """Its value alone; None without evidence."""
    reading = read(name, history, start, end, **of)
    return None if reading is None else reading.value
