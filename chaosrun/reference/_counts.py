"""What a reference service counts about itself, and its Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass
class Counts:
    """Of every service, since its start."""

    accepted: int = 0
    received: int = 0
    sent: int = 0
    errors: int = 0
    cut_off: int = 0


@dataclass(frozen=True)
class Family:
    """A metric and its samples, as `{symbol="EURUSD"}` and a value; without labels there is one."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    samples: tuple[tuple[str, int], ...]


def gauge(name: str, meaning: str, value: int) -> Family:
    return Family(name, "gauge", meaning, (("", value),))


def counter(name: str, meaning: str, value: int) -> Family:
    return Family(name, "counter", meaning, (("", value),))


def counters(name: str, meaning: str, label: str, values: dict[str, int]) -> Family:
    """One of each value of a label."""
    samples = tuple((f'{{{label}="{value}"}}', count) for value, count in values.items())
    return Family(name, "counter", meaning, samples)


def common(counts: Counts, connections: int) -> tuple[Family, ...]:
    """What every service tells."""
    return (
        gauge("connections", "WebSocket connections now open.", connections),
        counter("connections_total", "WebSocket connections accepted.", counts.accepted),
        counter("messages_received_total", "Messages that clients sent.", counts.received),
        counter("messages_sent_total", "Messages sent to clients.", counts.sent),
        counter("errors_total", "Error replies.", counts.errors),
        counter("cut_off_total", "Clients cut off because they did not read.", counts.cut_off),
    )


def exposition(prefix: str, families: Iterable[Family]) -> str:
    """The Prometheus text format, version 0.0.4."""
    lines: list[str] = []
    for family in families:
        name = f"{prefix}_{family.name}"
        lines += (f"# HELP {name} {family.meaning}", f"# TYPE {name} {family.kind}")
        lines += (f"{name}{labels} {value}" for labels, value in family.samples)
    return "\n".join(lines) + "\n"
