"""From a tree to a type: pydantic's errors, walked back to the file and said in the words of the format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chaosrun.spec.base import ADDRESS, NOT_YET, TAG, Reading
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.nodes import MOST_TOLD, Mapping, Mark, Node, Path, Problem, Scalar, Sequence, data, node_at
from chaosrun.spec.overrides import did_you_mean, near
from chaosrun.spec.remains import Remains
from chaosrun.spec.secret import Secret

Checked = TypeVar("Checked", bound=BaseModel)

_ATTEMPTS = 10
"""Each takes something out, mostly no more than two are needed, and what resists is left to the next round."""
_KEY = "[key]"
"""How pydantic marks that it is the key of a mapping that is wrong, not the value."""
_YES_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_SECRETS_STAND_IN = "addresses, headers, cookies, query, env, commands, and what a protocol sends or expects"


def check(kind: type[Checked], tree: Node, problems: list[Problem], doubt: Doubt, above: Path = ()) -> Checked | None:
    """As much of `tree` as can be had as `kind`: what is wrong with it goes to `problems`, and where, to `doubt`.

    What is wrong is taken out, and what is left is read again, until it is a `kind`; None when that cannot be. Only the
    first reading finds problems with single values: what comes up later comes of what was taken out.

    Args:
        doubt: what is in doubt already, and so has no problems.
        above: where the tree stands in the experiment, for the paths of problems and doubts.
    """
    remains = Remains(tree, above, doubt)
    for attempt in range(_ATTEMPTS):
        value, reading = data(remains.tree), Reading()
        try:
            model = kind.model_validate(value, context=reading)
        except ValidationError as error:
            details = error.errors(include_url=False)
        else:
            problems.extend(islice(_broken_rules(reading, tree, value, doubt, above), MOST_TOLD))
            return model
        if attempt == 0:
            first = [detail for detail in details[: MOST_TOLD + 1] if not _is_told(detail, tree)]
            told = [_problem(detail, tree, value, reading, above) for detail in first if not _follows(detail, first)]
            problems.extend(problem for problem in told if not doubt.covers(problem.path))
        if len(details) > MOST_TOLD:
            break  # to take out thousands one by one, and to see what is left, is not done in a moment
        _take_out(details, remains, value, reading)
    return None


def _take_out(details: list[ErrorDetails], remains: Remains, value: Any, reading: Reading) -> None:
    """Take what is wrong with `value` out of the tree that it is the data of, each place once."""
    # A list that is too short only because of what is wrong in it is left, for what is right in it.
    first = [each for each in details if each["type"] != "too_short" or not _follows(each, details)]
    for path, kind in {locate(remains.tree, detail["loc"])[1]: _kind(detail) for detail in first}.items():
        if kind == "extra_forbidden":
            known, given = _known_keys(path, value, reading), _at(value, path[:-1])
            meant = near(str(path[-1]), known)
            remains.drop_key(path, (meant,) if meant else tuple(key for key in known if key not in given))
        elif kind == _KEY:
            remains.drop_key(path, ())
        else:
            remains.drop(path)


def _broken_rules(reading: Reading, tree: Node, value: Any, doubt: Doubt, above: Path) -> Iterator[Problem]:
    """The rules that are broken by keys without doubt, which then are in doubt themselves."""
    paths = {id(node): path for path, node in _mappings(value)}
    for place, broken in reading.broken:
        mark, path = locate(tree, paths.get(place, ()))
        whole = (*above, *path)
        keys = [(*whole, key) for key in broken.keys]
        if not any(doubt.touches(key) for key in keys):
            yield Problem(mark, whole, broken.text)
            for key in keys:
                doubt.add(key)


def _mappings(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _mappings(child, (*path, key))


def _is_told(detail: ErrorDetails, tree: Node) -> bool:
    """Whether what the value itself is has been complained about."""
    node = node_at(tree, locate(tree, detail["loc"])[1])
    return isinstance(node, Scalar) and node.told


def _follows(detail: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Whether a key is missing only because of what is wrong beside it: a misspelling of it, a `<<` that would have
    brought it, or a feature to come that would not need it; or a list is too short because of what is wrong in it."""
    if detail["type"] == "too_short":
        return any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in others if other is not detail)
    if detail["type"] != "missing":
        return False
    *parent, missing = detail["loc"]
    beside = [other for other in others if list(other["loc"][:-1]) == parent]
    return any(
        other["type"] == NOT_YET
        or (
            other["type"] == "extra_forbidden"
            and (other["loc"][-1] == "<<" or near(str(other["loc"][-1]), [str(missing)]) is not None)
        )
        for other in beside
    )


