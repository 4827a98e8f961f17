"""Criteria: a metric and the limits on it, as a user writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from chaosrun.spec import units
from chaosrun.spec.base import Broken, Model, problem

Unit = Literal["number", "percent", "time", "bytes", "rate"]
WINDOWS = ("baseline", "during", "outage", "recovery", "after", "verify", "whole")
Window = Literal["baseline", "during", "outage", "recovery", "after", "verify", "whole"]
LIMITS = ("min", "max", "target", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A limit: its value in the base unit (seconds, shares of 1, bytes, 1/s), and as it was written."""

    value: float
    unit: Unit
    written: str


def _quantity(value: Any) -> Quantity:
    """Which unit is right depends on the metric, so any is taken here and `crossref` checks it."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Quantity(float(value), "number", str(value))
    if isinstance(value, str):
        try:
            return _read(value)
        except units.UnitError as error:
            raise problem("unit", str(error)) from None
    raise problem("unit", "a limit is a number with its unit: 500ms, 0.5%, 12GB, 1000/s, or a bare count")


def _read(text: str) -> Quantity:
    if text.endswith("%"):
        return Quantity(units.ratio(text), "percent", text)
    if "/" in text:
        return Quantity(units.rate_per_s(text), "rate", text)
    if text.endswith("B"):
        return Quantity(float(units.size_bytes(text)), "bytes", text)
    if not text.endswith(tuple(units.NANOSECONDS)):
        raise units.UnitError(f"{text!r} is no limit; write it with its unit: 500ms, 0.5%, 12GB, 1000/s, or a count")
    return Quantity(units.duration_ns(text) / 1e9, "time", text)


def _written(quantity: Quantity) -> str | float:
    """A bare number stays one, so that a dump reads back."""
    return quantity.value if quantity.unit == "number" else quantity.written


Limit = Annotated[
    Quantity,
    PlainValidator(_quantity),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9].*(%|B|[a-zµ])$", "examples": ["500ms", "0.5%", "12GB", "10/s"]},
            ]
        }
    ),
]


class Measured(Model):
    """A metric, and of what."""

    metric: str
    group: str | None = None
    role: str | None = None
    stream: str | None = None
    request: str | None = None
    of: Literal["machine"] | None = None
    """CPU as a share of the machine rather than of one core."""


class Criterion(Measured):
    """One metric held to `min`, `max`, or to the tiers target, warning and critical."""

    name: str | None = None
    window: Window | None = None
    """None: baseline and verify in a hypothesis, whole in `expect`."""
    min: Limit | None = None
    max: Limit | None = None
    target: Limit | None = None
    warning: Limit | None = None
    critical: Limit | None = None

    def rules(self) -> Iterator[Broken]:
        tiers = [tier for tier in (self.target, self.warning, self.critical) if tier is not None]
        if not self.limits():
            yield Broken("a criterion needs a limit: `min`, `max`, or `target`, `warning`, `critical`", LIMITS)
        elif tiers and (self.min is not None or self.max is not None):
            yield Broken("`min` and `max` do not go with tiers; write either", LIMITS)
        elif tiers and self.warning is None and self.critical is None:
            yield Broken("`target` alone decides nothing; add `warning` or `critical`, or write `max`", LIMITS)
        if self.min is not None and self.max is not None and self.min.value > self.max.value:
            text = f"`min` {self.min.written} is above `max` {self.max.written}; nothing can pass"
            yield Broken(text, ("min", "max"))

    def limits(self) -> dict[str, Quantity]:
        """The limits by key, in the order of the type."""
        return {key: limit for key in LIMITS if (limit := getattr(self, key)) is not None}
