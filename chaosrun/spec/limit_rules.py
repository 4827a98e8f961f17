"""Whether a limit is one that its metric can have: the right unit, and tiers in the right order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chaosrun.spec.catalogue import Metric
from chaosrun.spec.doubt import Finding
from chaosrun.spec.limit import LIMITS, Quantity
from chaosrun.spec.nodes import Path

_UNITS = {
    "s": ("time", "a time", "500ms"),
    "ratio": ("percent", "a share", "99%"),
    "count": ("number", "a count", "0"),
    "1/s": ("rate", "a rate", "100/s"),
    "bytes": ("bytes", "a size", "512MiB"),
}
"""By a metric's unit: the unit of its limits, its name, and an example."""


def limit_problems(path: Path, metric: Metric, limits: Mapping[str, Quantity]) -> Iterator[Finding]:
    """What is wrong with the limits of one criterion or guard on `metric`."""
    sound = True
    for key, limit in limits.items():
        text = _wrong_unit(metric, limit)
        if not text and limit.value < 0:
            text = f"{limit.written} is below 0, and {metric.name} never is; write 0 or more"
        if text:
            sound = False
            yield Finding((*path, key), text)
    if not sound:
        return
    keys = tuple((*path, key) for key in LIMITS)
    if len({limit.unit for limit in limits.values()}) > 1 and metric.unit == "count":
        yield Finding(path, "the limits mix counts and shares; write all of them as one or the other", keys)
    tiers = [limits[key] for key in ("target", "warning", "critical") if key in limits]
    values = [tier.value for tier in tiers]
    if values != sorted(values, reverse=metric.up):
        order = "fall" if metric.up else "rise"
        yield Finding(path, f"target, warning and critical of {metric.name} must {order} in that order", keys)


def _wrong_unit(metric: Metric, limit: Quantity) -> str:
    unit, name, example = _UNITS[metric.unit]
    if limit.unit == unit:
        if metric.unit == "count" and not limit.value.is_integer():
            return f"{limit.written} is not whole, and {metric.name} is a count; write for example {example}"
        return ""
    if metric.unit == "ratio" and limit.unit == "number" and 0 <= limit.value <= 1:
        return ""
    if limit.unit == "percent" and metric.unit == "count":
        return "" if metric.share_of else f"{metric.name} is a count of nothing larger; write a bare number"
    if limit.unit == "number":
        meant = {"ratio": "%", "s": "ms", "1/s": "/s", "bytes": "MB"}.get(metric.unit)
        return f"{limit.written} is a bare number, and {metric.name} is {name}; write {limit.written}{meant}"
    return f"{limit.written} is not {name}, and {metric.name} is one; write for example {example}"
