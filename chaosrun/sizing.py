"""What an experiment asks of the machines that play its load, and what a run of it showed: for `chaosrun plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from chaosrun.costs import Costs, Demand, GroupDemand, Seen, factor
from chaosrun.errors import UsageError
from chaosrun.load.limits import connections_of_client
from chaosrun.plan import GroupPlan
from chaosrun.recorded import Recording, read_run
from chaosrun.records import Kind, Lag
from chaosrun.scoring.phases import phase_span
from chaosrun.spec.client_rules import half_open
from chaosrun.spec.fleet import kind_of
from chaosrun.spec.hosts import host_of, is_loopback
from chaosrun.spec.loader import Loaded
from chaosrun.spec.model import Group, reveal
from chaosrun.spec.plan import make_plan, planned_ns

S: Final = 1e9
LOAD: Final = "load-"
"""How the names of the load processes begin, as writers."""
BACK_AT_LEAST_S: Final = 1.0
"""Clients that come back all at once count as spread over so long: the load process is busy then, and its lag tells."""


def demand_of(loaded: Loaded) -> Demand:
    """What its load asks for, as far as that is known before a run."""
    plan = make_plan(loaded)
    groups = loaded.experiment.steady_state.load
    return Demand(
        groups=tuple(_group(loaded, each, groups[each.name]) for each in plan.groups),
        lasts_s=planned_ns(loaded) / S,
        on_cluster=kind_of(loaded.experiment.fleet) == "ray",
    )


def is_ours(loaded: Loaded) -> bool:
    """The service under test runs on this machine, beside the load."""
    target = loaded.experiment.target
    return target.url is None or is_loopback(host_of(target.url) or "")


def with_pushes(demand: Demand, rates: Mapping[str | None, float]) -> Demand:
    """The same where each client is pushed so many messages a second.

    Args:
        rates: by group; that of None is for all that have none of their own.

    Raises:
        UsageError: there is no such group.
    """
    names = [group.name for group in demand.groups]
    for name in rates:
        if name is not None and name not in names:
            raise UsageError(f"--pushes {name}=: there is no group {name!r} in the load; groups: {', '.join(names)}")
    return replace(
        demand,
        groups=tuple(
            replace(group, pushes_per_s=rate * group.clients)
            if (rate := rates.get(group.name, rates.get(None))) is not None
            else group
            for group in demand.groups
        ),
    )


@dataclass(frozen=True)
class Example:
    """A run that was made: what its clients did, and what that cost here."""

    groups: tuple[Seen, ...]
    cpu: float
    """Share of a core that its load processes took, all together."""
    processes: int


def example(folder: Path) -> Example:
    """What the baseline of a run showed.

    Raises:
        UsageError: the folder holds no run, or its baseline was too short to tell.
    """
    recording = read_run(folder)
    span = phase_span(recording.history, "baseline")
    lags = [
        line
        for line in recording.lines.of(Lag)
        if line.w.startswith(LOAD) and span is not None and span[0] <= line.t - line.span_ns and line.t <= span[1]
    ]
    if span is None or not lags:
        raise UsageError(
            f"{folder}: its baseline does not tell what a client costs; name a run whose baseline lasted some seconds"
        )
    seconds: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for line in lags:
        seconds[line.w] += line.span_ns
        used[line.w] += line.cpu_ns
    return Example(_seen(recording, span), sum(used[each] / seconds[each] for each in seconds), len(seconds))


def like(demand: Demand, costs: Costs, run: Example) -> tuple[Demand, Costs, float]:
    """The same demand with clients that do as those of the run did, and costs as they were there.

    Returns:
        with the factor between the costs.

    Raises:
        UsageError: the run had other groups.
    """
    seen = {each.name: each for each in run.groups if each.clients}
    missing = [group.name for group in demand.groups if group.name not in seen]
    if missing:
        raise UsageError(
            f"--like: that run had no group {missing[0]!r}; its groups: {', '.join(seen) or 'none'}; name a run of "
            "this experiment, with fewer clients perhaps"
        )
    groups = tuple(_as_seen(group, seen[group.name]) for group in demand.groups)
    by = factor(run.groups, groups, run.cpu, run.processes, costs)
    return replace(demand, groups=groups), costs.times(by), by


def _group(loaded: Loaded, plan: GroupPlan, group: Group) -> GroupDemand:
    return GroupDemand(
        name=plan.name,
        clients=plan.clients,
        workers=group.workers,
        by_http=plan.kind == "http",
        sockets=connections_of_client(plan),
        half_open=half_open(loaded.experiment, plan.name),
        requests_per_s=None if plan.scripted else group.events_per_s(),
        pushes_per_s=None if plan.streams else 0.0,
        pings_per_s=0.0 if plan.heartbeat is None else plan.clients * S / plan.heartbeat.every_ns,
        connects_per_s=_steepest(plan),
        back_s=max(BACK_AT_LEAST_S, _spread_s(plan)),
        sources=max(1, len(group.sources())),
        via="" if group.http_proxy is None else reveal(group.http_proxy).rpartition("@")[2],
    )


def _steepest(plan: GroupPlan) -> float:
    """Connections a second where most are begun; the few at the first instant of a ramp apart."""
    if not plan.stages:
        return (plan.clients - plan.ramp_start) * S / plan.ramp_over_ns if plan.ramp_over_ns else float(plan.clients)
    sizes = [0, *(stage.clients for stage in plan.stages)]
    slopes = [
        max(0, after - before) * S / max(stage.length_ns, S)
        for (before, after), stage in zip(pairwise(sizes), plan.stages, strict=True)
    ]
    return max(slopes)


def _spread_s(plan: GroupPlan) -> float:
    """Over how long the clients come back when nothing answered them for long: each waits its longest by then."""
    if plan.kind == "http":
        return plan.period_ns / S if plan.period_ns else 0.0
    if plan.reconnect is None or plan.reconnect.jitter == "none":
        return 0.0
    return plan.reconnect.max_ns / S / (2 if plan.reconnect.jitter == "equal" else 1)


def _seen(recording: Recording, span: tuple[int, int]) -> tuple[Seen, ...]:
    start, end = span
    seconds, history = (end - start) / S, recording.history
    asked = Counter(slot.group for slot in history.slots if start <= slot.due < end and slot.kind is not Kind.CANARY)
    groups = [stream.g for stream in history.streams]
    pushed = Counter(groups[push.sid] for push in history.pushes if start <= push.at < end)
    return tuple(
        Seen(
            name=plan.name,
            clients=plan.clients,
            requests_per_s=asked[index] / seconds,
            pushes_per_s=pushed[index] / seconds,
        )
        for index, plan in enumerate(history.plan.groups)
    )


def _as_seen(group: GroupDemand, seen: Seen) -> GroupDemand:
    """What the experiment says itself stays; what is not known before a run is as it was seen, client by client."""
    scale = group.clients / seen.clients
    return replace(
        group,
        requests_per_s=seen.requests_per_s * scale if group.requests_per_s is None else group.requests_per_s,
        pushes_per_s=seen.pushes_per_s * scale if group.pushes_per_s is None else group.pushes_per_s,
    )
