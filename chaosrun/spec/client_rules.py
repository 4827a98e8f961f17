"""Whether the clients that a method cuts off are there, and can be cut off in that way."""

from __future__ import annotations

from collections.abc import Iterator

from chaosrun.scoring.ratio import how_many
from chaosrun.spec.doubt import Finding
from chaosrun.spec.method import all_faults, walk
from chaosrun.spec.model import Experiment
from chaosrun.spec.nodes import Path
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.steps import ClientDisconnectStep
from chaosrun.spec.steps.clients import CloseWith

_LOAD: Path = ("steady_state", "load")


def half_open(experiment: Experiment, group: str) -> int:
    """How many connections of a group may be half-open and given up, beside those that its clients then have."""
    load = experiment.steady_state.load
    first = next(iter(load))
    return sum(
        how_many(step.clients, load[group].clients)
        for step in all_faults(experiment)
        if isinstance(step, ClientDisconnectStep) and step.is_sustained() and (step.group or first) == group
    )


def client_problems(experiment: Experiment) -> Iterator[Finding]:
    """What is wrong with the steps that cut clients off."""
    for path, step in (*walk(experiment.method, ("method",)), *walk(experiment.rollbacks, ("rollbacks",))):
        if isinstance(step, ClientDisconnectStep):
            yield from _group(path, step, experiment)
            yield from _of_pollers(path, step, experiment)
            yield from _silent(path, step, experiment)


def _group(path: Path, step: ClientDisconnectStep, experiment: Experiment) -> Iterator[Finding]:
    load = experiment.steady_state.load
    name = next(iter(load)) if step.group is None else step.group
    if name not in load:
        yield Finding((*path, "group"), f"no group {name!r} in `load`{did_you_mean(name, list(load))}", needs=(_LOAD,))
        return
    there = load[name].clients
    if isinstance(step.clients, int) and step.clients > there:
        text = f"{step.clients} clients of group {name!r}, which has {there}; write {there} or less, or 100%"
        yield Finding((*path, "clients"), text, needs=((*path, "group"), (*_LOAD, name, "clients")))


def _of_pollers(path: Path, step: ClientDisconnectStep, experiment: Experiment) -> Iterator[Finding]:
    load = experiment.steady_state.load
    name = next(iter(load)) if step.group is None else step.group
    if name in load and load[name].http is not None and step.how not in ("rst", "fin"):
        how = "close" if isinstance(step.how, CloseWith) else step.how
        text = (
            f"`{how}` is for clients that hold a WebSocket, and group {name!r} asks by HTTP; write `rst` or `fin`, or "
            "name another `group`"
        )
        yield Finding((*path, "how"), text, needs=((*path, "group"), (*_LOAD, name, "http")))


def _silent(path: Path, step: ClientDisconnectStep, experiment: Experiment) -> Iterator[Finding]:
    url = experiment.target.url
    if step.how == "silent" and url is not None and url.startswith("wss:"):
        text = "over TLS a silent client reads on for a while; write `how: vanished`, which the kernel itself sees to"
        yield Finding((*path, "how"), text, needs=(("target", "url"),))
