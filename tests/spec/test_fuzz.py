"""Whatever a file, an override or a target holds: an experiment that can be planned, or errors of ours, soon.

What is tried begins with the experiments that are shipped, so that it gets past the first look. What was found wrong in
this way has its own case in `bad/` or in `test_hostile.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosrun.errors import SpecError
from chaosrun.spec import schema
from chaosrun.spec.compose import compose
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.doubt import Doubt
from chaosrun.spec.loader import Loaded, load_experiment, load_steady_state
from chaosrun.spec.model import Group
from chaosrun.spec.mount import Files, mount
from chaosrun.spec.nodes import MOST_TOLD, Mapping, Mark, Problem, data
from chaosrun.spec.plan import make_plan

ROOT = Path(__file__).parents[2]
SHIPPED = [str(path) for path in sorted((ROOT / "experiments").glob("*.yaml"))]
BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))
MOST_CPU_S = 2.0

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
long = settings(quick, max_examples=500)

Step = str | int
Place = tuple[Step, ...]


@cache
def tree(path: str) -> Any:
    """An experiment with its files mounted, as dicts and lists."""
    problems: list[Problem] = []
    files = Files(problems)
    root = files.tree(path, Mark(path))
    assert isinstance(root, Mapping)
    mount(root, files, Doubt())
    assert not problems
    return data(root)


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place of a tree but the root."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*at, key)
        yield from places(child, (*at, key))


def found(value: Any, at: Place) -> Any:
    for part in at:
        value = value[part]
    return value


WORDS = st.sampled_from(
    (
        *("", " ", "none", "auto", "null", "true", "mt5", "mt5-bridge", "server", "noop", "usable", "observer", "~"),
        *("5s", "0s", "-5s", "1ns", "366d", "9999999999999999999d", "1h5m", "5 s", "10%", "0%", "1000%", "-1%", "0.5"),
        *("1/s", "0/s", "1/0s", "1/366d", "99999M/ns", "1k/s", "12GB", "0B", "9999999TiB", "64kB/s", "1e999", "1" * 30),
        *("${x}", "${secret.x}", "${", "$$", "$${x}", "${x}${secret.x}", "{id}", "{{", "{client}", "{account.a}", "{"),
        *("a.yaml", "../..", "/dev/zero", "/proc/self/mem", ".", "a\0b", "\x1b[31m", "\r\nHost: x", "\u202e", "é" * 70),
        *(
            "ws://",
            "ws://127.0.0.1:1/",
            "wss://[::1",
            "ws://127.0.0.1:99999/",
            "http://127.0.0.1/",
            "http://a:b@[::]/x",
        ),
        *("(a+)+$", "(", "(?P<x>a)", "a{99999999999}", "a.b:C", "os:system", "chaosrun.errors:Exit", "SIGSTOP", "<<"),
    )
)
LEAVES = (
    WORDS
    | st.none()
    | st.booleans()
    | st.sampled_from((0, 1, -1, 2, 300, 10**6, 10**12, 2**63 - 1, -(2**63), 0.5, 1e-300, 1e300, 99.9))
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A shipped experiment in which some things were exchanged, taken out, doubled, moved or made up."""
    value = deepcopy(tree(draw(st.sampled_from(SHIPPED))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.sampled_from(list(places(value)) or [()]))
        if not at:
            break
        above, last = found(value, at[:-1]), at[-1]
        match draw(st.sampled_from(("junk", "junk", "delete", "wrap", "text", "swap", "insert", "rename", "double"))):
            case "junk":
                above[last] = draw(JUNK)
            case "delete":
                del above[last]
            case "wrap":
                above[last] = [above[last]] if draw(st.booleans()) else {draw(WORDS): above[last]}
            case "text":
                above[last] = str(above[last])
            case "swap":
                above[last] = deepcopy(found(value, draw(st.sampled_from(list(places(value))))))
            case "insert" if isinstance(above, dict):
                above[draw(WORDS | st.sampled_from(KEYS))] = draw(JUNK)
            case "rename" if isinstance(above, dict):
                above[draw(WORDS | st.sampled_from(KEYS))] = above.pop(last)
            case "double" if isinstance(above, list):
                above.insert(0, deepcopy(found(above, (last,))))
    return value


KEYS = sorted(
    {str(part) for path in SHIPPED for place in places(tree(path)) for part in place} | {"of", "name", "at", "for"}
)


def values_by_key() -> dict[Step, list[Any]]:
    """What stands at each key in the shipped experiments."""
    seen: dict[Step, list[Any]] = {}
    for path in SHIPPED:
        for at in places(tree(path)):
            value = found(tree(path), at)
            if value not in seen.setdefault(at[-1], []):
                seen[at[-1]].append(value)
    return seen


BY_KEY = values_by_key()
LIKE = {
    "s": ("1m30s", "0.5h", "90s", "1500ms", "1000000us", "2000000µs", "10s"),
    "%": ("5 %", "0.5%", "100%", 0.05, 1),
    "/s": ("2/s", "1/30s", "0.5/s", "1k/s", "60/m", "none"),
}


@st.composite
def varied(draw: st.DrawFn) -> Any:
    """A shipped experiment with values that others of them have at the same key, or the same in another spelling."""
    value = deepcopy(tree(draw(st.sampled_from(SHIPPED))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from([at for at in places(value) if at[-1] in BY_KEY]))
        old = found(value, at)
        alike = [new for unit, spelt in LIKE.items() if str(old).endswith(unit) for new in spelt]
        found(value, at[:-1])[at[-1]] = deepcopy(draw(st.sampled_from([*BY_KEY[at[-1]], *alike, *alike])))
    return value


@st.composite
def torn(draw: st.DrawFn) -> bytes:
    """The bytes of a shipped or bad file, cut and put together anew."""
    source = draw(st.sampled_from([*map(Path, SHIPPED), *BAD])).read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(source)))
        end = draw(st.integers(start, min(len(source), start + 80)))
        put = draw(
            st.sampled_from(
                (b"", b"\0", b"\t", b"\xff", b"\xef\xbb\xbf", b"&a ", b"*a", b"!!x ", b"- ", b"? ", b"{", b"]")
            )
            | st.just(source[start:end] * 2)
            | st.binary(max_size=6)
        )
        source = source[:start] + put + source[end:]
    return source


