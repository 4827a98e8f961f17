"""What a run takes for itself while it lasts, as keys: two runs that share one may not be there at once.

Not what chaosrun itself starts on free ports, nor the folder of the reports: runs side by side on those are fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast
from urllib.parse import urlsplit

from chaosrun import registry
from chaosrun.faults._base import THIS_MACHINE, Fault, Ground
from chaosrun.spec import model
from chaosrun.spec.hosts import is_loopback

_PORTS = {"ws": 80, "wss": 443}


def held_by(experiment: model.Experiment) -> tuple[str, ...]:
    """The keys of an experiment, in words that people can read: its address, what its faults hit, and what
    these say that they hold beside it."""
    target = experiment.target
    return tuple(dict.fromkeys((*_address(target), *_hit((*experiment.method, *experiment.rollbacks), target))))


def _address(target: model.Target) -> Iterator[str]:
    if target.url is not None:
        parts = urlsplit(target.url)
        port = parts.port or _PORTS[parts.scheme]
        yield f"port {port} of {_host(target)}"


def _host(target: model.Target) -> str:
    host = (urlsplit(target.url).hostname if target.url is not None else None) or "localhost"
    return THIS_MACHINE if is_loopback(host) else host.lower()


def _hit(steps: Sequence[model.Step], target: model.Target) -> Iterator[str]:
    for step in steps:
        if isinstance(step, model.PauseStep):
            continue
        if isinstance(step, model.ParallelStep):
            yield from _hit(step.parallel, target)
            continue
        role = target.roles.get(step.target_role() or "")
        found = None if role is None else _found(role)
        if found is not None:
            yield found
        inside = found if role is not None and role.is_container else None
        fault = cast(Fault, registry.load("faults", step.fault).make(step))
        yield from fault.holds(Ground(target=_host(target), network=inside or THIS_MACHINE))


def _found(role: model.Role) -> str | None:
    """What a role is that was there before the run; None: the run starts it."""
    if role.container is not None:
        return f"container {role.container}"
    if role.compose is not None:
        project = f" of project {role.compose.project}" if role.compose.project else ""
        return f"compose service {role.compose.service}{project}"
    if role.systemd is not None:
        return f"unit {role.systemd}"
    return None if role.process is None else f"process {_selected(role.process)}"


def _selected(process: model.ProcessSelector) -> str:
    words = [
        process.name,
        *(f"with {each!r}" for each in sorted(process.cmdline_contains)),
        *(f"without {each!r}" for each in sorted(process.cmdline_excludes)),
        *((f"WINEPREFIX={process.wineprefix}",) if process.wineprefix is not None else ()),
    ]
    return ", ".join(words)
