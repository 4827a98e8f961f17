"""The second pass: what one part of an experiment says about another, where every part by itself is right.

Names of groups, roles, metrics and faults exist; limits have the unit of their metric; the timing leaves room for what
is to be measured; what a protocol sends has only placeholders that exist; the target may be put under load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from chaosrun.errors import UsageError
from chaosrun.records import OBSERVER
from chaosrun.spec.accounts import read_accounts
from chaosrun.spec.addresses import address_problems
from chaosrun.spec.catalogue import REFERENCES, Catalogue, Metric, Shape
from chaosrun.spec.check import locate
from chaosrun.spec.connecting_rules import connecting_problems
from chaosrun.spec.doubt import Doubt, Finding, sure
from chaosrun.spec.guard_rules import guard_problems, unreadable
from chaosrun.spec.limit_rules import limit_problems
from chaosrun.spec.method import faults_of, may_be_sustained
from chaosrun.spec.method_rules import method_problems, no_role
from chaosrun.spec.model import (
    Criterion,
    Experiment,
    FaultStep,
    Group,
    Guard,
    ProcessKillStep,
    Protocol,
    Role,
    SteadyState,
    Target,
)
from chaosrun.spec.nodes import MOST_TOLD, Mark, Node, Path, Problem, Sequence
from chaosrun.spec.nodes import Mapping as MappingNode
from chaosrun.spec.overrides import did_you_mean
from chaosrun.spec.placeholders import poll_problems, template_problems
from chaosrun.spec.proxy_rules import proxy_problems
from chaosrun.spec.replay import played
from chaosrun.spec.resolve import shape_of
from chaosrun.spec.secret import mask
from chaosrun.spec.size_rules import size_problems
from chaosrun.spec.timing_rules import timing_problems


def cross_reference(
    experiment: Experiment,
    tree: Node,
    catalogue: Catalogue,
    problems: list[Problem],
    doubt: Doubt,
    secrets: set[str],
) -> None:
    """Add what is wrong between the parts of `experiment`, which was made of `tree`, to `problems`.

    Args:
        doubt: the parts that are not what the file means to say.
    """
    for finding in sure(_Crossing(experiment, tree, catalogue, doubt).findings(), doubt):
        problems.append(_problem(finding, tree, secrets))


def cross_reference_alone(
    steady_state: SteadyState,
    tree: Node,
    catalogue: Catalogue,
    problems: list[Problem],
    doubt: Doubt,
    secrets: set[str],
) -> None:
    """The same for a steady state without an experiment around it: of any target, and met by some lasting fault.

    The paths of problems and doubts begin with `ALONE`, where it would stand in an experiment.
    """
    some_fault = ProcessKillStep(fault="process_kill", role="any")
    around = Experiment(
        title="any", steady_state=steady_state, target=Target(url="ws://localhost"), method=(some_fault,)
    )
    whole = MappingNode(tree.mark, {ALONE: tree}, {ALONE: tree.mark})
    crossing = _Crossing(around, whole, catalogue, doubt, any_role=True)
    for finding in sure((*crossing.of_load(), *crossing.of_criteria()), doubt):
        problems.append(_problem(finding, whole, secrets))


def _problem(finding: Finding, tree: Node, secrets: set[str]) -> Problem:
    at, shown = locate(tree, finding.path)
    return Problem(at, shown, mask(finding.text, secrets))


LOAD: Path = ("steady_state", "load")
ALONE = "steady_state"
_NOTHING = MappingNode(Mark(""))


@dataclass(frozen=True)
class _Crossing:
    experiment: Experiment
    tree: Node
    catalogue: Catalogue
    doubt: Doubt
    any_role: bool = False
    """The target is not known, so a role may have any name."""

    def findings(self) -> Iterator[Finding]:
        """Names first, so that nothing is found wrong because of a name that is."""
        yield from self._target()
        yield from self.of_load()
        yield from method_problems(self.experiment, self.tree, self.catalogue, self._roles())
        yield from proxy_problems(self.experiment, self._roles())
        yield from self.of_criteria()
        yield from self._guards()
        yield from timing_problems(self.experiment, self.catalogue)
        yield from size_problems(self.experiment)

    # ---- the target -------------------------------------------------------------------------------------------------

    def _target(self) -> Iterator[Finding]:
        target = self.experiment.target
        if target.reference is not None:
            if target.reference not in REFERENCES:
                hint = did_you_mean(target.reference, list(REFERENCES))
                yield Finding(("target", "reference"), f"no reference service {target.reference!r}{hint}")
            else:
                yield from self._options(target.reference, target.options)
        yield from address_problems(self.experiment)

    def _options(self, reference: str, options: Mapping[str, object]) -> Iterator[Finding]:
        for key, value in options.items():
            try:
                self.catalogue.options(reference, {key: value})
            except UsageError as error:
                yield Finding(("target", "options", key), str(error), needs=(("target", "reference"),))

    def _roles(self) -> Mapping[str, Role | None]:
        target = self.experiment.target
        if target.reference is not None:
            return dict.fromkeys(REFERENCES.get(target.reference, ()))
        return target.roles

    # ---- the load ---------------------------------------------------------------------------------------------------

    def of_load(self) -> Iterator[Finding]:
        for name, group in self.experiment.steady_state.load.items():
            yield from self._group((*LOAD, name), group)

        yield from self._harmless()

    def _harmless(self) -> Iterator[Finding]:
        """Where all groups are pollers, the prober asks what they ask, a hundred times a second."""
        load = self.experiment.steady_state.load
        asked = [request for group in load.values() for request in group.http or ()]
        if all(group.http for group in load.values()) and not any(each.is_safe for each in asked):
            text = "every request changes something, and the prober needs one that does not; add a GET"
            needs = tuple((*LOAD, name, "http") for name in load)
            yield Finding((*LOAD, next(iter(load)), "http"), text, needs)

    def _group(self, path: Path, group: Group) -> Iterator[Finding]:
        columns: frozenset[str] | None = frozenset()
        if group.accounts is not None:
            place = (*path, "accounts", "csv")
            try:
                rows = read_accounts(group.accounts)
                columns = frozenset(rows[0])
            except UsageError as error:
                columns = None
                yield Finding(place, str(error))
            else:
                if group.accounts.exhausted == "fail" and len(rows) < group.clients:
                    text = (
                        f"{group.accounts.csv} has {len(rows)} accounts for {group.clients} clients; "
                        "add some, or write `exhausted: cycle`"
                    )
                    yield Finding(place, text, needs=((*path, "clients"), (*path, "accounts", "exhausted")))
        if group.channels is not None and group.channels.per_client > len(group.channels.list):
            each, listed = group.channels.per_client, len(group.channels.list)
            text = f"{each} channels for each client, and the list has {listed}"
            yield Finding((*path, "channels", "per_client"), text, needs=((*path, "channels", "list"),))
        yield from connecting_problems(path, group, None if self.any_role else self.experiment.target)
        if group.http is not None:
            yield from self._http((*path, "http"), group, columns)
        elif group.protocol is not None:
            yield from self._protocol((*path, "protocol"), group, columns)

    def _http(self, path: Path, group: Group, columns: frozenset[str] | None) -> Iterator[Finding]:
        requests = self._node(path)
        yield from islice(poll_problems(group, requests, path, columns), MOST_TOLD)

    def _protocol(self, path: Path, group: Group, columns: frozenset[str] | None) -> Iterator[Finding]:
        try:
            if isinstance(group.protocol, Protocol):
                wrong = list(islice(template_problems(group, self._node(path), path, columns), MOST_TOLD))
                yield from wrong
                if not wrong and not self.doubt.touches(path):  # else compiling it would say the same again
                    self.catalogue.protocol(played(group.protocol).wire())
            shape = shape_of(group, self.catalogue)
        except UsageError as error:
            yield Finding(path, str(error))
            return
        for key in ("requests", "sentinels"):
            if getattr(group, key) is not None and not shape.requests:
                text = "the protocol has no `request`; add one, or write `requests: none`"
                yield Finding((*path[:-1], key), text, needs=((*path, "request"), (*path, "requests")))

    def _node(self, path: Path) -> Node:
        """What the file holds at `path`, mistakes and all; nothing where it is only an invention of ours."""
        node = self.tree
        for part in path:
            node = node.entries.get(str(part), _NOTHING) if isinstance(node, MappingNode) else _NOTHING
        return node

    # ---- criteria and guards ----------------------------------------------------------------------------------------

    def of_criteria(self) -> Iterator[Finding]:
        for index, criterion in enumerate(self.experiment.steady_state.hypothesis):
            yield from self._criterion(("steady_state", "hypothesis", index), criterion)
        for index, criterion in enumerate(self.experiment.expect):
            yield from self._criterion(("expect", index), criterion)

    def _criterion(self, path: Path, criterion: Criterion) -> Iterator[Finding]:
        try:
            metric = self.catalogue.metric(criterion.metric)
        except UsageError:
            yield Finding((*path, "metric"), self._no_metric(criterion.metric))
            return
        for finding in (
            *self._measured(path, criterion, metric),
            *limit_problems(path, metric, criterion.limits()),
            *self._window(path, criterion, metric),
        ):
            yield finding._replace(needs=((*path, "metric"), *finding.needs))

    def _guards(self) -> Iterator[Finding]:
        for index, guard in enumerate(self.experiment.stop_when):
            path: Path = ("stop_when", index)
            if guard.metric is None:
                continue  # an address, which is looked at with all the others
            try:
                metric = self.catalogue.metric(guard.metric)
            except UsageError:
                yield Finding((*path, "metric"), self._no_metric(guard.metric))
                continue
            if wrong := list(unreadable(path, metric)):
                yield from wrong
                continue
            by_none = guard.model_copy(update=dict.fromkeys(metric.filters))  # each is told of once
            for finding in (
                *self._measured(path, by_none, metric),
                *limit_problems(path, metric, guard.limits()),
                *guard_problems(path, guard, metric, self.experiment),
            ):
                yield finding._replace(needs=((*path, "metric"), *finding.needs))

    def _no_metric(self, name: str) -> str:
        hint = did_you_mean(name, list(self.catalogue.metrics()), "`chaosrun list metrics` names them:")
        return f"no metric {name!r}{hint}"

    def _measured(self, path: Path, of: Criterion | Guard, metric: Metric) -> Iterator[Finding]:
        """Whether what is measured exists: the group, role, stream or request."""
        load, roles = self.experiment.steady_state.load, [*self._roles(), OBSERVER]
        if of.group is not None and of.group not in load:
            text = f"no group {of.group!r} in `load`{did_you_mean(of.group, list(load))}"
            yield Finding((*path, "group"), text, needs=((*LOAD, of.group),))
        if of.role is not None and of.role not in roles and not self.any_role:
            yield no_role((*path, "role"), of.role, roles)
        if metric.per == "role" and of.role is None:
            text = f"{metric.name} is measured of a role; add `role: {roles[0]}`"
            yield Finding(path, text, needs=((*path, "role"),))
        if metric.per != "role" and of.role is not None:
            yield Finding((*path, "role"), f"{metric.name} is not measured of a role; take `role` out")
        if metric.per != "role" and of.of is not None:
            yield Finding((*path, "of"), f"{metric.name} is not a share of the machine; take `of` out")
        if metric.per == "role" and of.group is not None:
            text = f"{metric.name} is measured of a role, not of a load group; take `group` out"
            yield Finding((*path, "group"), text)
        if metric.about == "connections" and isinstance(of, Criterion):
            yield from self._held(path, of, metric)
        for key, all_names in (("stream", self._streams), ("request", self._requests)):
            name = getattr(of, key)
            if name is None:
                continue
            names = all_names(of.group)
            if key not in metric.filters:
                yield Finding((*path, key), f"{metric.name} is not measured by {key}; take `{key}` out")
            elif name not in names:
                text = f"no {key} {name!r} in the protocols{did_you_mean(name, names)}"
                decide = [part for each in self._groups(of.group) for part in self._decide_name(each, key, name)]
                yield Finding((*path, key), text, needs=((*path, "group"), *decide))

    def _held(self, path: Path, of: Criterion, metric: Metric) -> Iterator[Finding]:
        """Whether some client holds the connection that is to be measured."""
        load = self.experiment.steady_state.load
        asking = [name for name in self._groups(of.group) if load[name].http is not None]
        if asking and len(asking) == len(self._groups(of.group)):
            text = (
                f"{metric.name} is about connections that are held, and group {asking[0]!r} asks by HTTP; take it out"
            )
            needs = tuple((*LOAD, name, "http") for name in asking)
            yield Finding((*path, "metric"), text, needs=((*path, "group"), *needs))

    def _decide_name(self, group: str, key: str, name: str) -> Iterator[Path]:
        """Where a group would have the stream or request `name`."""
        if key == "request":
            yield (*LOAD, group, "http")
        protocol: Path = (*LOAD, group, "protocol")
        if key == "stream":
            yield from ((*protocol, "stream"), (*protocol, "streams", name))
        else:
            yield (*protocol, "request", "name")
            listed = self._node((*protocol, "requests"))
            count = len(listed.items) if isinstance(listed, Sequence) else 0
            yield from ((*protocol, "requests", index, "name") for index in range(count))

    def _streams(self, group: str | None) -> list[str]:
        return list(dict.fromkeys(stream.name for shape in self._shapes(group) for stream in shape.streams))

    def _requests(self, group: str | None) -> list[str]:
        return list(
            dict.fromkeys(request for shape in self._shapes(group) for request in (*shape.requests, *shape.steps))
        )

    def _groups(self, group: str | None) -> list[str]:
        return [name for name in self.experiment.steady_state.load if group in (None, name)]

    def _shapes(self, group: str | None) -> Iterator[Shape]:
        yield from (self._shape[name] for name in self._groups(group) if name in self._shape)

    @cached_property
    def _shape(self) -> dict[str, Shape]:
        """Of the protocol of every group, by its name; a protocol that is wrong is reported where it is named."""
        shapes: dict[str, Shape] = {}
        for name, group in self.experiment.steady_state.load.items():
            with suppress(UsageError):
                shapes[name] = shape_of(group, self.catalogue)
        return shapes

    @cached_property
    def _faults(self) -> tuple[FaultStep, ...]:
        return faults_of(self.experiment.method)

    def _window(self, path: Path, criterion: Criterion, metric: Metric) -> Iterator[Finding]:
        window, faults = criterion.window, self._faults
        place, needs = (*path, "window"), (("method",),)
        if not metric.windowed:
            if window is not None:
                yield Finding(place, f"{metric.name} is one number of the whole run; take `window` out")
            if not faults:
                yield Finding((*path, "metric"), f"{metric.name} needs a fault, and `method` has none", needs)
        elif window in ("during", "outage", "recovery", "after") and not faults:
            text = f"there is no {window!r} without a fault; write baseline, verify or whole"
            yield Finding(place, text, needs)
        elif window == "during" and not any(may_be_sustained(step) for step in faults):
            text = "every fault of the method is over in an instant, so `during` is empty; write outage or whole"
            yield Finding(place, text, needs)
