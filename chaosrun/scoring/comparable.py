"""Which numbers of a result two releases can be compared by, and how each is read: less is better in all of them.

Names are those of docs/metrics.md. A latency may be narrowed to a phase, as in `response_p99@baseline`; a number of
clients or messages is read of each load group, never of several together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final, NamedTuple

from chaosrun.scoring.result import GroupReport, Push, Quantiles, RecoveryReport, Result
from chaosrun.scoring.words import Unit

_BUCKET: Final = 1 / 256
"""Largest relative distance of a quantile from the middle of its histogram's bucket."""
_SMALLEST: Final = 1e-15
_LARGEST: Final = 1e15
"""Of times, counts and shares of a run, in SI base units; 0 beside them."""
_NUMBERED: Final = ("log", "counter", "seen")
"""Sources by which what was published is known, and not just from below."""


class Value(NamedTuple):
    """One number of one run."""

    value: float
    """In SI base units; infinite: it was never seen to end."""
    error: float | None = 0.0
    """The truth lies within this distance; None: nobody knows within which."""


@dataclass(frozen=True)
class Comparable:
    """A number by its name."""

    name: str
    unit: Unit
    of_run: Callable[[RecoveryReport], Value | None] | None = None
    of_group: Callable[[GroupReport, str], Value | None] | None = None
    """Of a group, in a phase ("all": of the whole run)."""
    phased: bool = False


class Subject(NamedTuple):
    """A number, of one group where it is read of groups, and in one phase."""

    number: Comparable
    group: str | None = None
    phase: str = "all"
    several: bool = False
    """There are several groups, so that the group's name has to be said."""

    @property
    def label(self) -> str:
        phase = "" if self.phase == "all" else f"@{self.phase}"
        return f"{self.number.name}{phase}" + (f" of {self.group}" if self.several else "")

    def read(self, result: Result) -> Value | None:
        """None: the run gives no evidence of it."""
        if self.number.of_run is not None:
            return self.number.of_run(result.recovery) if result.recovery.episodes else None
        assert self.number.of_group is not None
        group = result.groups.get(self.group or "")
        return None if group is None else self.number.of_group(group, self.phase)


def subjects(name: str, groups: list[str]) -> list[Subject]:
    """What a name such as `ttr` or `response_p99@baseline` stands for in an experiment with these groups.

    Raises:
        KeyError: there is no such number, or it has no phases.
    """
    plain, _, phase = name.partition("@")
    number = COMPARABLE[plain]
    if phase and not number.phased:
        raise KeyError(name)
    if number.of_run is not None:
        return [Subject(number)]
    return [Subject(number, group, phase or "all", len(groups) > 1) for group in groups]


def all_subjects(result: Result) -> Iterator[Subject]:
    """Every number that a result may have, those of each phase included."""
    groups = list(result.groups)
    phases = dict.fromkeys(phase for group in result.groups.values() for phase in group.latency_ms.response)
    for name, number in COMPARABLE.items():
        yield from subjects(name, groups)
        if number.phased:
            for phase in phases:
                if phase != "all":
                    yield from subjects(f"{name}@{phase}", groups)


def senseless(result: Result) -> str | None:
    """The first number that no run can have, so that nothing can be counted with it; None: there is none."""
    for subject in all_subjects(result):
        value = subject.read(result)
        if value is not None and not (value.value == inf or _is_sensible(value.value)):
            return subject.label
        if value is not None and value.error is not None and not _is_sensible(value.error):
            return f"the error bound of {subject.label}"
    return None


def _is_sensible(number: float) -> bool:
    return number == 0 or _SMALLEST <= number <= _LARGEST


# ---- of the run -----------------------------------------------------------------------------------------------------


def _ttr(worst: RecoveryReport) -> Value | None:
    return _lasting(worst, worst.ttr_s, worst.error_s)


def _outage(worst: RecoveryReport) -> Value | None:
    """It has two ends, each with an error bound of its own."""
    if worst.error_s is None or worst.impact_error_s is None:
        return _lasting(worst, worst.outage_s, None)
    return _lasting(worst, worst.outage_s, worst.error_s + worst.impact_error_s)


def _absorbed(worst: RecoveryReport) -> Value:
    """Nothing had to recover: known only to within what could hide below the tolerance."""
    return Value(0.0, worst.blind_s or 0.0)


def _lasting(worst: RecoveryReport, value: float | None, error: float | None) -> Value | None:
    """Without end if it never recovered; None if it may have been recovering when the observation ended."""
    if worst.absorbed:
        return _absorbed(worst)
    if worst.ttr_censored_above_s is not None:
        return Value(inf) if worst.pending_s is None else None
    return None if value is None else Value(value, error)


def _server_ready(worst: RecoveryReport) -> Value | None:
    """None without a success of the prober: it may not have been at work at all."""
    if worst.absorbed:
        return _absorbed(worst)
    return None if worst.server_ready_s is None else Value(worst.server_ready_s, worst.server_ready_error_s)


