"""`cpu` and `cpu_max`: CPU of a role with its children, as a share of one core (`of: machine` divides by its cores)."""

from __future__ import annotations

from chaosrun.metrics._base import Metric, needs
from chaosrun.scoring.verdict import Reading, exact
from chaosrun.scoring.window import Window


def mean(window: Window) -> Reading | None:
    samples = [sample.cpu for sample in window.resources]
    return exact(sum(samples) / len(samples) / window.cores) if samples else None


def maximum(window: Window) -> Reading | None:
    samples = [sample.cpu for sample in window.resources]
    return exact(max(samples) / window.cores) if samples else None


METRICS = tuple(
    Metric(
        name=name,
        unit="ratio",
        up=False,
        meaning=f"{word} CPU of a role with its children, in samples of a second, as a share of one core",
        needs=needs("sampler"),
        measure=measure,
        per="role",
    )
    for name, word, measure in (("cpu", "mean", mean), ("cpu_max", "highest", maximum))
)
