"""Overrides: `--set a.b.c=value` and the entries of a profile, laid over the tree of an experiment.

A path addresses the tree after included files are mounted. A list's item is named by its index, or by the entry's
`name`, else its `metric` or `fault`. Mappings merge, scalars and lists replace, `null` deletes.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from chaosrun.spec.compose import MAX_DEPTH, Refused, compose
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.nodes import Mapping, Mark, Node, Path, Problem, Scalar, Sequence, show_path, walk
from chaosrun.spec.secret import MASK

FREE_NAMED = frozenset(
    ("load", "roles", "streams", "configuration", "secrets", "profiles", "options", "headers", "query", "env")
)
"""Keys of the mappings whose entries the user names. A path creates none in them but with a whole mapping, so that a
misspelt group is an error and not a new group."""

_LONGEST_WORD: Final = 100
_MOST_KNOWN: Final = 100
"""Comparing words takes long: of a longer list only the first are looked at, and shown."""
_SHOWN: Final = 40

_PART = re.compile(r"((?:[^.\\]|\\.)*)(\.|$)", re.DOTALL)


class Misplaced(Exception):
    """A path that leads nowhere; the text says why, and what is near."""


def split_path(text: str) -> tuple[str, ...]:
    """The parts of `a.b.c`; `\\.` is a dot within a part.

    Raises:
        Misplaced: a part is empty, or a backslash is at the end.
    """
    parts, at = [], 0
    while True:
        match = _PART.match(text, at)
        if match is None or not match[1]:
            raise Misplaced(f"{text!r} is not a path; write a.b.c, with a literal dot as \\.")
        parts.append(re.sub(r"\\(.)", r"\1", match[1]))
        if len(parts) > MAX_DEPTH:
            raise Misplaced(f"a path of more than {MAX_DEPTH} parts leads nowhere; write a.b.c")
        if not match[2]:
            return tuple(parts)
        at = match.end()


def apply_sets(tree: Mapping, sets: tuple[str, ...], problems: list[Problem], doubt: Doubt) -> None:
    """Lay each `path=value` over `tree`, in order. The value is YAML; an empty one is null.

    Where one cannot be laid goes to `doubt`.
    """
    for text in sets:
        path, equals, value = text.partition("=")
        shown = f"{path}={MASK}" if "secrets" in path.split(".") else text
        mark = Mark(f"--set {shown}")
        if not equals:
            problems.append(Problem(mark, (), "has no value; write --set path=value"))
            doubt.vague.add(_known_part(tree, path))
            continue
        try:
            override(tree, split_path(path), _parse(value, mark, problems), mark)
        except Misplaced as error:
            problems.append(Problem(mark, (), str(error)))
            doubt.vague.add(_known_part(tree, path))
        except Refused as error:
            problems.append(error.problem)
            doubt.vague.add(_known_part(tree, path))


def apply_layer(tree: Mapping, layer: Mapping, place: Path, problems: list[Problem], doubt: Doubt) -> None:
    """Lay a mapping over `tree`, such as a profile: its keys are paths. Where one cannot be laid goes to `doubt`.

    Args:
        place: where the layer itself stands, for its problems.
    """
    for path, node in layer.entries.items():
        mark = layer.keys[path]
        try:
            override(tree, split_path(path), node.copy(), mark)
        except Misplaced as error:
            problems.append(Problem(mark, place, str(error)))
            doubt.vague.add(_known_part(tree, path))


def override(tree: Mapping, path: tuple[str, ...], value: Node, mark: Mark) -> None:
    """Put `value` at `path`.

    Raises:
        Misplaced: the path leads to nothing that could be set.
    """
    parent: Node = tree
    for depth, part in enumerate(path[:-1]):
        parent = _descend(parent, path[:depth], part, mark)
    last, above = path[-1], path[:-1]
    if isinstance(parent, Sequence):
        index = _index(parent, above, last)
        _set_item(parent, index, value)
    elif isinstance(parent, Mapping):
        if last not in parent.entries and _free_named(above) and not isinstance(value, Mapping):
            raise Misplaced(_no_entry(parent, above, last))
        _set_entry(parent, last, value, mark)
    else:
        raise Misplaced(f"{show_path(above)} is a single value; nothing can be set inside it")


def _parse(value: str, mark: Mark, problems: list[Problem]) -> Node:
    if not value:
        return Scalar(None, mark, absent=True)
    found: list[Problem] = []
    try:
        node = compose(value.encode(), mark.file, found)
    except UnicodeEncodeError:  # what a shell passes on of bytes that are no UTF-8
        raise Refused(Problem(mark, (), "is not UTF-8 text")) from None
    except Refused as error:
        raise Refused(Problem(mark, (), f"{error.problem.text}; text with special characters needs quotes")) from None
    problems.extend(Problem(mark, path, text) for _, path, text in found)
    for _, inner in walk(node):
        inner.mark = mark
        if isinstance(inner, Mapping):
            inner.keys = dict.fromkeys(inner.keys, mark)
    return node


def _descend(parent: Node, above: Path, part: str, mark: Mark) -> Node:
    """The node called `part`; in a mapping with known keys it is created where it is absent."""
    if isinstance(parent, Sequence):
        return parent.items[_index(parent, above, part)]
    if not isinstance(parent, Mapping):
        raise Misplaced(f"{show_path(above)} is a single value; nothing can be set inside it")
    child = parent.entries.get(part)
    if child is None or (isinstance(child, Scalar) and child.value is None):
        if _free_named(above):
            raise Misplaced(_no_entry(parent, above, part))
        child = Mapping(mark)
        parent.put(part, child, mark)
    return child


def _known_part(tree: Mapping, path: str) -> Path:
    """As much of `path` as leads somewhere, with indices for names: what a wrong override was meant for is in there."""
    node: Node = tree
    known: list[str | int] = []
    try:
        for part in split_path(path):
            step = _index(node, (), part) if isinstance(node, Sequence) else part
            if isinstance(node, Sequence) and isinstance(step, int):
                node = node.items[step]
            elif isinstance(node, Mapping) and part in node.entries:
                node = node.entries[part]
            else:
                break
            known.append(step)
    except Misplaced:
        pass
    return tuple(known)


def _index(items: Sequence, above: Path, part: str) -> int:
    """Which item of a list `part` means: a number, or the item's own name."""
    if part.isascii() and part.isdigit() and len(part) < 6:
        if int(part) < len(items.items):
            return int(part)
        raise Misplaced(f"{show_path(above)} has {len(items.items)} entries, counted from 0; there is no {part}")
    names = [_name(item) for item in items.items]
    if names.count(part) == 1:
        return names.index(part)
    if part in names:
        raise Misplaced(f"{show_path(above)} has {names.count(part)} entries called {part!r}; give an index")
    known = list(dict.fromkeys(name for name in names if name))
    raise Misplaced(f"{show_path(above)} has no entry {part!r}" + did_you_mean(part, known, "an index, or"))


