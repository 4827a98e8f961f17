"""Whether the steps of a method can be taken: their roles exist, can be started again, and their kinds are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel

from chaosrun.errors import UsageError
from chaosrun.spec.catalogue import Catalogue
from chaosrun.spec.check import check
from chaosrun.spec.client_rules import client_problems
from chaosrun.spec.doubt import Doubt, Finding
from chaosrun.spec.method import in_stage_ns, is_sustained, method_begins_ns, walk
from chaosrun.spec.model import Experiment, Role
from chaosrun.spec.nodes import Mapping as MappingNode
from chaosrun.spec.nodes import Node, Path, Problem, Sequence
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.role_rules import misfits
from chaosrun.spec.stages import StageAt
from chaosrun.spec.steps import FaultStep, OtherFaultStep, ParallelStep, PauseStep, ProcessKillStep, Step
from chaosrun.spec.units import format_duration

_ROLES: Path = ("target", "reference")
"""What decides whose roles there are."""


def no_role(path: Path, role: str, roles: Collection[str]) -> Finding:
    """A role that the target does not have."""
    text = f"the target has no role {role!r}{did_you_mean(role, list(roles))}"
    return Finding(path, text, needs=(_ROLES, ("target", "roles", role)))


def method_problems(
    experiment: Experiment, tree: Node, catalogue: Catalogue, roles: Mapping[str, Role | None]
) -> Iterator[Finding]:
    """What is wrong with the steps of a method, and with those of the rollbacks.

    Args:
        tree: what `experiment` was made of.
        roles: of the target; None for one that a reference service brings.
    """
    for path, step in (*walk(experiment.method, ("method",)), *walk(experiment.rollbacks, ("rollbacks",))):
        if path[0] == "rollbacks":
            yield from _in_rollbacks(path, step)
        if isinstance(step, FaultStep):
            yield from _fault(path, step, tree, catalogue, roles)
        if not isinstance(step, PauseStep) and isinstance(step.at, StageAt):
            yield from _in_stage((*path, "at"), step.at, experiment)
    yield from client_problems(experiment)
    if experiment.rollbacks and not experiment.method:
        text = "`method` is empty, so there is never anything to roll back; take `rollbacks` out"
        yield Finding(("rollbacks",), text, needs=(("method",),))


def _fault(
    path: Path, step: FaultStep, tree: Node, catalogue: Catalogue, roles: Mapping[str, Role | None]
) -> Iterator[Finding]:
    wrong = list(_kind(path, step, tree, catalogue))
    yield from wrong
    if not wrong:
        yield from _lasting(path, step, is_sustained(step, catalogue))
    yield from _role(path, step, roles)
    yield from _probe(path, step, roles)


def _in_rollbacks(path: Path, step: Step) -> Iterator[Finding]:
    if isinstance(step, ParallelStep):
        yield Finding(path, "rollbacks are taken one after the other; take `parallel` out")
    elif isinstance(step, FaultStep) and step.at is not None:
        yield Finding((*path, "at"), "rollbacks come when all else is over; take `at` out")


def _in_stage(path: Path, at: StageAt, experiment: Experiment) -> Iterator[Finding]:
    """The stage is there, and its time is not over before the method begins."""
    groups = experiment.steady_state.load
    stages = tuple(("steady_state", "load", name, "stages") for name in groups)
    known = [stage.name for name, group in groups.items() if at.group in (None, name) for stage in group.stages]
    when = in_stage_ns(at, experiment)
    if at.group is not None and at.group not in groups:
        text = f"there is no group {at.group!r}{did_you_mean(at.group, list(groups))}"
        yield Finding((*path, "group"), text, needs=(("steady_state", "load"),))
    elif when is None:
        text = f"no group has a stage {at.stage!r}{did_you_mean(at.stage, known)}"
        yield Finding((*path, "stage"), text, needs=stages)
    elif when < (begins := method_begins_ns(experiment)):
        text = (
            f"{format_duration(when)} after the ramp's start is over when the method begins, at "
            f"{format_duration(begins)}: make it later, or `timing` shorter"
        )
        yield Finding(path, text, needs=(*stages, ("timing",)))


def _lasting(path: Path, step: FaultStep, sustained: bool) -> Iterator[Finding]:
    """`for` holds what lasts, and what a rollback does stays done."""
    own = tuple((*path, key) for key in type(step).key_names() if key not in FaultStep.key_names())
    if step.for_ is not None and not sustained:
        text = "what this fault does is over at once, and `for` holds what lasts; take `for` out, or add a `pause`"
        yield Finding((*path, "for"), text, needs=own)
    if sustained and path[0] == "rollbacks":
        text = (
            f"a rollback stays done, and this {step.fault} would last until it is undone; write what is over at once, "
            "such as a `command` with `permanent: true`"
        )
        yield Finding(path, text, needs=(*own, (*path, "for")))


def _kind(path: Path, step: FaultStep, tree: Node, catalogue: Catalogue) -> Iterator[Finding]:
    if isinstance(step, OtherFaultStep):
        yield from _other_fault(path, step, tree, catalogue)


def _role(path: Path, step: FaultStep, roles: Mapping[str, Role | None]) -> Iterator[Finding]:
    role = step.target_role()
    if role is None:
        return
    if role not in roles:
        yield no_role((*path, "role"), role, roles)
        return
    yield from misfits(path, step, role, roles[role], (_ROLES, ("target", "roles", role), (*path, "role")))
    if isinstance(step, ProcessKillStep):
        yield from _restartable(path, step, roles[role])


def _probe(path: Path, step: FaultStep, roles: Mapping[str, Role | None]) -> Iterator[Finding]:
    """A line of output can be seen only of a process that chaosrun starts."""
    if step.probe is None or step.probe.log is None:
        return
    place, role = (*path, "probe", "log"), step.target_role()
    needs: tuple[Path, ...] = ((*path, "role"), _ROLES)
    if role is None:
        text = "the fault has no role whose output could be watched; use http, tcp or websocket"
        yield Finding(place, text, needs)
    elif (of := roles.get(role)) is not None and not of.command:
        text = f"chaosrun does not have the output of role {role!r}, which it finds; use http, tcp or websocket"
        yield Finding(place, text, (*needs, ("target", "roles", role)))


def _restartable(path: Path, step: ProcessKillStep, role: Role | None) -> Iterator[Finding]:
    """Whoever is to start the role again must be able to."""
    needs = (_ROLES, ("target", "roles", step.role), (*path, "role"), (*path, "restart"))
    by_us = step.restart is None or step.restart.by == "chaosrun"
    if role is not None and role.process is not None and not role.process.start and by_us:
        if role.is_container:
            text = f"chaosrun starts nothing inside a container, so role {step.role!r} must come back by itself; write "
        else:
            text = (
                f"chaosrun does not know how to start role {step.role!r} again; give its `process` a `start` command, "
                "or write "
            )
        yield Finding(path, f"{text}`restart: {{by: supervisor, within: 60s}}`", needs)
    if not by_us and (role is None or role.command):
        text = (
            f"role {step.role!r} is started by chaosrun and has no other supervisor; "
            "write `restart: {by: chaosrun, after: 2s}`"
        )
        yield Finding((*path, "restart", "by"), text, needs)


def _other_fault(path: Path, step: OtherFaultStep, tree: Node, catalogue: Catalogue) -> Iterator[Finding]:
    try:
        kind = catalogue.fault(step.fault)
    except UsageError:
        text = f"no fault {step.fault!r}{did_you_mean(step.fault, list(catalogue.faults()))}"
        yield Finding((*path, "fault"), text)
        return
    spec = getattr(kind, "Spec", None)
    wrong: list[Finding] = []
    if isinstance(spec, type) and issubclass(spec, BaseModel):
        wrong = list(_own_keys(path, spec, tree))
    elif step.keys_of_its_own():
        unknown = ", ".join(step.keys_of_its_own())
        wrong = [Finding(path, f"{step.fault} takes no keys of its own; take out {unknown}")]
    yield from wrong
    if not wrong:
        try:
            kind.make(step)
        except UsageError as error:
            yield Finding(path, str(error))


def _own_keys(path: Path, spec: type[BaseModel], tree: Node) -> Iterator[Finding]:
    """What the fault's own type says about the keys that are not every step's."""
    node = _node_at(tree, path).copy()
    assert isinstance(node, MappingNode)
    for key in FaultStep.key_names():
        node.drop(key)
    found: list[Problem] = []
    check(spec, node, found, Doubt(), path)
    for problem in found:
        yield Finding(problem.path, problem.text)


def _node_at(tree: Node, path: Path) -> Node:
    node = tree
    for part in path:
        if isinstance(node, MappingNode):
            node = node.entries[str(part)]
        else:
            assert isinstance(node, Sequence) and isinstance(part, int)
            node = node.items[part]
    return node
