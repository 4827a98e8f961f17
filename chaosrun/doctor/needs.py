"""What one experiment needs of this machine, and whether it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from chaosrun.doctor import machine
from chaosrun.doctor._base import Finding
from chaosrun.spec.model import Experiment, ProcessSelector
from chaosrun.spec.secret import reveal


def needs(experiment: Experiment) -> list[Finding]:
    """Everything that can be told without starting anything."""
    return [*_load(experiment), *_roles(experiment)]


def lacking(findings: list[Finding]) -> list[Finding]:
    """What keeps the experiment from running."""
    return [finding for finding in findings if finding.state != "ok"]


def _load(experiment: Experiment) -> Iterator[Finding]:
    groups = experiment.steady_state.load.values()
    yield machine.descriptors(max(-(-group.clients // group.workers) for group in groups))
    yield machine.ports(sum(group.clients for group in groups))


def _roles(experiment: Experiment) -> Iterator[Finding]:
    target = experiment.target
    if target.reference is not None:
        yield Finding(f"reference {target.reference}", "ok", "comes with chaosrun", "the service under test")
    if target.reference is not None or target.roles:
        yield machine.pidfd()
    for name, role in target.roles.items():
        if role.process is not None:
            yield _process(name, role.process)
        elif role.command:
            yield _command(name, reveal(role.command[0]))


def _process(role: str, wanted: ProcessSelector) -> Finding:
    from chaosrun.processes import Selector, find  # noqa: PLC0415 - most experiments bring their own target

    found = find(
        Selector(wanted.name, wanted.cmdline_contains, wanted.cmdline_excludes, wanted.wineprefix, wanted.expect)
    )
    enough = len(found) == wanted.expect
    told = f"{len(found)} running, {wanted.expect} expected"
    return Finding(f"process {wanted.name}", "ok" if enough else "missing", told, f"role {role}")


def _command(role: str, program: str) -> Finding:
    where = shutil.which(program)
    if where is None:
        return Finding(f"program {program}", "missing", "not found on PATH", f"role {role}")
    return Finding(f"program {program}", "ok", where, f"role {role}")