def locate(tree: Node, loc: tuple[str | int, ...]) -> tuple[Mark, Path]:
    """The place in the file that a `loc` of pydantic means, and its path without discriminator tags.

    A mapping or list is placed at its key, or where its own file begins. What is not there is placed at the nearest
    parent that is.
    """
    mark, path, node = tree.mark, [], tree
    for part in loc:
        if isinstance(part, str) and (part.startswith(TAG) or part == _KEY):
            continue
        path.append(part)
        if isinstance(node, Mapping) and part in node.entries:
            key = str(part)
            mark, node = node.keys[key], node.entries[key]
            if node.mark.file != mark.file or (isinstance(node, Scalar) and not node.absent):
                mark = node.mark
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            mark = node.mark
    return mark, tuple(path)


def key_mark(tree: Node, path: Path) -> Mark:
    """Where the last key of `path` itself stands."""
    node: Node = tree
    for part in path[:-1]:
        if isinstance(node, Mapping) and part in node.entries:
            node = node.entries[str(part)]
        elif isinstance(node, Sequence) and isinstance(part, int):
            node = node.items[part]
    if isinstance(node, Mapping) and path and path[-1] in node.keys:
        return node.keys[str(path[-1])]
    return locate(tree, path)[0]


def _problem(detail: ErrorDetails, tree: Node, value: Any, reading: Reading, above: Path) -> Problem:
    mark, path = locate(tree, detail["loc"])
    kind = _kind(detail)
    if kind in ("extra_forbidden", _KEY):
        mark = key_mark(tree, path)
    if kind == "extra_forbidden":
        text = _unknown_key((*above, *path), _known_keys(path, value, reading))
    elif kind == _KEY:
        text = f"{path[-1]!r} is not a name; write letters, digits, _ and -, beginning with a letter"
    else:
        text = _text(detail, (*above, *path))
    return Problem(mark, (*above, *path), text)


def _kind(detail: ErrorDetails) -> str:
    return _KEY if detail["loc"][-1:] == (_KEY,) else detail["type"]


def _known_keys(path: Path, value: Any, reading: Reading) -> list[str]:
    """The keys that were possible where `path` ends."""
    kind = reading.kinds.get(id(_at(value, path[:-1])))
    return list(kind.key_names()) if kind is not None else []


def _unknown_key(path: Path, known: list[str]) -> str:
    key = str(path[-1])
    if key == "<<":
        return "unknown key '<<'; YAML 1.2 has no merge keys, write the entries out"
    if len(path) == 1 and key in _BELONGS and near(key, known) is None:
        return f"unknown key {key!r}; it belongs in {_BELONGS[key]}"
    return f"unknown key {key!r}{did_you_mean(key, known)}"


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


_BELONGS = {
    **dict.fromkeys(("hypothesis", "load", "steady-state-hypothesis"), "`steady_state`"),
    **dict.fromkeys(
        ("protocol", "http", "clients", "requests", "latency_limit", "ramp"), "a group of `steady_state.load`"
    ),
    **dict.fromkeys(("url", "reference", "roles", "allow", "proxy"), "`target`"),
    **dict.fromkeys(("within", "stable_for", "tolerate", "no_relapse"), "`recovery`"),
    **dict.fromkeys(("warmup", "baseline", "recovery_timeout", "after", "verify", "max_duration"), "`timing`"),
    **dict.fromkeys(("fault", "role", "pause", "parallel", "restart"), "a step of `method`"),
}
"""Keys that are often written at the top of a file, and what they are keys of."""

_EXAMPLES = {
    "timing": "{baseline: 20s}",
    "recovery": "{within: 10s}",
    "tolerate": "{requests: 1%}",
    "restart": "{by: chaosrun, after: 2s}",
    "ramp": "{over: 10s}",
    "reconnect": "{first: 100ms, max: 5s}",
    "channels": "{list: [EURUSD]}",
    "accounts": "{csv: accounts.csv}",
    "tls": "{ca: ca.pem}",
    "cookies": "{session: abc}",
    "ready": '{http: "http://127.0.0.1:8000/healthz"}',
    "probe": '{http: "http://127.0.0.1:8000/healthz"}',
    "load": "{users: {protocol: mt5, clients: 300}}",
    "target": "{reference: mt5-bridge}, or the name of a file",
    "steady_state": "{load: {users: {protocol: mt5, clients: 300}}}, or the name of a file",
    "profiles": "{smoke: {timing.baseline: 5s}}",
    "method": "{fault: process_kill, role: server}",
    "expect": "{metric: usable, min: 99%}",
    "http": "{path: /healthz}",
    "http.expect": "{status: 200}",
    "hypothesis": "{metric: usable, min: 99%}",
    "stop_when": "{metric: usable, below: 5%}",
}
"""A mapping that can stand at a key, or in the list at it."""

