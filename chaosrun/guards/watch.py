"""Holds a run to its guards while there is load: the first that burns through, or cannot be read any more, ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import NamedTuple

from chaosrun.guards.burning import Blindness, ShareOfRequests, ShareOfTime, Through, Throughout
from chaosrun.guards.endpoint import Asking
from chaosrun.guards.guard import BLIND_AFTER_NS, For, Guard, OfLoad, OfRole
from chaosrun.guards.sight import NOTHING, GroupSight, Reading, RoleSight, suits
from chaosrun.load.live import FleetNow
from chaosrun.plan import GroupPlan
from chaosrun.records import Burnt, Resource
from chaosrun.scoring.words import show

_Requests = Callable[[], tuple[int, int] | None]


class GuardNow(NamedTuple):
    """How one guard on one group, role or address is at this moment, for whoever watches the run."""

    guard: str
    """As it was written, in words and without secrets."""
    of: str
    burnt: float
    """How far, 0 to 1: at 1 it ends the run."""
    reading: str
    """What it reads, in words; empty: rightly nothing yet."""
    blind: bool = False
    """Nothing can be read that should be; `reading` says why."""


class _Watch:
    """One guard on one group, role or address."""

    def __init__(
        self,
        guard: Guard,
        of: str,
        read: Callable[[], Reading],
        *,
        requests: _Requests | None = None,
        patience_ns: int = 0,
    ) -> None:
        """
        Args:
            requests: bad ones and all so far, for a share of them.
            patience_ns: what it may take until something can be read.
        """
        how = guard.how
        self.guard = guard
        self._of = of
        self._read = read
        self._blindness = Blindness(max(BLIND_AFTER_NS, how.longest_ns) + patience_ns)
        self._reading = NOTHING
        self._through: Callable[[int, Reading], Through | None]
        self._fuse: Throughout | ShareOfTime | ShareOfRequests
        if isinstance(how, For):
            self._fuse = throughout = Throughout(how.for_ns)
            self._through = partial(self._throughout, throughout, how.failures)
        elif requests is not None:
            self._fuse = of_requests = ShareOfRequests(how.share, how.long_ns, how.short_ns)
            self._through = partial(_of_requests, of_requests, requests)
        else:
            self._fuse = of_time = ShareOfTime(how.share, how.long_ns, how.short_ns)
            self._through = partial(self._of_time, of_time)

    @property
    def now(self) -> GuardNow:
        """As it was at the last look."""
        value, blind = self._reading.value, bool(self._reading.blind)
        read = self._reading.blind or self._reading.note
        if value is not None and self.guard.unit:
            read = show(value, self.guard.unit) if isfinite(value) else "not answered at all"
        return GuardNow(self.guard.written, self._of, self._burnt_so_far(), read, blind)

    def _burnt_so_far(self) -> float:
        how, value = self.guard.how, self._reading.value
        if isinstance(how, For) and how.failures > 1:
            return min(self._fuse.burnt, (value or 0) / how.failures)
        return self._fuse.burnt

    def see(self, now: int) -> Burnt | None:
        reading = self._reading = self._read()
        blind_since = self._blindness.see(now, blind=bool(reading.blind))
        if (through := self._through(now, reading)) is not None:
            return self._burnt(now, reading, through)
        return None if blind_since is None else self._burnt(now, reading, Through(blind_since), reading.blind)

    def _throughout(self, fuse: Throughout, failures: int, now: int, reading: Reading) -> Through | None:
        """Of an endpoint the value is how often in a row it failed."""
        enough = self.guard.limit is not None or (reading.value is not None and reading.value >= failures)
        return fuse.see(now, self._is_beyond(reading), enough=enough)

    def _of_time(self, fuse: ShareOfTime, now: int, reading: Reading) -> Through | None:
        return fuse.see(now, self._is_beyond(reading))

    def _is_beyond(self, reading: Reading) -> bool | None:
        """None: nobody can tell."""
        if reading.value is None:
            return None if reading.blind else False
        return self.guard.limit.is_beyond(reading.value) if self.guard.limit is not None else reading.value > 0

    def _burnt(self, now: int, reading: Reading, through: Through, blind: str = "") -> Burnt:
        value, note = reading.value, reading.note
        if value is not None and not isfinite(value):
            value, note = None, "not answered at all"
        return Burnt(
            t=now,
            guard=self.guard.written,
            of=self._of,
            value=value,
            since=through.since,
            shares=through.shares,
            note=note,
            blind=blind,
        )


def _of_requests(fuse: ShareOfRequests, requests: _Requests, now: int, _: Reading) -> Through | None:
    counts = requests()
    return None if counts is None else fuse.see(now, *counts)


class Guards:
    """All guards of a run. One on the load that names no group watches every group that has what it measures, each by
    itself."""

    def __init__(self, guards: Sequence[Guard], groups: Sequence[GroupPlan], *, cores: int = 1) -> None:
        """
        Args:
            cores: of the machine, for CPU as a share of it.
        """
        self._groups = {plan.name: GroupSight(plan) for plan in groups}
        self._roles: dict[str, RoleSight] = {}
        self._plans = groups
        self._cores = cores
        self.asking: list[Asking] = []
        """The outside ones, each to be followed for as long as there is load."""
        self._watches = [watch for guard in guards for watch in self._of(guard)]

    def see(self, now: int, live: FleetNow, resources: Mapping[str, Resource]) -> tuple[Burnt, str] | None:
        """Take in how load and roles are at run time `now`, some five times a second.

        Returns:
            What ends the run, as data and in words; None: nothing does.
        """
        for group in self._groups.values():
            group.see(now, live)
        for role in self._roles.values():
            role.see(now, resources)
        # All of them look, so that none has a gap in what it saw.
        seen = [(watch, watch.see(now)) for watch in self._watches]
        return next(((burnt, told(burnt, watch.guard.unit)) for watch, burnt in seen if burnt is not None), None)

    @property
    def now(self) -> tuple[GuardNow, ...]:
        """How all of them were at the last look, in the order of `stop_when`."""
        return tuple(watch.now for watch in self._watches)

    def _of(self, guard: Guard) -> Iterator[_Watch]:
        sight = guard.sight
        if isinstance(sight, OfLoad):
            for plan in self._plans:
                if sight.group == plan.name or (sight.group is None and suits(sight.metric, plan)):
                    yield self._of_group(guard, sight.metric, plan)
        elif isinstance(sight, OfRole):
            role = self._roles.setdefault(sight.role, RoleSight(sight.role))
            cores = self._cores if sight.of_machine else 1
            yield _Watch(guard, sight.role, lambda: role.read(sight.metric, cores=cores))
        else:
            asking = Asking(sight)
            self.asking.append(asking)
            yield _Watch(guard, sight.shown, lambda: asking.reading, patience_ns=sight.every_ns + sight.timeout_ns)

    def _of_group(self, guard: Guard, metric: str, plan: GroupPlan) -> _Watch:
        """Nobody can tell of a request before it is overdue."""
        group = self._groups[plan.name]
        least = guard.limit is not None and guard.limit.below is not None
        return _Watch(
            guard,
            plan.name,
            lambda: group.read(metric, least=least),
            requests=group.requests if guard.counts_requests else None,
            patience_ns=plan.latency_limit_ns,
        )


def told(burnt: Burnt, unit: str) -> str:
    """Why the run is stopped: the guard, since when, and what it read; `unit` is its metric's."""
    since = f"since {burnt.since / 1e9:.1f} s"
    of = "" if burnt.of in burnt.guard else f" ({burnt.of})"
    if burnt.blind:
        return f"stop_when: {burnt.guard}{of}: the guard is blind {since}: {burnt.blind}"
    read = burnt.note if burnt.value is None or unit == "" else f"it read {show(burnt.value, unit)}"
    if unit == "":
        read = f"{burnt.note or 'all is well now'}, {int(burnt.value or 0)} in a row"
    if burnt.shares is not None:
        long, short = (show(share, "ratio") for share in burnt.shares)
        return f"stop_when: {burnt.guard}{of}: {long} of the long window and {short} of the short one, {since}; {read}"
    return f"stop_when: {burnt.guard}{of}: {since}; {read}"
