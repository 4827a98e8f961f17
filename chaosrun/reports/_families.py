"""Families of metrics as Prometheus and OpenMetrics know them, filled sample by sample.

Names follow OpenMetrics 1.0 ("Naming"): `chaosrun_`, base units, and the unit at the end. Only gauges, counters and
summaries are made, which both formats have.
"""

from __future__ import annotations

from typing import Final

from prometheus_client.metrics_core import Metric

from chaosrun.foreign import clean

PREFIX: Final = "chaosrun_"
Label = str | int | None


class Family:
    """One metric, with its samples.

    Args:
        name: without the prefix, and without unit.
        told: what it is, in a sentence.
        unit: in the plural, as OpenMetrics has it: `seconds`, `bytes`, `ratio`.
    """

    def __init__(self, name: str, told: str, unit: str = "", *, kind: str = "gauge") -> None:
        self.metric = Metric(PREFIX + name, told, kind, unit)

    def add(self, value: float | None, /, **labels: Label) -> None:
        """A sample; nothing where there is no evidence. Labels that are None are left out."""
        self._sample("", value, labels)

    def count(self, value: float | None, /, **labels: Label) -> None:
        """A sample of a counter."""
        self._sample("_total", value, labels)

    def summary(self, count: int, mean: float | None, quantiles: dict[str, float | None], **labels: Label) -> None:
        """A distribution: its count, and what is known of sum and quantiles; nothing where nothing was counted."""
        if not count:
            return
        for quantile, value in quantiles.items():
            self._sample("", value, {**labels, "quantile": quantile})
        self._sample("_count", count, labels)
        self._sample("_sum", None if mean is None else round(mean * count, 9), labels)

    def _sample(self, suffix: str, value: float | None, labels: dict[str, Label]) -> None:
        if value is not None:
            named = {name: clean(str(text)) for name, text in labels.items() if text is not None}
            self.metric.add_sample(self.metric.name + suffix, named, value)
