"""Loading an experiment: files, overrides, substitutions, types and cross-references, and all that is wrong at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from chaosrun.errors import SpecError
from chaosrun.spec.accounts import read_accounts
from chaosrun.spec.catalogue import Catalogue, installed
from chaosrun.spec.check import check, key_mark, locate
from chaosrun.spec.compose import MAX_NODES
from chaosrun.spec.crossref import ALONE, cross_reference, cross_reference_alone
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.fleet import FleetKind, kind_of
from chaosrun.spec.kinds import is_game_day, is_steady_state, part_of_one
from chaosrun.spec.model import Experiment, SteadyState
from chaosrun.spec.mount import Files, beside, groups, mount
from chaosrun.spec.nodes import MOST_TOLD, Mapping, Mark, Node, Problem, Scalar, count
from chaosrun.spec.nodes import Path as Loc
from chaosrun.spec.nodes import Sequence as ListNode
from chaosrun.spec.overrides import apply_layer, apply_sets, did_you_mean
from chaosrun.spec.secret import holds_secret
from chaosrun.spec.values import Values, variables_of

_MOST_PASSWORDS: Final = 100
"""What a server says to a client is searched for the client's own, however many there are."""
_MOST_WORK: Final = 5 * MAX_NODES
"""Values of an experiment times its profiles: each is checked as a whole."""


@dataclass(frozen=True)
class Loaded:
    """An experiment, and where all of it was written."""

    experiment: Experiment
    files: tuple[Path, ...]
    """The experiment's file first, then those that it includes."""
    sha256: str
    """Of the experiment as it will run, overrides included and secrets masked; layout and comments do not count."""
    secrets: tuple[str, ...] = field(repr=False)
    """The text of every secret in use, longest first, so that others can mask them."""
    variables: frozenset[str]
    """Of the environment, that secrets were read from."""
    tree: Mapping = field(repr=False)
    """The tree that `experiment` was made of."""

    def played_by(self, fleet: FleetKind | None) -> Loaded:
        """The same by a fleet of another kind; None, or its own kind: the same, with the options that it has."""
        if fleet is None or fleet == kind_of(self.experiment.fleet):
            return self
        return replace(self, experiment=self.experiment.model_copy(update={"fleet": fleet}))

    def where(self, loc: Loc) -> str:
        """`file:line:column` of a key of the experiment, such as `("method", 0, "role")`."""
        return str(locate(self.tree, loc)[0])

    def line(self, loc: Loc) -> str:
        """`file:line`, for annotations."""
        return locate(self.tree, loc)[0].short


@dataclass(frozen=True)
class Named:
    """How another file names an experiment, in place of the command line: where it says so, and its overrides."""

    profile: Mark | None = None
    target: Mark | None = None
    """The name of the target's file is seen from the file of the mark."""
    layer: Mapping | None = None
    """Overrides, laid over the experiment after its profile."""
    place: Loc = ()
    """Of the layer, in the other file."""


def load_experiment(
    path: str | Path,
    *,
    profile: str | None = None,
    sets: Sequence[str] = (),
    target: str | Path | None = None,
    named: Named | None = None,
    env: Environment[str, str] = os.environ,
    catalogue: Catalogue | None = None,
    revealed: set[str] | None = None,
) -> Loaded:
    """The experiment in a file, with `profile`, then each of `sets` (`a.b.c=value`) laid over it.

    Without `sets`, and where no other file names it, the file is checked as it is and with each of its profiles,
    whichever is chosen.

    Args:
        target: a target file, in place of the experiment's own.
        named: another file says which profile and target, and may say more; None: the command line does.
        env: where `{env: NAME}` is looked up.
        catalogue: what names mean; None: everything that is installed.
        revealed: to this each secret is added before anything is made of it, so that no error, not even one of
            chaosrun's own, has to show it.

    Raises:
        SpecError: with everything that is wrong.
    """
    loading = _Loading(
        str(path), None if target is None else str(target), env, catalogue or installed(), revealed, named or Named()
    )
    loading.refuse_others()
    loaded = loading.load(profile, tuple(sets))
    if not sets and named is None:
        loading.build_others(profile)
    if loading.problems or loaded is None:
        raise SpecError(in_order(loading.problems))
    return loaded


def variables_named(
    path: str | Path, *, profile: str | None = None, target: str | Path | None = None, named: Named | None = None
) -> dict[str, bool]:
    """The variables of the environment that an experiment names, without looking for any of them; true: it needs it.

    Of a file that is wrong, what can be had of it.
    """
    loading = _Loading(str(path), None if target is None else str(target), {}, installed(), None, named or Named())
    return loading.variables(profile)


