"""Loading an experiment: files, overrides, substitutions, types and cross-references, and all that is wrong at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Environment
from dataclasses import dataclass, field
from pathlib import Path

from chaosrun.errors import SpecError
from chaosrun.spec.catalogue import Catalogue, installed
from chaosrun.spec.check import check, locate
from chaosrun.spec.crossref import ALONE, cross_reference, cross_reference_alone
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.model import Experiment, SteadyState
from chaosrun.spec.mount import Files, beside, groups, mount
from chaosrun.spec.nodes import Mapping, Mark, Node, Problem, Scalar
from chaosrun.spec.nodes import Path as Loc
from chaosrun.spec.nodes import Sequence as ListNode
from chaosrun.spec.overrides import apply_profile, apply_sets, did_you_mean
from chaosrun.spec.values import Values


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
    tree: Mapping = field(repr=False)
    """The tree that `experiment` was made of."""

    def where(self, loc: Loc) -> str:
        """`file:line:column` of a key of the experiment, such as `("method", 0, "role")`."""
        return str(locate(self.tree, loc)[0])

    def line(self, loc: Loc) -> str:
        """`file:line`, for annotations."""
        return locate(self.tree, loc)[0].short


def load_experiment(
    path: str | Path,
    *,
    profile: str | None = None,
    sets: Sequence[str] = (),
    target: str | Path | None = None,
    env: Environment[str, str] = os.environ,
    catalogue: Catalogue | None = None,
) -> Loaded:
    """The experiment in a file, with `profile`, then each of `sets` (`a.b.c=value`) laid over it.

    Without `sets` the file is checked as it is and with each of its profiles, whichever is chosen.

    Args:
        target: a target file, in place of the experiment's own.
        env: where `{env: NAME}` is looked up.
        catalogue: what names mean; None: everything that is installed.

    Raises:
        SpecError: with everything that is wrong.
    """
    loading = _Loading(str(path), None if target is None else str(target), env, catalogue or installed())
    loaded = loading.load(profile, tuple(sets))
    names: list[str | None] = [] if sets else [None, *loading.profiles()]
    for name in names:
        if name != profile:
            loading.build(name, (), chosen=False)
    if loading.problems or loaded is None:
        raise SpecError(_in_order(loading.problems))
    return loaded


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
        raise SpecError(_in_order(problems))
    return steady_state


class _Loading:
    """One file on its way to an experiment, in all of its variants."""

    def __init__(self, path: str, target: str | None, env: Environment[str, str], catalogue: Catalogue) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._target = target
        self._env = env
        self._catalogue = catalogue
        self._files = Files(self.problems)
        self._root = self._files.tree(path, Mark(path))

    def profiles(self) -> tuple[str, ...]:
        found = self._root.entries.get("profiles") if isinstance(self._root, Mapping) else None
        return tuple(found.entries) if isinstance(found, Mapping) else ()

    def load(self, profile: str | None, sets: tuple[str, ...]) -> Loaded | None:
        if self._root is None:
            return None
        if profile is not None and profile not in self.profiles():
            hint = did_you_mean(profile, list(self.profiles())) or "; the file has no `profiles`"
            self.problems.append(Problem(Mark(f"--profile {profile}"), (), f"{self._path} has no such profile{hint}"))
            return None
        return self.build(profile, sets, chosen=True)

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
        doubt = self._arrange(tree, profile, sets, problems)
        values = Values.of(tree, self._env)
        values.substitute(tree)
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
        secrets = tuple(sorted(values.revealed, key=lambda text: (-len(text), text)))
        return Loaded(experiment, self._files.paths, _digest(experiment), secrets, tree)

    def _arrange(self, tree: Mapping, profile: str | None, sets: tuple[str, ...], problems: list[Problem]) -> Doubt:
        """Mount, override, mount what the overrides brought. In doubt is what could not be read or overridden."""
        doubt = Doubt()
        if self._target is not None:
            option = Mark(f"--target {self._target}")
            tree.put("target", Scalar(self._target, option), option)
        mount(tree, self._files, doubt)
        if profile is not None:
            layers = tree.entries["profiles"]
            layer = layers.entries[profile] if isinstance(layers, Mapping) else None
            if isinstance(layer, Mapping):
                apply_profile(tree, profile, layer, problems, doubt)
        apply_sets(tree, sets, problems, doubt)
        mount(tree, self._files, doubt)
        return doubt


def _resolve_paths(tree: Mapping) -> None:
    """Make the paths that stay paths, accounts tables and working directories, relative to where chaosrun runs."""
    steps = [step for key in ("method", "rollbacks") for step in _steps(tree.entries.get(key))]
    holders: list[tuple[Node | None, str]] = [(group.entries.get("accounts"), "csv") for _, group in groups(tree)]
    target = tree.entries.get("target")
    roles = target.entries.get("roles") if isinstance(target, Mapping) else None
    if isinstance(roles, Mapping):
        holders += [(role, "cwd") for role in roles.entries.values()]
    holders += [(step, "cwd") for step in steps if _is_command(step)]
    for holder, key in holders:
        node = holder.entries.get(key) if isinstance(holder, Mapping) else None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            node.value = beside(node.mark, node.value)


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


def _in_order(problems: Sequence[Problem]) -> list[str]:
    """Each problem once, in the order of the files' lines; those of the command line last."""
    first = {problem.mark.file: index for index, problem in reversed(list(enumerate(problems)))}
    ordered = sorted(problems, key=lambda problem: (not problem.mark.line, first[problem.mark.file], problem.mark[1:]))
    return list(dict.fromkeys(str(problem) for problem in ordered))
