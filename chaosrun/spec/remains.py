"""What remains of a file when its mistakes are taken out, so that the rest of it can be checked in the same round."""

from __future__ import annotations

from typing import Any

from chaosrun.spec.doubt import Doubt
from chaosrun.spec.nodes import Mapping, Mark, Node, Path, Scalar, Sequence, node_at

_ANY = "*"
_GROUP = {"protocol": "mt5", "clients": 1}
_CRITERION = {"metric": "usable"}
_STEP = {"pause": "1s"}
_WINDOW = {"from": "00:00", "to": "24:00"}
_STAND_INS: dict[tuple[str, ...], Any] = {
    ("title",): "any",
    ("steady_state",): {"load": {"any": _GROUP}},
    ("steady_state", "load"): {"any": _GROUP},
    ("steady_state", "load", _ANY): _GROUP,
    ("steady_state", "load", _ANY, "protocol"): _GROUP["protocol"],
    ("steady_state", "load", _ANY, "clients"): _GROUP["clients"],
    ("steady_state", "hypothesis", _ANY): _CRITERION,
    ("steady_state", "hypothesis", _ANY, "metric"): _CRITERION["metric"],
    ("expect", _ANY): _CRITERION,
    ("expect", _ANY, "metric"): _CRITERION["metric"],
    ("stop_when", _ANY): _CRITERION,
    ("stop_when", _ANY, "metric"): _CRITERION["metric"],
    ("method", _ANY): _STEP,
    ("method", _ANY, "role"): "any",
    ("target",): {"url": "ws://localhost/"},
    ("target", "roles", _ANY): {},
    ("window", _ANY): _WINDOW,
    ("window", _ANY, "from"): _WINDOW["from"],
    ("window", _ANY, "to"): _WINDOW["to"],
    ("experiments", _ANY): {"file": "."},
    ("notify", _ANY): {"webhook": "http://localhost/"},
}
"""What stands where something is needed, is counted or has a name that others may use. Nothing is found wrong with it,
since its place is in doubt; whatever else is wrong is left out."""

_KINDS = ("fault", "pause", "parallel")
"""Keys of a step that decide which others it has: without them there is no step."""


class Remains:
    """A copy of a tree that shrinks, and the doubt that grows with it."""

    def __init__(self, tree: Node, above: Path, doubt: Doubt) -> None:
        """Paths are those of `tree`, which stands at `above` in the experiment that `doubt` is about."""
        self.tree = tree.copy()
        self._above = above
        self._doubt = doubt
        self._stood_in: set[Path] = set()

    def drop_key(self, path: Path, known: tuple[str, ...]) -> None:
        """Take out a key that should not be there: what it was meant for, if not given, is in doubt as well."""
        parent = node_at(self.tree, path[:-1])
        if isinstance(parent, Mapping):
            parent.drop(str(path[-1]))
            for key in (str(path[-1]), *known):
                self._doubt.add((*self._above, *path[:-1], key))

    def drop(self, path: Path) -> None:
        """Take out a value, or as much around it as is nothing without it."""
        if path[-1:] and path[-1] in _KINDS and _outermost((*self._above, *path))[:-2] == ("method",):
            path = path[:-1]
        while path:
            self._doubt.add((*self._above, *path))
            parent, last = node_at(self.tree, path[:-1]), path[-1]
            if parent is None:
                return  # went with what was around it
            stand_in = _stand_in((*self._above, *path))
            if stand_in is not None and path not in self._stood_in:
                self._stood_in.add(path)
                _put(parent, last, _node(stand_in, self.tree.mark))
                return
            if isinstance(parent, Mapping) and last in parent.entries:
                parent.drop(str(last))
                return
            path = path[:-1]


def _outermost(path: Path) -> Path:
    """The path of a step, or of what is in it, as if it stood in the method itself: steps are the same everywhere."""
    if path[:1] == ("rollbacks",):
        path = ("method", *path[1:])
    while path[:1] == ("method",) and path[2:3] == ("parallel",) and len(path) > 3:
        path = ("method", *path[3:])
    return path


def _stand_in(path: Path) -> Any:
    path = _outermost(path)
    for pattern, value in _STAND_INS.items():
        if len(pattern) == len(path) and all(one in (_ANY, part) for one, part in zip(pattern, path, strict=True)):
            return value
    return None


def _put(parent: Node, last: str | int, node: Node) -> None:
    if isinstance(parent, Mapping):
        parent.put(str(last), node, parent.keys.get(str(last), parent.mark))
    elif isinstance(parent, Sequence) and isinstance(last, int):
        parent.items[last] = node


def _node(value: Any, mark: Mark) -> Node:
    if isinstance(value, dict):
        return Mapping(mark, {key: _node(item, mark) for key, item in value.items()}, dict.fromkeys(value, mark))
    return Scalar(value, mark)
