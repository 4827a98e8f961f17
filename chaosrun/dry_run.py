"""What a run would do if it began now. Looks, and touches nothing.

To look means: to read below /proc, to ask the Docker engine, systemd and a Toxiproxy that is there how things are, and
to try netem in a network namespace that exists for the one command. Of the service under test nothing is asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel

from chaosrun import foreseen, preflight, registry
from chaosrun.against import Against
from chaosrun.before import Before
from chaosrun.errors import ChaosrunError, Exit, Unavailable, Unwritable
from chaosrun.faults._base import Fault
from chaosrun.foreseen import Foreseen, Machine, Need, Phase
from chaosrun.guards.made import make_guards
from chaosrun.plan import Plan
from chaosrun.processes import process_told
from chaosrun.runfolder import slug
from chaosrun.safety.held import held_by
from chaosrun.safety.open_runs import Index
from chaosrun.scoring.against import foretold
from chaosrun.scoring.pacing import stages_end, worth_seeing_until
from chaosrun.scoring.repeats import worst
from chaosrun.spec import model
from chaosrun.spec.catalogue import installed
from chaosrun.spec.fleet import Fleet, kind_of, ray_of
from chaosrun.spec.hosts import is_loopback
from chaosrun.spec.loader import Loaded
from chaosrun.spec.method import faults_of, is_sustained, method_begins_ns, method_ns, rollbacks_ns, schedule
from chaosrun.spec.plan import make_plan
from chaosrun.spec.steps import FaultStep, ToxiproxyStep
from chaosrun.targets.container import ContainerRole

_OF_EVERY_STEP: Final = (*FaultStep.key_names(), "role")
_NS: Final = 1_000_000_000


def foresee(
    loaded: Loaded,
    needed: Callable[[], Sequence[Need]],
    *,
    report_dir: Path,
    profile: str | None = None,
    max_duration_ns: int | None = None,
    repeat: int = 1,
    against: Against | None = None,
) -> Foreseen:
    """What the run would do.

    Args:
        needed: looks for what the experiment needs, as the doctor does.

    Raises:
        UsageError, Unwritable: the run would be refused before anything of it could be foreseen.
    """
    preflight.refuse_elsewhere(loaded)
    experiment, plan = loaded.experiment, make_plan(loaded)
    before, needs = Before(loaded), needed()
    roles = tuple(_role(name, before, experiment.target) for name in before.roles)
    unfit = {role.name: role.refused for role in roles if role.refused is not None}
    ids = iter([fault.id for fault in plan.faults])
    faults = tuple(_fault(step, next(ids), begins, before, unfit) for step, begins in schedule(experiment))
    rollbacks = tuple(
        _fault(step, f"rollback-{number}", None, before, unfit)
        for number, step in enumerate(faults_of(experiment.rollbacks), 1)
    )
    machines = tuple(_machines(loaded))
    told = [*unfit.values(), *(each.refused for each in (*faults, *rollbacks) if each.refused is not None)]
    told += _lacking(needs, told)
    refusals: list[ChaosrunError | None] = [Index.here().refusal(held_by(experiment)), _unwritable(report_dir)]
    refusals += map(Unavailable, told)
    refused = [error for error in refusals if error is not None]
    longest_ns = max_duration_ns or plan.max_duration_ns
    return Foreseen(
        title=experiment.title,
        experiment=str(loaded.files[0]),
        experiment_sha256=loaded.sha256,
        profile=profile,
        repeat=repeat,
        target=_target(experiment.target),
        proxy=None if before.choice is None else f"{before.choice.kind} ({before.choice.where})",
        probe_every_s=experiment.target.prober.every / _NS,
        connect_every_s=experiment.target.prober.connect_every / _NS,
        machines=machines,
        is_asked_about=any(each.is_hit and not each.is_this for each in machines),
        played=_played(experiment.fleet),
        load=tuple(_load(name, group) for name, group in experiment.steady_state.load.items()),
        phases=tuple(_phases(experiment, plan)),
        longest_s=None if longest_ns is None else longest_ns / _NS,
        roles=roles,
        faults=faults,
        rollbacks=rollbacks,
        against=None if against is None else foretold(against, repeat),
        guards=tuple(guard.written for guard in make_guards(experiment.stop_when)),
        reports=f"{report_dir}/UTC-TIME-{slug(experiment.title)}",
        needs=tuple(needs),
        refused=tuple(dict.fromkeys(map(str, refused))),
        exit_code=int(worst((Exit.PASSED, *(error.exit for error in refused)))),
    )


def flow(value: Any) -> str:
    """A value of the YAML in one line, as it could be written in an experiment."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _written(part: BaseModel, *, defaults: Collection[str] = ()) -> dict[str, Any]:
    """A part of the experiment as it was written, and the named keys though they were not. Secrets are masked."""
    given = part.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    filled = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return given | {key: filled[key] for key in filled if key in defaults and key not in given}


