"""Whether a guard can be read while a run goes on: the metric, and a group that has what it measures."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.spec.catalogue import Metric
from chaosrun.spec.doubt import Finding
from chaosrun.spec.guard import Guard
from chaosrun.spec.guarded import GUARDED, OF_REQUESTS
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path


def unreadable(path: Path, metric: Metric) -> Iterator[Finding]:
    """A metric that is known only when the run is over."""
    if metric.name not in GUARDED:
        known = f"`stop_when` can watch {', '.join(GUARDED)}"
        when = "is not known while a run goes on" if metric.windowed else "is known only after the run"
        yield Finding((*path, "metric"), f"{metric.name} {when}; {known}")


def guard_problems(path: Path, guard: Guard, metric: Metric, experiment: Experiment) -> Iterator[Finding]:
    """What a criterion may ask for and a guard may not, and groups without requests."""
    for key in ("stream", "request"):
        if getattr(guard, key) is not None and key in metric.filters:
            yield Finding((*path, key), f"while a run goes on {metric.name} is not told by {key}; take `{key}` out")
    load = experiment.steady_state.load
    groups = [name for name in load if guard.group in (None, name)]
    if groups and metric.name in OF_REQUESTS and all(load[name].requests is None for name in groups):
        who = "no group sends any" if guard.group is None else f"group {guard.group!r} sends none"
        needs = ((*path, "group"), *(("steady_state", "load", name, "requests") for name in groups))
        yield Finding((*path, "metric"), f"{metric.name} is of requests, and {who}", needs)
