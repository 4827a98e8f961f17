"""What the tests of the observer's checks share: one check of a history, and the records that a check reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from storybook import MS, S, s

from chaosrun.judge import gather
from chaosrun.records import NONE, Clock, History, Lag, Probe, Resource
from chaosrun.scoring.checks import Check
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.observer import check_observer
from chaosrun.scoring.steadiness import check_baseline


def found(history: History, name: str) -> Check:
    evidence = gather(history)
    (check,) = [c for c in [*check_observer(evidence), *check_baseline(evidence)] if c.name.startswith(name)]
    return check


def grade(history: History, name: str) -> str | None:
    return found(history, name).grade


def probes(down: tuple[int, int] | None, *, begin: int = s(3), end: int = s(42)) -> list[Probe]:
    """An echo every 10 ms that takes 1 ms, or fails after 2 ms while the service is down."""
    return [
        Probe(t, NONE if down and down[0] <= t < down[1] else t + MS, t + 2 * MS, connect=False)
        for t in range(begin, end, 10 * MS)
    ]


def with_lags(history: History, *, at: int, value: int, ticks: int = 1) -> History:
    """The lag record that ends at `at` holds `ticks` ticks of `value`, besides 99 of a millisecond."""
    lags = [
        Lag(t=lag.t, span_ns=S, buckets={bucket_of(MS): 99, bucket_of(value): ticks}, max_ns=value)
        if lag.t == at
        else lag
        for lag in history.lags
    ]
    return replace(history, lags=lags)


def clocks(**changes: dict[int, Any]) -> list[Clock]:
    """A clock line each second; `changes` gives, by field, the value from a time on."""

    def at(field: str, t: int, default: float | None) -> Any:
        known = [value for since, value in sorted(changes.get(field, {}).items()) if since <= t]
        return known[-1] if known else default

    return [
        Clock(
            t=t,
            wall_offset_ns=at("wall", t, 10**18),
            suspended_ns=at("suspended", t, 0),
            steal=at("steal", t, 0.0),
            throttled=at("throttled", t, None),
        )
        for t in range(0, s(42), S)
    ]


def samples(times: Iterable[int] = range(0, 42)) -> list[Resource]:
    """A sample of one role at each of these seconds."""
    return [Resource(t=s(t), role="chaosrun", cpu=0.1, memory=1) for t in times]