def _told(step: FaultStep) -> dict[str, Any]:
    """What a step says of its own kind, its defaults included."""
    own = [key for key in type(step).key_names() if key not in (*_OF_EVERY_STEP, "seed")]
    return {key: value for key, value in _written(step, defaults=own).items() if key not in _OF_EVERY_STEP}


def _target(target: model.Target) -> str:
    if target.reference is not None:
        options = f" {flow(dict(target.options))}" if target.options else ""
        return f"reference {target.reference}{options}, started and ended by the run, on loopback"
    return str(target.url)


def _machines(loaded: Loaded) -> Iterator[Machine]:
    reached: dict[str, list[preflight.Reached]] = {}
    if loaded.experiment.target.reference is not None:
        reached["127.0.0.1"] = [preflight.Reached("127.0.0.1", "target.reference", ("target", "reference"))]
    for each in preflight.reached(loaded):
        reached.setdefault(each.host, []).append(each)
    for host, reasons in reached.items():
        yield Machine(
            host=host,
            is_this=is_loopback(host),
            is_hit=any(each.is_hit for each in reasons),
            because=tuple(dict.fromkeys(each.where for each in reasons)),
        )


def _load(name: str, group: model.Group) -> foreseen.Load:
    return foreseen.Load(
        group=name,
        clients=group.clients,
        protocol=_spoken(group),
        requests_per_s=group.events_per_s() or None,
        ramp_s=group.ramp_over_ns() / _NS,
        workers=group.workers,
        ways=tuple(_ways(group)),
    )


def _spoken(group: model.Group) -> str:
    if group.http is not None:
        return "HTTP"
    return group.protocol if isinstance(group.protocol, str) else "a protocol of its own"


def _ways(group: model.Group) -> Iterator[str]:
    """How the clients of a group connect and read, where that is not as usual. No secret, and no password, is in it."""
    if group.tls is not None:
        files = {key: getattr(group.tls, key) for key in ("ca", "cert", "key") if getattr(group.tls, key) is not None}
        if files:
            yield f"TLS with {flow(files)}"
        if not group.tls.verify:
            yield "ANY CERTIFICATE of the service will do"
    if group.http_proxy is not None:
        yield f"through the HTTP proxy {preflight.without_user(group.http_proxy)}"
    if group.source_addresses is not None:
        yield f"from {len(group.sources()):,} addresses ({', '.join(group.source_addresses)})"
    if group.cookies is not None:
        yield f"with cookies ({', '.join(group.cookies) or 'those of the service'})"
    if group.read is not None:
        yield f"each reads at most {group.read:g} messages/s"


def _phases(experiment: model.Experiment, plan: Plan) -> Iterator[Phase]:
    timing = {name: length / _NS for name, length in plan.phases_ns.items()}
    yield Phase(name="start", planned_s=None)
    yield Phase(name="ramp", planned_s=max(group.ramp_over_ns for group in plan.groups) / _NS)
    yield Phase(name="warmup", planned_s=timing["warmup"])
    # A load test is as long as what its stages have to show.
    seen = max(map(worth_seeing_until, plan.groups)) - method_begins_ns(experiment)
    longer = 0.0 if experiment.method else max(0.0, seen / _NS - timing["verify"])
    yield Phase(name="baseline", planned_s=timing["baseline"] + longer)
    if experiment.method:
        yield Phase(name="fault", planned_s=method_ns(experiment) / _NS)
        yield Phase(name="recovery", planned_s=timing["recovery"], at_most=True)
        yield Phase(name="after", planned_s=timing["after"])
        if experiment.rollbacks:
            yield Phase(name="rollback", planned_s=rollbacks_ns(experiment) / _NS)
    yield Phase(name="verify", planned_s=timing["verify"])
    down = max(stages_end(group) - worth_seeing_until(group) for group in plan.groups)
    if down:
        yield Phase(name="ramp_down", planned_s=down / _NS, at_most=True)
    yield Phase(name="drain", planned_s=max(group.reply_timeout_ns for group in plan.groups) / _NS, at_most=True)


