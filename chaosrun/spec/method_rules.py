"""Whether the steps of a method can be taken: their roles exist, can be started again, and their kinds are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel

from chaosrun.errors import UsageError
from chaosrun.spec.catalogue import Catalogue
from chaosrun.spec.check import check
from chaosrun.spec.doubt import Doubt, Finding
from chaosrun.spec.model import Experiment, FaultStep, NoopStep, OtherFaultStep, ProcessKillStep, Role
from chaosrun.spec.nodes import Mapping as MappingNode
from chaosrun.spec.nodes import Node, Path, Problem, Sequence
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.steps import LATER

_ROLES: Path = ("target", "reference")
"""What decides whose roles there are."""


def no_role(path: Path, role: str, roles: Collection[str]) -> Finding:
    """A role that the target does not have."""
    text = f"the target has no role {role!r}{did_you_mean(role, list(roles))}"
    return Finding(path, text, needs=(_ROLES, ("target", "roles", role)))


def method_problems(
    experiment: Experiment, tree: Node, catalogue: Catalogue, roles: Mapping[str, Role | None]
) -> Iterator[Finding]:
    """What is wrong with the steps of a method.

    Args:
        tree: what `experiment` was made of.
        roles: of the target; None for one that a reference service brings.
    """
    for index, step in enumerate(experiment.method):
        path: Path = ("method", index)
        if not isinstance(step, FaultStep):
            continue
        if step.fault in LATER:
            yield Finding((*path, "fault"), f"{step.fault} is not yet available in this version of chaosrun")
        elif isinstance(step, OtherFaultStep):
            yield from _other_fault(path, step, tree, catalogue)
        role = step.target_role()
        if role is None or isinstance(step, NoopStep):
            continue
        if role not in roles:
            yield no_role((*path, "role"), role, roles)
        elif isinstance(step, ProcessKillStep):
            yield from _restartable(path, step, roles[role])


def _restartable(path: Path, step: ProcessKillStep, role: Role | None) -> Iterator[Finding]:
    """Whoever is to start the role again must be able to."""
    needs = (_ROLES, ("target", "roles", step.role), (*path, "role"), (*path, "restart"))
    by_us = step.restart is None or step.restart.by == "chaosrun"
    if role is not None and role.process is not None and not role.process.start and by_us:
        text = (
            f"chaosrun does not know how to start role {step.role!r} again; give its `process` a `start` command, "
            "or write `restart: {by: supervisor, within: 60s}`"
        )
        yield Finding(path, text, needs)
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
    if isinstance(spec, type) and issubclass(spec, BaseModel):
        yield from _own_keys(path, spec, tree)
    elif step.keys_of_its_own():
        unknown = ", ".join(step.keys_of_its_own())
        yield Finding(path, f"{step.fault} takes no keys of its own; take out {unknown}")


def _own_keys(path: Path, spec: type[BaseModel], tree: Node) -> Iterator[Finding]:
    """What the fault's own type says about the keys that are not every step's."""
    assert isinstance(tree, MappingNode)
    method = tree.entries["method"]
    assert isinstance(method, Sequence) and isinstance(path[1], int)
    node = method.items[path[1]].copy()
    assert isinstance(node, MappingNode)
    for key in FaultStep.key_names():
        node.drop(key)
    found: list[Problem] = []
    check(spec, node, found, Doubt(), path)
    for problem in found:
        yield Finding(problem.path, problem.text)
