"""`memory` and `memory_max`: resident memory of a role with its children."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def mean(window: Window) -> Reading | None:
    samples = [sample.memory for sample in window.resources]
    return exact(sum(samples) / len(samples)) if samples else None


def maximum(window: Window) -> Reading | None:
    samples = [sample.memory for sample in window.resources]
    return exact(max(samples)) if samples else None


METRICS = tuple(
    Metric(
        name=name,
        unit="bytes",
        up=False,
        meaning=f"{word} resident memory of a role with its children, in samples of a second",
        needs=needs("sampler"),
        measure=measure,
        per="role",
    )
    for name, word, measure in (("memory", "mean", mean), ("memory_max", "largest", maximum))
)
