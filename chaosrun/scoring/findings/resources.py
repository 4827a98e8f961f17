"""What the roles under test were short of, by a sample a second: CPU and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, pairwise
from math import inf
from statistics import median
from typing import Final

from chaosrun.records import OWN, Resource
from chaosrun.scoring.checks import Need
from chaosrun.scoring.evidence import baseline_of
from chaosrun.scoring.findings._rule import Rule, Seen, Told, seconds
from chaosrun.scoring.phases import phase_span
from chaosrun.scoring.words import show

_BUSY: Final = 0.9
_ROW: Final = 3
"""Samples in a row, so that a start or a garbage collection is none."""
_MB: Final = 1_000_000
_LEAST_GROWTH: Final = 16 * _MB
_LEAST_SHARE: Final = 0.1
_QUARTER: Final = 5
"""Samples in each of four parts of a time over which memory is said to grow."""


def _cpu_bound(seen: Seen) -> Iterator[Told]:
    for role, samples in _roles(seen).items():
        limit = _limit(seen, samples)
        runs = [list(run) for busy, run in groupby(samples, key=partial(_is_busy, limit)) if busy]
        longest = max(runs, key=len, default=[])
        if len(longest) < _ROW:
            continue
        mean = sum(sample.cpu for sample in longest) / len(longest)
        cores = seen.evidence.cores
        crowd = _everybody(seen, longest[0].t, longest[-1].t)
        shared = ""
        if cores is not None and crowd is not None and crowd >= _BUSY * cores:
            shared = f"; with the load and all other roles {show(crowd, 'count')} of {cores} cores"
        yield Told(
            "warning",
            f"{role} is CPU-bound",
            f"{show(mean, 'ratio')} of a core in {len(longest)} samples in a row, a second each, from "
            f"{seconds(longest[0].t)} to {seconds(longest[-1].t)} of the run{shared}",
            "Load and service share a machine that is full: run the load elsewhere before you trust this."
            if shared
            else f"Profile {role} in that time. One process of one thread can use no more than a core: move work out "
            "of its loop, or run several behind one address.",
        )


def _limit(seen: Seen, samples: Sequence[Resource]) -> float:
    """A role that never uses more than one core has one to use; of any other the whole machine is the limit."""
    if max(sample.cpu for sample in samples) <= 1.1:
        return _BUSY
    return inf if seen.evidence.cores is None else _BUSY * seen.evidence.cores


def _is_busy(limit: float, sample: Resource) -> bool:
    return sample.cpu >= limit


def _everybody(seen: Seen, start: int, end: int) -> float | None:
    """Mean CPU of all roles and of chaosrun itself together, in cores."""
    samples = [sample for sample in seen.history.resources if start <= sample.t <= end]
    by_role: dict[str, list[float]] = {}
    for sample in samples:
        by_role.setdefault(sample.role, []).append(sample.cpu)
    return sum(sum(each) / len(each) for each in by_role.values()) if OWN in by_role else None


# ---- memory ---------------------------------------------------------------------------------------------------------


def _grows(seen: Seen) -> Iterator[Told]:
    """Each quarter of the longest time without a restart holds more than the one before, to the end."""
    for role, samples in _roles(seen).items():
        life = max(_lives(samples), key=len, default=[])
        if len(life) < 4 * _QUARTER:
            continue
        size = len(life) // 4
        levels = [median(sample.memory for sample in life[i * size : (i + 1) * size]) for i in range(4)]
        grown = levels[-1] - levels[0]
        least = grown / 10
        if grown < max(_LEAST_GROWTH, _LEAST_SHARE * levels[0]) or any(b - a < least for a, b in pairwise(levels)):
            continue
        span = life[-1].t - life[0].t
        per_minute = grown / (span * 3 / 4) * 60e9
        yield Told(
            "warning",
            f"Memory of {role} grows without an end in sight",
            f"{', '.join(show(level, 'bytes') for level in levels)} in the four quarters of {seconds(span)} "
            f"(median of a sample a second): {show(per_minute, 'bytes')} a minute",
            "Run it longer at the same load to see whether it levels off; if not, look for what is kept per message, "
            "per connection or per client that has left.",
        )


def _kept(seen: Seen) -> Iterator[Told]:
    """The process of before the fault holds much more after it, and gives nothing back."""
    verify = phase_span(seen.history, "verify")
    before, last = baseline_of(seen.history), verify or (0, 0)
    for role, samples in _roles(seen).items():
        if len(_lives(samples)) != 1:
            continue
        was = [sample.memory for sample in samples if before[0] < sample.t <= before[1]]
        now = [sample.memory for sample in samples if last[0] < sample.t <= last[1]]
        if len(was) < _ROW or len(now) < 2 or not seen.episodes:
            continue
        more = median(now) - median(was)
        if more < max(_LEAST_GROWTH, median(was) / 2):
            continue
        yield Told(
            "info",
            f"{role} keeps {show(more, 'bytes')} more memory than before the fault",
            f"{show(median(was), 'bytes')} in the baseline, {show(median(now), 'bytes')} in the last phase, "
            f"{seconds(last[0] - seen.episodes[-1].fault_start)} after the last fault (medians of a sample a second)",
            "Look for what the outage piled up: send queues of connections that are gone, sessions that are kept, "
            "retries that wait. A bound on each of them is the remedy.",
        )


def _lives(samples: Sequence[Resource]) -> list[list[Resource]]:
    """Cut where the role was away: a process that was started again begins anew."""
    lives: list[list[Resource]] = []
    for sample in samples:
        if not lives or sample.t - lives[-1][-1].t > 1_900_000_000 or sample.memory < lives[-1][-1].memory // 2:
            lives.append([])
        lives[-1].append(sample)
    return lives


def _roles(seen: Seen) -> dict[str, list[Resource]]:
    """The samples of everything but chaosrun's own processes, from the baseline to the end of the load."""
    start, _ = baseline_of(seen.history)
    roles: dict[str, list[Resource]] = {}
    for sample in seen.history.resources:
        if sample.role != OWN and start < sample.t <= seen.history.load_stopped:
            roles.setdefault(sample.role, []).append(sample)
    return dict(sorted(roles.items()))


_SAMPLES: Final[frozenset[Need]] = frozenset({"sampler"})

RULES: Final = (
    Rule("cpu-bound", _cpu_bound, _SAMPLES),
    Rule("memory-grows", _grows, _SAMPLES),
    Rule("memory-kept", _kept, _SAMPLES, frozenset({"memory-grows"})),
)