def load_steady_state(path: str | Path, *, env: Environment[str, str] = os.environ) -> SteadyState:
    """A steady state from a file of its own, without an experiment around it: the roles that it names may be any.

    Raises:
        SpecError: with everything that is wrong.
    """
    problems: list[Problem] = []
    files = Files(problems)
    tree = files.tree(str(path), Mark(str(path)))
    steady_state: SteadyState | None = None
    if tree is not None:
        values, unread = Values(env), Doubt()
        if isinstance(tree, Mapping):
            mount(tree, files, unread)
            values = Values.of(tree, env)
            values.substitute(tree)
            _resolve_paths(tree)
            problems.extend(values.problems)
        doubt = Doubt({(ALONE, *path) for path in (*unread.paths, *(problem.path for problem in values.problems))})
        found: list[Problem] = []
        steady_state = check(SteadyState, tree, found, doubt, (ALONE,))
        if steady_state is not None:
            cross_reference_alone(steady_state, tree, installed(), found, doubt, values.revealed)
        problems.extend(problem._replace(path=problem.path[1:]) for problem in found)
    if problems or steady_state is None:
        raise SpecError(in_order(problems))
    return steady_state


class _Loading:
    """One file on its way to an experiment, in all of its variants."""

    def __init__(
        self,
        path: str,
        target: str | None,
        env: Environment[str, str],
        catalogue: Catalogue,
        revealed: set[str] | None,
        named: Named,
    ) -> None:
        self.problems: list[Problem] = []
        self._named = named
        self._path = path
        self._target = target
        self._env = env
        self._catalogue = catalogue
        self._revealed = set() if revealed is None else revealed
        self._files = Files(self.problems)
        self._root = self._files.tree(path, Mark(path))
        self._size = count(self._root) if self._root is not None else 0
        """Values of the variant that was built last."""

    def refuse_others(self) -> None:
        """Raises: SpecError: the file is a game day, or a part of experiments, of which nothing else need be said."""
        if is_game_day(self._root):
            assert self._root is not None
            text = f"this is a game day, not an experiment; chaosrun gameday {self._path}"
            raise SpecError([str(Problem(key_mark(self._root, ("experiments",)), (), text))])
        if is_steady_state(self._root):
            assert self._root is not None
            text = "this is a steady state, not an experiment; write one that names it under `steady_state`"
            raise SpecError([str(Problem(key_mark(self._root, ("load",)), (), text))])
        if (part := part_of_one(self._root)) is not None:
            assert self._root is not None
            how = f", or say EXPERIMENT --target {self._path}" if part == "target" else ""
            text = f"this is a {part}, not an experiment; write one that names it under `{part}`{how}"
            raise SpecError([str(Problem(self._root.mark, (), text))])

    def profiles(self) -> tuple[str, ...]:
        found = self._root.entries.get("profiles") if isinstance(self._root, Mapping) else None
        return tuple(found.entries) if isinstance(found, Mapping) else ()

    def variables(self, profile: str | None) -> dict[str, bool]:
        if not isinstance(self._root, Mapping):
            return {}
        tree = self._root.copy()
        self._arrange(tree, profile if profile in self.profiles() else None, (), [])
        return variables_of(tree)

    def load(self, profile: str | None, sets: tuple[str, ...]) -> Loaded | None:
        if self._root is None:
            return None
        if profile is not None and profile not in self.profiles():
            hint = did_you_mean(profile, list(self.profiles())) or "; the file has no `profiles`"
            mark = self._named.profile or Mark(f"--profile {profile}")
            self.problems.append(Problem(mark, (), f"{self._path} has no such profile{hint}"))
            return None
        return self.build(profile, sets, chosen=True)

    def build_others(self, chosen: str | None) -> None:
        """The file as it is and with each of its profiles, but for the chosen one: what is wrong with them is told."""
        others = [name for name in (None, *self.profiles()) if name != chosen]
        if len(others) * self._size > _MOST_WORK:
            text = (
                f"{len(self.profiles())} profiles of an experiment of {self._size} values are more than is checked; "
                f"at most {_MOST_WORK} values in all of them"
            )
            assert self._root is not None
            self.problems.append(Problem(key_mark(self._root, ("profiles",)), ("profiles",), text))
            return
        for name in others:
            self.build(name, (), chosen=False)

    def build(self, profile: str | None, sets: tuple[str, ...], *, chosen: bool) -> Loaded | None:
        """The experiment of one variant; None where something is wrong.

        Args:
            chosen: this is the variant to be run; the others may lack what the environment must give.
        """
        if not isinstance(self._root, Mapping):
            if self._root is not None:
                self.problems.append(Problem(self._root.mark, (), "must be a mapping of keys to values"))
            return None
        problems: list[Problem] = []
        tree = self._root.copy()
        assert isinstance(tree, Mapping)
        self._files.renew()
        doubt = self._arrange(tree, profile, sets, problems)
        values = Values.of(tree, self._env)
        values.substitute(tree)
        self._revealed |= values.revealed
        self._size = count(tree)
        _resolve_paths(tree)
        doubt.paths.update(problem.path for problem in values.problems)
        experiment = check(Experiment, tree, problems, doubt)
        if chosen:
            problems.extend(values.problems)
        if experiment is not None:
            cross_reference(experiment, tree, self._catalogue, problems, doubt, values.revealed)
        self.problems.extend(problems)
        if experiment is None or problems or doubt:
            return None
        values.revealed |= _passwords(experiment)
        self._revealed |= values.revealed
        secrets = tuple(sorted(values.revealed, key=lambda text: (-len(text), text)))
        return Loaded(experiment, self._files.paths, _digest(experiment), secrets, frozenset(values.variables), tree)

    def _arrange(self, tree: Mapping, profile: str | None, sets: tuple[str, ...], problems: list[Problem]) -> Doubt:
        """Mount, override, mount what the overrides brought. In doubt is what could not be read or overridden."""
        doubt = Doubt()
        if self._target is not None:
            option = self._named.target or Mark(f"--target {self._target}")
            tree.put("target", Scalar(self._target, option), option)
        mount(tree, self._files, doubt)
        if profile is not None:
            layers = tree.entries["profiles"]
            layer = layers.entries[profile] if isinstance(layers, Mapping) else None
            if isinstance(layer, Mapping):
                apply_layer(tree, layer, ("profiles", profile), problems, doubt)
        if self._named.layer is not None:
            apply_layer(tree, self._named.layer, self._named.place, problems, doubt)
        apply_sets(tree, sets, problems, doubt)
        mount(tree, self._files, doubt)
        return doubt


