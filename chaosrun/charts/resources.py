"""CPU and memory of the roles over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from chaosrun.charts.bins import MS, SECOND, Bins, seconds
from chaosrun.charts.picture import RolePicture
from chaosrun.records import History, Resource

_GAP = 7 * SECOND // 4
"""A sample comes once a second: longer between two of them, and at least one is missing."""


def draw_roles(history: History, most: int) -> list[RolePicture]:
    """Every role of which there are samples, by name.

    Samples of one bin, of at most `most`, are one row, if no gap lies between them.
    """
    by_role: defaultdict[str, list[Resource]] = defaultdict(list)
    for sample in history.resources:
        by_role[sample.role].append(sample)
    bins = Bins.over(history.end, most, shortest=MS)
    return [_role(name, by_role[name], bins) for name in sorted(by_role)]


def _role(name: str, samples: Sequence[Resource], bins: Bins) -> RolePicture:
    drawn = RolePicture(name=name, t=[], cpu_percent=[], memory_bytes=[])
    for stretch in _without_gaps(samples):
        if drawn.t:
            drawn.t.append(seconds(stretch[0].t - SECOND))  # a sample tells of the second before it
            drawn.cpu_percent.append(None)
            drawn.memory_bytes.append(None)
        for _, together in groupby(stretch, lambda sample: bins.of(sample.t)):
            some = list(together)
            drawn.t.append(seconds(some[0].t))
            drawn.cpu_percent.append(round(100 * max(sample.cpu for sample in some), 1))
            drawn.memory_bytes.append(max(sample.memory for sample in some))
    return drawn


def _without_gaps(samples: Sequence[Resource]) -> Iterator[Sequence[Resource]]:
    """The samples in stretches while the role was up."""
    starts = [i for i, (a, b) in enumerate(pairwise(samples), 1) if b.t - a.t > _GAP]
    for a, b in pairwise([0, *starts, len(samples)]):
        yield samples[a:b]