def _name(item: Node) -> str | None:
    if isinstance(item, Mapping):
        for key in ("name", "metric", "fault"):
            node = item.entries.get(key)
            if isinstance(node, Scalar) and isinstance(node.value, str):
                return node.value
    return None


def _free_named(path: Path) -> bool:
    """Whether the mapping at `path` has entries of the user's own naming; `load.load` is a group called load."""
    return bool(path) and path[-1] in FREE_NAMED and not _free_named(path[:-1])


def _no_entry(parent: Mapping, above: Path, part: str) -> str:
    hint = did_you_mean(part, list(parent.entries), "known:")
    return f"{show_path(above)} has no entry {part!r}{hint}; a new one needs a whole mapping"


def near(word: str, known: list[str]) -> str | None:
    """The name that was probably meant."""
    if len(word) > _LONGEST_WORD:
        return None
    matches = get_close_matches(word, known[:_MOST_KNOWN], n=1, cutoff=0.7)
    return matches[0] if matches else None


def did_you_mean(word: str, known: list[str], otherwise: str = "known:") -> str:
    """`; did you mean 'x'?`, or all that is known where nothing is near; empty where nothing is known."""
    meant = near(word, known)
    if meant is not None:
        return f"; did you mean {meant!r}?"
    more = f", and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"; {otherwise} {', '.join(known[:_SHOWN])}{more}" if known else ""


def _set_item(items: Sequence, index: int, value: Node) -> None:
    old = items.items[index]
    if isinstance(value, Scalar) and value.value is None:
        del items.items[index]
    elif isinstance(value, Mapping) and isinstance(old, Mapping):
        _merge(old, value)
    else:
        items.items[index] = value


def _set_entry(mapping: Mapping, key: str, value: Node, mark: Mark) -> None:
    old = mapping.entries.get(key)
    if isinstance(value, Scalar) and value.value is None:
        mapping.drop(key)
    elif isinstance(value, Mapping):
        into = old if isinstance(old, Mapping) else Mapping(value.mark, flow=value.flow)
        _merge(into, value)
        mapping.put(key, into, mapping.keys[key] if into is old else mark)
    else:
        mapping.put(key, value, mark)


def _merge(into: Mapping, other: Mapping) -> None:
    for key, value in other.entries.items():
        _set_entry(into, key, value, other.keys[key])
