"""The tree of a YAML file, with the place of every node, and the problems that are found in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from chaosrun.spec.secret import Secret

Plain = str | int | float | bool | None
Path = tuple[str | int, ...]

MOST_TOLD: Final = 100
"""Problems that are told at once: who has more of them mends these first, and wording them takes time."""
_LONGEST: Final = 600
"""Characters of a problem's text: values of the file are in it, and one of them may be as long as the file."""
_BEGINNING: Final = 400


class Mark(NamedTuple):
    """A place in a file; or, with line 0, an option of the command line."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.short}:{self.column}" if self.line else self.short

    @property
    def short(self) -> str:
        """`file:line`."""
        return f"{spelt(self.file)}:{self.line}" if self.line else cut(spelt(self.file))


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    mark: Mark
    path: Path
    text: str

    def __str__(self) -> str:
        """One line, whatever the file holds: nothing in it moves a cursor or begins a line of its own."""
        text = cut(spelt(self.text))
        return f"{self.mark}: {cut(spelt(show_path(self.path)))}: {text}" if self.path else f"{self.mark}: {text}"


def spelt(text: str) -> str:
    """`text` with every character that cannot be printed spelt out: ESC as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def cut(text: str) -> str:
    """The beginning of a long text and its end, where the remedy stands."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_BEGINNING]} ... {text[_BEGINNING - _LONGEST :]}"


def show_path(path: Path) -> str:
    """A path as `--set` takes it: `method.0.restart`, with a literal dot as `\\.`."""
    return ".".join(str(part).replace(".", "\\.") for part in path)


@dataclass(slots=True, eq=False)
class Scalar:
    value: Plain | Secret
    mark: Mark
    absent: bool = False
    """Nothing was written: `key:`."""
    told: bool = False
    """It is wrong by itself, and a problem says so."""

    def copy(self) -> Scalar:
        return Scalar(self.value, self.mark, self.absent, self.told)


@dataclass(slots=True, eq=False)
class Mapping:
    mark: Mark
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)
    """Where each key stands."""
    flow: bool = False
    """Written with braces."""

    def copy(self) -> Mapping:
        return Mapping(self.mark, {key: node.copy() for key, node in self.entries.items()}, dict(self.keys), self.flow)

    def put(self, key: str, node: Node, mark: Mark) -> None:
        self.entries[key] = node
        self.keys[key] = mark

    def drop(self, key: str) -> None:
        self.entries.pop(key, None)
        self.keys.pop(key, None)


@dataclass(slots=True, eq=False)
class Sequence:
    mark: Mark
    items: list[Node] = field(default_factory=list)

    def copy(self) -> Sequence:
        return Sequence(self.mark, [item.copy() for item in self.items])


Node = Scalar | Mapping | Sequence


def data(node: Node) -> Any:
    """The tree as dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Mapping):
        return {key: data(child) for key, child in node.entries.items()}
    return [data(child) for child in node.items]


def count(node: Node) -> int:
    """How many nodes there are, itself included."""
    if isinstance(node, Scalar):
        return 1
    return 1 + sum(map(count, node.entries.values() if isinstance(node, Mapping) else node.items))


def node_at(node: Node, path: Path) -> Node | None:
    """What stands at `path`; None: nothing."""
    for part in path:
        if isinstance(node, Mapping) and part in node.entries:
            node = node.entries[str(part)]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node with its path, parents first."""
    yield path, node
    if isinstance(node, Mapping):
        for key, child in node.entries.items():
            yield from walk(child, (*path, key))
    elif isinstance(node, Sequence):
        for index, child in enumerate(node.items):
            yield from walk(child, (*path, index))