def _back(member: str, worst: RecoveryReport) -> Value | None:
    """0 if nobody had to come back, without end if too many never did."""
    if worst.absorbed:
        return _absorbed(worst)
    if worst.affected_clients is None:
        return None
    if worst.affected_clients == 0:
        return Value(0.0) if worst.impact_s is not None else None
    value: float | None = getattr(worst.back_s, member)
    return Value(inf) if value is None else Value(value, worst.back_s.error.get(member))


def _lost_client_seconds(worst: RecoveryReport) -> Value | None:
    """Of all episodes: that of the worst alone would leave out what the others cost."""
    lost = [episode.lost_client_seconds for episode in worst.episodes]
    return None if None in lost else Value(sum(each or 0.0 for each in lost))


def _relapses(worst: RecoveryReport) -> Value | None:
    counts = [episode.relapses for episode in worst.episodes]
    return None if None in counts else Value(sum(each or 0 for each in counts))


# ---- of a group -----------------------------------------------------------------------------------------------------


def _latency(family: str, member: str, group: GroupReport, phase: str) -> Value | None:
    if family == "connect":
        quantiles: Quantiles | None = group.latency_ms.connect
    else:
        quantiles = (getattr(group.latency_ms, family) or {}).get(phase)
    if quantiles is None or quantiles.count + quantiles.censored == 0:
        return None
    value: float | None = getattr(quantiles, member)
    if value is None and not quantiles.censored:
        return None  # the clocks of the nodes tell too little of it
    clocks = (group.latency_ms.push_error or 0.0) / 1e3 if family == "push" else 0.0
    if member in ("mean", "max"):
        # A wait that never ended makes both of them endless; without one they are exact.
        return Value(inf) if value is None or quantiles.censored else Value(value / 1e3, clocks)
    return Value(inf) if value is None else Value(value / 1e3, value / 1e3 * _BUCKET + clocks)


def _requests(field: str, group: GroupReport, _: str) -> Value | None:
    return Value(getattr(group.messages.requests, field)) if group.messages.requests.due else None


def _errors(group: GroupReport, _: str) -> Value | None:
    """Of the slots that were due, the observer's own left out."""
    ledger = group.messages.requests
    judged = ledger.due - ledger.skipped_observer - ledger.late_observer
    return Value(min(1.0, ledger.replied_error / judged)) if judged > 0 else None


def _pushes(field: str, group: GroupReport, _: str) -> Value | None:
    """A loss only where every class is exact: what is known from below can be compared with nothing."""
    push: Push | None = group.messages.push
    if push is None or push.source is None:
        return None
    if field not in ("duplicates", "reordered", "unexpected") and not (push.accountable and push.source in _NUMBERED):
        return None
    value: int | None = getattr(push, field)
    return None if value is None else Value(value)


def _unexpected_disconnects(group: GroupReport, _: str) -> Value | None:
    return Value(group.clients.unexpected_disconnects) if group.clients.needs else None


def _all() -> Iterator[Comparable]:
    yield Comparable("ttr", "s", _ttr)
    yield Comparable("outage", "s", _outage)
    yield Comparable("server_ready", "s", _server_ready)
    for name, member in (("first", "first"), ("50", "p50"), ("90", "p90"), ("99", "p99"), ("all", "all")):
        yield Comparable(f"back_{name}", "s", partial(_back, member))
    yield Comparable("lost_client_seconds", "s", _lost_client_seconds)
    yield Comparable("relapses", "count", _relapses)
    for family in ("response", "service", "push", "connect"):
        for member in ("mean", "p50", "p90", "p95", "p99", "p999", "max"):
            read = partial(_latency, family, member)
            yield Comparable(f"{family}_{member}", "s", of_group=read, phased=family != "connect")
    yield Comparable("errors", "ratio", of_group=_errors)
    for field in ("lost_connected", "lost_at_break", "replied_late"):
        yield Comparable(f"requests.{field}", "count", of_group=partial(_requests, field))
    for field in ("lost_connected", "missed_disconnected", "tail", "duplicates", "reordered", "unexpected"):
        yield Comparable(f"push.{field}", "count", of_group=partial(_pushes, field))
    yield Comparable("unexpected_disconnects", "count", of_group=_unexpected_disconnects)


COMPARABLE: Final = {number.name: number for number in _all()}

SHOWN: Final = (
    "ttr",
    "outage",
    "server_ready",
    "back_99",
    "back_all",
    "lost_client_seconds",
    "response_p50@baseline",
    "response_p99@baseline",
    "response_p99",
    "service_p99",
    "requests.lost_connected",
    "requests.lost_at_break",
    "push.lost_connected",
    "push.missed_disconnected",
)
"""What a comparison shows beside the numbers that decide it."""