def look(path: Path, **options: Any) -> Loaded | None:
    """Load a file as `chaosrun validate` does, and what comes after it; None: it was refused, as it should be."""
    began = time.process_time()
    try:
        loaded = load_experiment(path, env={}, **options)
    except SpecError as error:
        assert error.problems
        assert len(error.problems) <= MOST_TOLD + 1
        assert all(problem.isprintable() and len(problem) < 6000 for problem in error.problems)
        loaded = None
    else:
        conditions_of(loaded, make_plan(loaded), {})
        for group in loaded.experiment.steady_state.load.values():
            assert Group.from_wire(group.wire()).wire() == group.wire()
    assert time.process_time() - began < MOST_CPU_S
    return loaded


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.schema("experiment"))


def write(path: Path, value: Any) -> None:
    # JSON is YAML, but for the two halves in which it escapes a character beyond the first 65,536.
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors="replace")


def try_tree(folder: Path, value: Any) -> None:
    """What the loader takes, editors take too: only a reference may stand for more than a value."""
    file = folder / "e.yaml"
    write(file, value)
    if look(file) is not None and "$" not in file.read_text():
        validator().validate(data(compose(file.read_bytes(), "e.yaml", [])))


@quick
@given(mutated())
def test_a_changed_experiment_is_planned_or_refused(tmp_path: Path, value: Any) -> None:
    try_tree(tmp_path, value)


@quick
@given(varied())
def test_an_experiment_with_the_values_of_others_is_planned_or_refused(tmp_path: Path, value: Any) -> None:
    try_tree(tmp_path, value)


@pytest.mark.slow
@long
@given(mutated() | varied())
def test_a_changed_experiment_is_planned_or_refused_whatever_was_changed(tmp_path: Path, value: Any) -> None:
    try_tree(tmp_path, value)


@quick
@given(torn())
def test_a_torn_file_is_planned_or_refused(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "e.yaml").write_bytes(source)
    look(tmp_path / "e.yaml")


@pytest.mark.slow
@long
@given(torn())
def test_a_torn_file_is_planned_or_refused_wherever_it_is_torn(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "e.yaml").write_bytes(source)
    look(tmp_path / "e.yaml")


PATHS = sorted({".".join(str(part) for part in place) for path in SHIPPED for place in places(tree(path))})
PATH = st.sampled_from(PATHS) | st.lists(st.sampled_from([*KEYS, "0", "99", "\\.", "", "x"]), max_size=5).map(".".join)
ARGUMENT = st.builds("{}={}".format, PATH, JUNK.map(json.dumps) | WORDS) | st.text(max_size=12)


@quick
@given(st.sampled_from(SHIPPED), st.lists(ARGUMENT, max_size=3))
def test_an_override_is_taken_or_refused(path: str, sets: list[str]) -> None:
    look(Path(path), sets=tuple(sets))


@settings(quick, max_examples=20)
@given(st.sampled_from(SHIPPED), WORDS | st.text(max_size=8))
def test_any_name_of_a_profile_or_a_target_is_taken_or_refused(path: str, name: str) -> None:
    look(Path(path), profile=name)
    look(Path(path), target=name)


@quick
@given(mutated())
def test_a_changed_target_or_steady_state_is_taken_or_refused(tmp_path: Path, value: Any) -> None:
    for key in ("target", "steady_state"):
        write(tmp_path / f"{key}.yaml", value.get(key) if isinstance(value, dict) else value)
    look(Path(SHIPPED[0]), target=tmp_path / "target.yaml")
    try:
        load_steady_state(tmp_path / "steady_state.yaml", env={})
    except SpecError as error:
        assert error.problems
