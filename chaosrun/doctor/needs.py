"""What one experiment needs of this machine, and whether it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from chaosrun.doctor import machine, tools
from chaosrun.doctor._base import Finding
from chaosrun.errors import Unavailable
from chaosrun.load.limits import Comers, busiest, local_ports, not_ours
from chaosrun.spec.client_rules import half_open
from chaosrun.spec.fleet import kind_of, ray_of
from chaosrun.spec.method import all_faults
from chaosrun.spec.model import Experiment, ProcessSelector, Role
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.steps import CommandStep, NetemStep


def needs(experiment: Experiment) -> list[Finding]:
    """Everything that can be told without starting anything."""
    return [*_load(experiment), *_fleet(experiment), *_roles(experiment), *_proxy(experiment), *_faults(experiment)]


def _faults(experiment: Experiment) -> Iterator[Finding]:
    if any(isinstance(step, NetemStep) for step in all_faults(experiment)):
        yield tools.netem()
    for step in all_faults(experiment):
        if isinstance(step, CommandStep):
            yield from (_program(step, argv[0]) for argv in (step.run, step.undo) if argv)


def _program(step: CommandStep, program: str | Secret) -> Finding:
    path = reveal(program)
    where = shutil.which(path if "/" not in path else str(Path(step.cwd or "") / path))
    needed_for = f"fault {step.name or step.fault}"
    if where is None:
        told = "is not an executable file" if "/" in path else "not found on PATH"
        return Finding(f"program {program}", "missing", told, needed_for)
    return Finding(f"program {program}", "ok", str(program) if isinstance(program, Secret) else where, needed_for)


def lacking(findings: list[Finding]) -> list[Finding]:
    """What keeps the experiment from running."""
    return [finding for finding in findings if finding.state != "ok"]


def _load(experiment: Experiment) -> Iterator[Finding]:
    groups = experiment.steady_state.load
    extra = {name: half_open(experiment, name) for name in groups}
    yield machine.descriptors(max(-(-group.clients // group.workers) + extra[name] for name, group in groups.items()))
    comers = {
        name: Comers(group.clients + extra[name], group.sources(), group.http_proxy) for name, group in groups.items()
    }
    yield machine.ports(busiest(comers.values()))
    for name, group in comers.items():
        if group.sources:
            yield _sources(name, group)


def _fleet(experiment: Experiment) -> Iterator[Finding]:
    if kind_of(experiment.fleet) == "ray":
        yield tools.ray(ray_of(experiment.fleet).address)


def _sources(group: str, comers: Comers) -> Finding:
    lack, ports = not_ours(comers.sources), local_ports()
    room = "" if ports is None else f", which has {ports.number:,} ports for each service"
    told = f"{len(comers.sources):,} from {comers.sources[0]} on, {busiest((comers,)):,} connections from each{room}"
    name = f"source addresses of {group}"
    return Finding(name, "ok" if lack is None else "missing", told if lack is None else lack, f"load group {group}")


def _roles(experiment: Experiment) -> Iterator[Finding]:
    target = experiment.target
    if target.reference is not None:
        yield Finding(f"reference {target.reference}", "ok", "comes with chaosrun", "the service under test")
    if target.reference is not None or target.roles:
        yield machine.pidfd()
    engine = tools.docker() if any(role.is_container for role in target.roles.values()) else None
    if engine is not None:
        yield engine
    for name, role in target.roles.items():
        if role.is_container:
            # Without an engine there is nothing more to tell.
            yield from (_container(name, role),) if engine is not None and engine.state == "ok" else ()
        elif role.process is not None:
            yield _process(name, role.process, is_hit=name in {step.target_role() for step in all_faults(experiment)})
            if role.process.start:
                yield _command(name, reveal(role.process.start[0]))
        elif role.systemd is not None:
            yield _unit(name, role.systemd)
        elif role.command:
            yield _command(name, reveal(role.command[0]))


def _proxy(experiment: Experiment) -> Iterator[Finding]:
    """The Toxiproxy that the run would go through."""
    proxy = experiment.target.proxy
    if proxy is None:
        return
    from chaosrun.targets.proxying import choose  # noqa: PLC0415 - most experiments have no proxy
    from chaosrun.toxics import Server  # noqa: PLC0415 - as above

    needed_for = "the way to " + ", ".join(link.role for link in proxy.all_links())
    try:
        choice = choose(proxy.toxiproxy)
        told = "comes with chaosrun" if choice.kind == "embedded" else choice.where
        if choice.kind == "server":
            told = f"{Server(choice.where).version()} at {choice.where}"
    except Unavailable as error:
        yield Finding("toxiproxy", "missing", str(error), needed_for)
    else:
        yield Finding("toxiproxy", "ok", told, needed_for)


def _container(role: str, wanted: Role) -> Finding:
    from chaosrun.containers import Docker, Engine  # noqa: PLC0415 - most experiments have no container
    from chaosrun.undertest import sought_container  # noqa: PLC0415 - as above

    sought = sought_container(wanted)
    try:
        with Docker(Engine.here()) as docker:
            seen = docker.inspect(docker.find(sought).id)
    except Unavailable as error:
        return Finding(str(sought), "missing", str(error), f"role {role}")
    told = f"{seen.plain_name} is {seen.state.status}" + (f", {seen.health}" if seen.health != "none" else "")
    return Finding(str(sought), "ok" if seen.is_well else "missing", told, f"role {role}")


def _process(role: str, wanted: ProcessSelector, *, is_hit: bool) -> Finding:
    from chaosrun.identity import may_signal  # noqa: PLC0415 - most experiments bring their own target
    from chaosrun.processes import Selector, find  # noqa: PLC0415 - as above

    found = find(
        Selector(wanted.name, wanted.cmdline_contains, wanted.cmdline_excludes, wanted.wineprefix, wanted.expect)
    )
    enough = len(found) == wanted.expect
    told = f"{len(found)} running, {wanted.expect} expected"
    if is_hit and (forbidden := [each.pid for each in found if not may_signal(each)]):
        told += f"; process {forbidden[0]} is another user's: run chaosrun as that user, or as root"
        enough = False
    return Finding(f"process {wanted.name}", "ok" if enough else "missing", told, f"role {role}")


def _unit(role: str, unit: str) -> Finding:
    from chaosrun import systemd  # noqa: PLC0415 - most experiments have no unit

    try:
        seen = systemd.look(unit)
    except Unavailable as error:
        return Finding(f"unit {unit}", "missing", str(error), f"role {role}")
    told = str(seen) if seen.main is not None else f"{seen}, without a main process; start it"
    return Finding(f"unit {unit}", "ok" if seen.main is not None else "missing", told, f"role {role}")


def _command(role: str, program: str) -> Finding:
    where = shutil.which(program)
    if where is None:
        return Finding(f"program {program}", "missing", "not found on PATH", f"role {role}")
    return Finding(f"program {program}", "ok", where, f"role {role}")