def _passwords(experiment: Experiment) -> set[str]:
    """What is secret in the tables of accounts, unless it is too much to be looked for everywhere."""
    found: set[str] = set()
    for group in experiment.steady_state.load.values():
        for row in read_accounts(group.accounts) if group.accounts is not None else ():
            found.update(text for column, text in row.items() if holds_secret(column))
    return found if len(found) <= _MOST_PASSWORDS else set()


def _resolve_paths(tree: Mapping) -> None:
    """Make the paths that stay paths (tables, certificates, working directories) relative to where chaosrun runs."""
    steps = [step for key in ("method", "rollbacks") for step in _steps(tree.entries.get(key))]
    holders: list[tuple[Node | None, str]] = [(group.entries.get("accounts"), "csv") for _, group in groups(tree)]
    holders += [(group.entries.get("tls"), key) for _, group in groups(tree) for key in ("ca", "cert", "key")]
    holders += [holder for _, group in groups(tree) for holder in _archives(group.entries.get("protocol"))]
    target = tree.entries.get("target")
    roles = target.entries.get("roles") if isinstance(target, Mapping) else None
    if isinstance(roles, Mapping):
        holders += [(role, "cwd") for role in roles.entries.values()]
    holders += [(step, "cwd") for step in steps if _is_command(step)]
    for holder, key in holders:
        node = holder.entries.get(key) if isinstance(holder, Mapping) else None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            node.value = beside(node.mark, node.value)


def _archives(protocol: Node | None) -> Iterator[tuple[Node | None, str]]:
    """Where a protocol names a captured session, short or long."""
    yield protocol, "replay"
    yield (protocol.entries.get("replay") if isinstance(protocol, Mapping) else None), "har"


def _steps(listed: Node | None) -> Iterator[Mapping]:
    """Every step of a list of them, and within it."""
    for step in listed.items if isinstance(listed, ListNode) else ():
        if isinstance(step, Mapping):
            yield step
            yield from _steps(step.entries.get("parallel"))


def _is_command(step: Mapping) -> bool:
    fault = step.entries.get("fault")
    return isinstance(fault, Scalar) and fault.value == "command"


def _digest(experiment: Experiment) -> str:
    text = json.dumps(experiment.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def in_order(problems: Sequence[Problem]) -> list[str]:
    """Each problem once, in the order of the files' lines; those of the command line last. Of very many, the first."""
    first = {problem.mark.file: index for index, problem in reversed(list(enumerate(problems)))}
    ordered = sorted(problems, key=lambda problem: (not problem.mark.line, first[problem.mark.file], problem.mark[1:]))
    told = list(dict.fromkeys(str(problem) for problem in ordered))
    if len(told) <= MOST_TOLD:
        return told
    whole = Mark(ordered[0].mark.file)
    return [*told[:MOST_TOLD], f"{whole}: there is more that is wrong; mend the {MOST_TOLD} above first"]
