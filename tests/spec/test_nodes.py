from __future__ import annotations

import time

import pytest

from chaosrun.spec.compose import MAX_BYTES, MAX_DEPTH, MAX_NODES, Refused, compose
from chaosrun.spec.nodes import Mark, Node, Problem, data, show_path, walk


def read(text: str | bytes) -> Node:
    problems: list[Problem] = []
    node = compose(text.encode() if isinstance(text, str) else text, "f.yaml", problems)
    assert not problems
    return node


def refusal(text: str | bytes) -> str:
    with pytest.raises(Refused) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("1e3", 1000.0),
        ("-7", -7),
        ("0.25", 0.25),
        *[
            (word, word)
            for word in ("on", "off", "yes", "no", "True", "NULL", "1:30", "2026-01-01", "007", "+1", "0x1F")
        ],
        *[(word, word) for word in ("0x1F", "0o17", ".inf", "~", "1_000", "1.", ".5", "=")],
        ("'5'", "5"),
        ("!!str 5", "5"),
    ],
)
def test_a_scalar_is_what_the_json_schema_of_yaml_1_2_says(text: str, value: object) -> None:
    found = data(read(f"a: {text}"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_node_knows_its_line_and_column() -> None:
    tree = read("a: 1\nb:\n  - x\n  - {c: y}\n")
    marks = {show_path(path): node.mark[1:] for path, node in walk(tree)}
    assert marks == {"": (1, 1), "a": (1, 4), "b": (3, 3), "b.0": (3, 5), "b.1": (4, 5), "b.1.c": (4, 9)}


def test_an_alias_is_a_copy_so_that_changing_one_leaves_the_other() -> None:
    tree = read("a: &x {b: [1]}\nc: *x\n")
    nodes = dict(walk(tree))
    assert data(tree) == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert nodes["a",] is not nodes["c",]
    assert nodes["a", "b"] is not nodes["c", "b"]


def test_a_mark_without_a_line_is_an_option() -> None:
    assert str(Mark("--set a=1")) == "--set a=1"
    assert Mark("f.yaml", 3, 4).short == "f.yaml:3"


def test_a_bomb_of_aliases_is_refused_before_it_is_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    began = time.perf_counter()
    assert f"more than {MAX_NODES} values" in refusal("\n".join(lines))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "? " * 100_000])
def test_a_deep_file_is_refused(text: str) -> None:
    began = time.perf_counter()
    assert f"nested deeper than {MAX_DEPTH} levels" in refusal(text)
    assert time.perf_counter() - began < 5


def test_limits_on_bytes_nodes_and_aliases() -> None:
    assert "at most 1048576 are read" in refusal("#" * (MAX_BYTES + 1))
    assert f"more than {MAX_NODES} values" in refusal("[" + "1," * (MAX_NODES + 1) + "]")
    assert "more than 1000 aliases" in refusal("a: &a 1\nb: [" + "*a," * 1001 + "]")


def test_an_alias_inside_what_it_names_is_refused() -> None:
    assert refusal("a: &a [*a]") == "f.yaml:1:8: alias *a stands inside what it names"


@pytest.mark.parametrize("source", [b"\xff\xfe\x00", b"a: \x00", b"\x80abc", b"a: \xc3\x28"])
def test_what_is_no_text_is_refused_as_no_yaml(source: bytes) -> None:
    assert "f.yaml" in refusal(source)
