"""What a YAML file is, told by its content: an experiment, a steady state, a game day, or something else."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from chaosrun.spec.mount import Files
from chaosrun.spec.nodes import Mapping, Mark, Node

Kind = Literal["experiment", "steady_state", "game_day", "other"]

_OF_AN_EXPERIMENT: Final = frozenset({"steady_state", "method", "recovery", "expect", "stop_when"})
_OF_A_TARGET: Final = frozenset({"reference", "url", "roles"})
_OF_A_PROTOCOL: Final = frozenset({"open", "request", "requests", "session", "stream", "streams", "replay"})


def kind_of(file: Path) -> Kind:
    """What the file is. One that cannot be read, or is no YAML, may be an experiment: whoever loads it tells of it."""
    tree = Files([]).tree(str(file), Mark(str(file)))
    if tree is None:
        return "experiment"
    if not isinstance(tree, Mapping):
        return "other"
    if is_game_day(tree):
        return "game_day"
    if is_experiment(tree):
        return "experiment"
    return "steady_state" if is_steady_state(tree) else "other"


def is_experiment(tree: Node | None) -> bool:
    """Whether the top level of a file is that of an experiment."""
    if not isinstance(tree, Mapping) or is_game_day(tree):
        return False
    keys = tree.entries.keys()
    return bool(_OF_AN_EXPERIMENT & keys) or {"title", "target"} <= keys


def is_game_day(tree: Node | None) -> bool:
    """Whether the top level of a file is that of a game day."""
    return isinstance(tree, Mapping) and "experiments" in tree.entries and "steady_state" not in tree.entries


def is_steady_state(tree: Node | None) -> bool:
    """Whether the top level of a file is that of a steady state."""
    return isinstance(tree, Mapping) and "load" in tree.entries and not (is_experiment(tree) or is_game_day(tree))


def part_of_one(tree: Node | None) -> Literal["target", "protocol"] | None:
    """Which part of an experiment a file is that is none itself; None: neither that anybody could tell."""
    if not isinstance(tree, Mapping) or is_experiment(tree) or is_game_day(tree) or is_steady_state(tree):
        return None
    keys = tree.entries.keys()
    if _OF_A_TARGET & keys:
        return "target"
    return "protocol" if _OF_A_PROTOCOL & keys else None