def _role(name: str, before: Before, target: model.Target) -> foreseen.Role:
    """A role with what it is now, found as the run would find it."""
    declared = target.roles.get(name)
    what = f"part of {target.reference}" if declared is None else flow(_written(declared))
    if name in before.ours:
        return foreseen.Role(name=name, what=what, found=(), is_ours=True)
    role = before.roles[name]
    found: list[str] = []
    try:
        processes = role.resolve()
        if isinstance(role, ContainerRole):
            found.append(f"container {role.container} at {role.container.engine.host}: {role.look().state.status}")
        found += map(process_told, processes)
    except Unavailable as error:
        return foreseen.Role(name=name, what=what, found=tuple(found), is_ours=False, refused=str(error))
    return foreseen.Role(name=name, what=what, found=tuple(found), is_ours=False)


def _fault(
    step: FaultStep, identifier: str, begins_ns: int | None, before: Before, unfit: dict[str, str]
) -> foreseen.Fault:
    """A fault, planned as the run would plan it.

    Args:
        unfit: why roles cannot be what they are to be, by name.
    """
    fault = cast(Fault, registry.load("faults", step.fault).make(step))
    times, every_ns = step.repeats()
    role = step.target_role()
    hits: tuple[str, ...] = ()
    undone = None
    refused = unfit.get(role or "")
    # What the run brings along is not there to be looked at; who can be planned for it all the same tells of the undo.
    is_to_come = isinstance(step, ToxiproxyStep) or role in before.ours
    if refused is None:
        try:
            undone = fault.plan(before, identifier).what
            hits = tuple(fault.aim(before))
            if not is_to_come:
                asyncio.run(fault.check(before))
        except Unavailable as error:
            refused = None if is_to_come else str(error)
    return foreseen.Fault(
        id=identifier,
        name=fault.name,
        kind=step.fault,
        role=role,
        keys=flow(_told(step)),
        begins_s=None if begins_ns is None else begins_ns / _NS,
        is_sustained=is_sustained(step, installed()),
        for_s=None if step.for_ is None else step.for_ / _NS,
        times=times,
        every_s=every_ns / _NS,
        hits=hits,
        confirmed=fault.sign
        if step.probe is None
        else f"probe {flow(_written(step.probe, defaults=('expect', 'within')))}",
        undone=undone,
        refused=refused,
    )


def _played(fleet: Fleet | None) -> str:
    if kind_of(fleet) == "in-process":
        return "in chaosrun's own process"
    if kind_of(fleet) == "processes":
        return ""
    ray = ray_of(fleet)
    many = "a worker on every node" if ray.workers is None else f"{ray.workers} workers"
    having = " and ".join(f"{name} {amount:g}" for name, amount in ray.resources.items())
    return f"on the Ray cluster at {ray.address}: {many} with {having} each"


def _lacking(needs: Sequence[Need], told: Sequence[str]) -> list[str]:
    """What is missing here, unless a role or a fault has told that already: then it would be said twice."""
    missing = [need for need in needs if need.state != "ok"]
    if told and all(need.needed_for.startswith("role") or any(need.found in text for text in told) for need in missing):
        return []
    return [f"{need.needed_for}: {need.name}: {need.found}" for need in missing]


def _unwritable(report_dir: Path) -> Unwritable | None:
    """Why no run can be kept in the folder, as far as can be told without making it."""
    there = report_dir.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return Unwritable(f"{report_dir}: no run can be kept here; choose another place with --report-dir")
