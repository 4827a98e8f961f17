"""CPU and memory of the roles over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

from chaosrun.charts.bins import MS, SECOND, Bins, seconds
from chaosrun.charts.picture import RolePicture
from chaosrun.records import History, Resource

_GAP = 5 * SECOND // 2
"""A sample comes once a second: two of them missing is more than a late one."""


def draw_roles(history: History, most: int) -> list[RolePicture]:
    """Every role of which there are samples, by name, with at most `most` rows that are not a gap."""
    by_role: defaultdict[str, list[Resource]] = defaultdict(list)
    for sample in history.resources:
        by_role[sample.role].append(sample)
    return [_role(name, by_role[name], history.end, most) for name in sorted(by_role)]


def _role(name: str, samples: Sequence[Resource], end: int, most: int) -> RolePicture:
    bins = Bins.over(end, most, shortest=MS)
    drawn = RolePicture(name=name, t=[], cpu_percent=[], memory_bytes=[])
    last: int | None = None
    for _, together in groupby(samples, lambda sample: bins.of(sample.t)):
        some = list(together)
        if last is not None and some[0].t - last > _GAP:
            drawn.t.append(seconds((last + some[0].t) // 2))
            drawn.cpu_percent.append(None)
            drawn.memory_bytes.append(None)
        drawn.t.append(seconds(some[0].t))
        drawn.cpu_percent.append(round(100 * max(sample.cpu for sample in some), 1))
        drawn.memory_bytes.append(max(sample.memory for sample in some))
        last = some[-1].t
    return drawn
