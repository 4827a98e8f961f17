"""Files: read once each, and mounted where another file names them, each path relative to the file that holds it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath

from chaosrun.spec.compose import MAX_BYTES, MAX_NODES, Refused, compose
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.nodes import Mapping, Mark, Node, Path, Problem, Scalar, count
from chaosrun.spec.reading import Unreadable, read_file

_YAML = (".yaml", ".yml", ".json")


class Files:
    """The files of one experiment, as trees; each is read and complained about once."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._trees: dict[str, Node | None] = {}
        self._sizes: dict[str, int] = {}
        self._mounted = 0
        """Values of all trees that were given since `renew`: a small file may name a large one many times."""

    def renew(self) -> None:
        """Another variant of the experiment begins; what the ones before it mounted no longer counts."""
        self._mounted = 0

    @property
    def paths(self) -> tuple[FilePath, ...]:
        return tuple(FilePath(name) for name in self._trees)

    def tree(self, name: str, mark: Mark, path: Path = ()) -> Node | None:
        """A copy of the tree of file `name`, which is named at `mark`; None where it cannot be read."""
        if name not in self._trees:
            tree = self._trees[name] = self._read(name, mark, path)
            self._sizes[name] = count(tree) if tree is not None else 0
        tree = self._trees[name]
        if tree is None:
            return None
        self._mounted += self._sizes[name]
        if self._mounted > MAX_NODES:
            text = f"together, the files that are named here bring more than {MAX_NODES} values; name fewer"
            self._problems.append(Problem(mark, path, text))
            return None
        return tree.copy()

    def included(self, name: str, mark: Mark, path: Path) -> Node | None:
        """The tree of the file that `name` means where it stands, at `mark`."""
        wrong = None
        if "://" in name:
            meant = f"write `{path[-1]}: {{url: {name}}}`" if path == ("target",) else "name a file"
            wrong = f"{name!r} is an address, not a file; {meant}"
        elif mark.line and beside(mark, name) == os.path.normpath(mark.file):
            wrong = "the file names itself; name the one that holds what is meant here"
        if wrong is not None:
            self._problems.append(Problem(mark, path, wrong))
            return None
        return self.tree(beside(mark, name), mark, path)

    def _read(self, name: str, mark: Mark, path: Path) -> Node | None:
        try:
            return compose(read_file(name, MAX_BYTES), name, self._problems)
        except Unreadable as error:
            self._problems.append(Problem(mark, path, f"cannot read {name}: {error}"))
        except Refused as error:
            self._problems.append(error.problem)
        return None


def beside(mark: Mark, name: str) -> str:
    """`name` as seen from where chaosrun runs: relative to the file of `mark`, or as it is on the command line."""
    return os.path.normpath(FilePath(mark.file).parent / name) if mark.line else name


def mount(tree: Mapping, files: Files, doubt: Doubt) -> None:
    """Put files in place of their names: `steady_state`, `target` and every group's `protocol`.

    What lies within a file that cannot be read is in doubt.
    """
    _mount(tree, "steady_state", (), files, doubt)
    _mount(tree, "target", (), files, doubt)
    for path, group in groups(tree):
        protocol = group.entries.get("protocol")
        if isinstance(protocol, Scalar) and isinstance(protocol.value, str) and protocol.value.endswith(_YAML):
            _mount(group, "protocol", path, files, doubt)


def groups(tree: Mapping) -> Iterator[tuple[Path, Mapping]]:
    """The load groups in the tree of an experiment, or of a steady state, with their paths."""
    steady = tree.entries.get("steady_state")
    prefix: Path = ("steady_state",) if steady is not None else ()
    load = (steady if isinstance(steady, Mapping) else tree).entries.get("load")
    if isinstance(load, Mapping):
        for name, group in load.entries.items():
            if isinstance(group, Mapping):
                yield (*prefix, "load", name), group


def _mount(parent: Mapping, key: str, above: Path, files: Files, doubt: Doubt) -> None:
    node = parent.entries.get(key)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return
    found = files.included(node.value, node.mark, (*above, key))
    if found is None:
        parent.drop(key)
        doubt.add((*above, key))
    else:
        parent.put(key, found, parent.keys[key])
