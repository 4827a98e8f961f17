"""From an experiment to the conditions of its run: everything by its effect, after profiles, `--set` and defaults.

What is not left out by name here is required to be the same, so that a key that the format gains is never overlooked.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chaosrun.conditions import Conditions
from chaosrun.plan import Plan
from chaosrun.spec.fleet import kind_of
from chaosrun.spec.loader import Loaded
from chaosrun.spec.units import format_duration

_IRRELEVANT: Final = (
    r"title|description|tags\b.*",
    r"expect\b.*|stop_when\b.*|steady_state\.(title|hypothesis\b.*)",
    r"recovery\.(within|no_relapse)|timing\.max_duration",
    r"(method|rollbacks)\.(\d+\.parallel\.)*\d+\.name",
    r"target\.(title|allow\b.*)",
    r"fleet",
)
"""Words for people; limits: a limit judges a number and does not change it; and where the load is played, which
`machine.fleet` tells."""
_UNDER_TEST: Final = r"target\.(?!prober\b).*"
_NOTED: Final = r"steady_state\.load\.[^.]+\.(accounts\.csv|tls\.(ca|cert|key))|fleet\.ray\.address"
"""The path of a file says little: the same one lies elsewhere on another checkout. So does where a cluster is found."""
_NAMES_ONLY: Final = r"(steady_state\.load\.[^.]+\.(headers|cookies)|target\.roles\.[^.]+\.env)"
"""Mappings of which only the names are kept: tokens stand in their values."""
_BY_HASH: Final = r"steady_state\.load\.[^.]+\.(protocol|http)"
"""What clients say may hold what nobody declared a secret."""
_REQUIRED_OF_MACHINE: Final = ("host", "cpus")
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]*@")
_QUERY: Final = re.compile(r"(://[^\s?#]*)[?#]\S*")
_LONGEST: Final = 200


def conditions_of(loaded: Loaded, plan: Plan, machine: Mapping[str, str]) -> Conditions:
    """The conditions of a run of an experiment.

    Args:
        plan: that of the experiment, for what `auto` became.
        machine: what `environment()` tells of the machine.
    """
    required: dict[str, str] = {}
    noted: dict[str, str] = {}
    under_test: dict[str, str] = {}
    written = loaded.experiment.model_dump(mode="json", exclude_none=True)
    for name, value in {**dict(_flat(written, "")), **dict(_resolved(plan))}.items():
        if any(re.fullmatch(pattern, name) for pattern in _IRRELEVANT):
            continue
        if re.fullmatch(_NOTED, name):
            noted[name] = value
        elif re.fullmatch(_UNDER_TEST, name):
            under_test[name] = value
        else:
            required[name] = value
    played = kind_of(loaded.experiment.fleet)
    if played != "processes":  # as it was before there were others
        required["machine.fleet"] = played
    for name, value in machine.items():
        (required if name in _REQUIRED_OF_MACHINE else noted)[f"machine.{name}"] = value
    return Conditions(required=required, noted=noted, under_test=under_test)


def _resolved(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is `auto` or left out in the experiment and has one value in the run."""
    for group in plan.groups:
        path = f"steady_state.load.{group.name}"
        yield f"{path}.ramp.over", format_duration(group.ramp_over_ns)
        yield f"{path}.ramp.start", str(group.ramp_start)
        yield f"{path}.reply_timeout", format_duration(group.reply_timeout_ns)
    yield "recovery.window", _per_group({group.name: format_duration(group.window_ns) for group in plan.groups})
    shares = {group.name: f"{group.tolerate_requests:.6g}" for group in plan.groups}
    yield "recovery.tolerate.requests", _per_group(shares)


def _per_group(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every leaf with its path; a list of plain values is one leaf, an empty one none."""
    if isinstance(value, dict) and re.fullmatch(_NAMES_ONLY, path):
        value = sorted(value) or (["none"] if path.endswith(".cookies") else [])  # those of the service are kept
    if isinstance(value, dict | list) and re.fullmatch(_BY_HASH, path):
        yield path, f"sha256 {_hash(json.dumps(value, sort_keys=True))}"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}.{index}")
    elif isinstance(value, list):
        if value:
            yield path, _text(shlex.join(_leaf(item) for item in value))
    else:
        yield path, _text(_leaf(value))


def _leaf(value: Any) -> str:
    """A plain value as YAML has it, without what may be a password in an address."""
    if isinstance(value, bool):
        return str(value).lower()
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("***@", str(value)))


def _text(text: str) -> str:
    """Long texts by their beginning and their hash."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:60]}... ({len(text)} characters, sha256 {_hash(text)})"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