_BEYOND: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "greater_than_equal": lambda value, limit: f"{value!r} is too small; at least {limit['ge']}",
    "greater_than": lambda value, limit: f"{value!r} is too small; more than {limit['gt']:g}",
    "less_than_equal": lambda value, limit: f"{value!r} is too large; at most {limit['le']:.12g}",
    "too_long": lambda _, limit: f"has more entries than the {limit['max_length']} that are possible",
    "string_too_long": lambda value, limit: f"has {len(value)} characters; at most {limit['max_length']}",
}

_SIMPLE = {
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "tuple_type": "must be a list",
    "string_too_short": "is empty",
    "too_short": "is empty; at least one entry is needed",
    "missing": "is missing",
}


def _text(detail: ErrorDetails, path: Path) -> str:
    """What is wrong with one value, and what would be right."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if isinstance(value, Secret) and kind != ADDRESS:
        text = f"a secret may not stand here; secrets may stand in {_SECRETS_STAND_IN}"
    elif kind in _SIMPLE:
        text = _SIMPLE[kind] + (_but(value) if kind.endswith("_type") else "") + _instead(kind, value, path)
    elif kind == "bool_type":
        text = "must be true or false" + (_yes_no(value) or _but(value))
    elif kind == "string_type":
        text = "must be text" + (f'; write "{_plain(value)}" in quotes' if _is_number(value) else _but(value))
    elif kind in ("int_type", "int_from_float", "float_type"):
        wanted = "must be a number" if kind == "float_type" else "must be a whole number"
        text = wanted + (f"; {value!r} is text, write it without quotes" if _looks_number(value) else _but(value))
        if isinstance(value, str) and value.startswith("$"):
            text += "; a value of `configuration` is written ${NAME}"
    elif kind == "literal_error":
        names = [word or number for word, number in re.findall(r"'([^']*)'|\b(\d+)\b", str(context["expected"]))]
        text = f"{_short(value)} is not possible here{did_you_mean(str(value), names, 'one of')}"
    elif kind in _BEYOND:
        text = _BEYOND[kind](value, context)
    elif kind == "string_pattern_mismatch":
        text = _pattern(str(value), str(context["pattern"]))
    else:
        text = str(detail["msg"])
    return text


_FORMS = {
    "^(ws|http)s?://": "the address of a service; write ws://HOST:PORT/PATH or wss://..., or http:// and https://",
    "^https?://": "an HTTP address; write http://HOST:PORT/PATH or https://...",
    "^(auto|": "a Toxiproxy; write auto, binary, embedded or http://HOST:PORT",
    r":[0-9]{1,5}$": "HOST:PORT",
    r"\.service$": "a unit of systemd; write its whole name, such as bridge.service",
    "mbit": "a rate; write for example 10mbit",
    "{1,15}$": "a network device; write for example eth0",
    "(:[A-Za-z_]": "a protocol; write a built-in name such as mt5, a path that ends with .yaml, package.module:Class, "
    "or the protocol itself as a mapping",
    "^[A-Za-z_]": "a name; write letters, digits, _ and -, beginning with a letter",
    "^/": "a path; it begins with /",
}
"""What is meant by a pattern, by a part of it; the first one that is in it counts."""


def _pattern(value: str, pattern: str) -> str:
    meant = next((told for part, told in _FORMS.items() if part in pattern), f"of the form {pattern}")
    return f"{_short(value)} is not {meant}"


def _instead(kind: str, value: Any, path: Path) -> str:
    """What could stand there, where a mapping or a list should."""
    if kind == "missing":
        return "; a step has a `fault`, a `pause` or `parallel`" if path[-1:] == ("fault",) else ""
    if kind == "tuple_type":
        return "; write it in [ ]" if value is not None else "; write [], or take the key out"
    named = [part for part in path[-2:] if isinstance(part, str)]
    place = "http.expect" if named[-1:] == ["expect"] and "http" in path else "".join(named[-1:])
    example = _EXAMPLES.get(place) if kind.endswith("_type") else None
    return f"; write for example {example}" if example else ""


def _but(value: Any) -> str:
    """`, not ...` with what is there instead."""
    if value is None:
        return ", but nothing is there"
    if isinstance(value, dict):
        only = next(iter(value.items())) if len(value) == 1 else None
        if only is not None and only[1] is None:
            return f', not a mapping; `{{{only[0]}}}` without quotes is one, write "{{{only[0]}}}"'
        return ", not a mapping"
    if isinstance(value, list | tuple):
        return ", not a list"
    return f", not {_short(value)}"


def _yes_no(value: Any) -> str:
    word = _YES_NO.get(value.lower()) if isinstance(value, str) else None
    return f"; write {word}" if word else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _looks_number(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) is not None


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(value: Any) -> str:
    shown = _plain(value) if isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
