"""Files that are meant to hurt: each ends soon, in little memory, with errors of ours and nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosrun.spec.compose import MAX_BYTES, MAX_NODES
from chaosrun.spec.nodes import MOST_TOLD

Case = dict[str, Any]
Ask = Callable[[Case], dict[str, Any]]

LOAD = "steady_state: {load: {a: {protocol: mt5, clients: 3}}}\n"
TARGET = "target: {reference: mt5-bridge}\n"
HEAD = "title: t\n" + LOAD + TARGET
MOST_CPU_S = 2.0
LONGEST_LINE = 6000
"""Characters: two names of files may be as long as the system allows, what is said of them is not."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Loads in a process of its own with little memory; it is started once."""
    child = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("bounded.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path_factory.mktemp("bounded"),
    )
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "ready\n"

    def load(case: Case) -> dict[str, Any]:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps(case) + "\n")
        child.stdin.flush()
        answered: dict[str, Any] = json.loads(child.stdout.readline())
        return answered

    yield load
    child.stdin.close()
    child.wait(timeout=60)


def repeated(piece: str, times: int) -> str:
    """`piece` as often as asked, with its number for `#`."""
    return "".join(piece.replace("#", str(number)) for number in range(times))


def group(keys: str) -> str:
    """An experiment whose only group has these keys."""
    return "title: t\nsteady_state: {load: {a: {clients: 3, " + keys + "}}}\n" + TARGET


LARGE = "[" + "1," * (MAX_NODES - 500) + "]"


def loads(groups: str, rest: str = "") -> str:
    """An experiment with these groups, a line each, and what else its steady state has."""
    return "title: t\nsteady_state:\n  load:\n" + groups + rest + TARGET


def at(target: str) -> str:
    return "title: t\n" + LOAD + "target: {" + target + "}\n"


def matched(expression: str) -> str:
    return group('protocol: {encoding: text, stream: {match: "' + expression + '"}}')


TEXTS: dict[str, str] = {
    # ---- YAML itself
    "aliases of aliases": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 400)),
    "a long list by a thousand names": "a: &a [" + "x," * 9000 + "]\nb: [" + "*a," * 999 + "]\n",
    "an alias as a key": "? &a [1]\n: 1\n*a : 2\n",
    "merge keys": "a: &a {x: 1}\n" + repeated("b#: {<<: *a}\n", 900),
    "anchors only": repeated("a#: &a# x\n", 19_000),
    "braces": "{" * 900_000,
    "brackets and braces": "[{a: " * 200_000,
    "lists in a line": "- " * 500_000,
    "question marks": "? " * 500_000,
    "documents": "---\n" * 250_000,
    "directives": "%TAG ! tag:x,2000:\n" * 50_000,
    "comments": "# x\n" * 250_000,
    "empty lines": "\n" * 1_000_000,
    "spaces": " " * 1_000_000,
    "quotes": '"' * 1_000_000,
    "a text of many lines": "title: |\n" + "  x\n" * 250_000,
    "a long text": "title: " + "x" * 1_000_000,
    "a long key": "x" * 1_000_000 + ": 1",
    "a long key in quotes": '"' + "x" * 900_000 + '": 1',
    "a long number": "title: " + "1" * 1_000_000,
    "a long fraction": "title: 0." + "1" * 1_000_000,
    "a large exponent": "title: 1e" + "9" * 1_000_000,
    "a tag of Python": "title: !!python/object/apply:os.system [id]\n",
    "a long tag": "title: !" + "x" * 900_000 + " 1\n",
    "an anchor of a long name": "title: &" + "x" * 400_000 + " 1\ntags: *" + "x" * 400_000,
    "values without end": "[" + "1," * 400_000,
    # ---- what the types say
    "unknown keys": HEAD + repeated("k#: 1\n", 9000),
    "keys that are there twice": HEAD + repeated("title: 1\n", 9000),
    "keys that cannot be": HEAD + repeated("? [#]\n: 1\n", 6000),
    "steps without a fault": HEAD + "method:\n" + repeated("  - {role: server#}\n", 6000),
    "steps that are none": HEAD + "method: " + LARGE + "\n",
    "many steps": HEAD + "method:\n" + repeated("  - {fault: noop}\n", 6000),
    "many wrong roles": HEAD + "method:\n" + repeated("  - {fault: process_kill, role: r#}\n", 1000),
    "many kinds of fault": HEAD + "method:\n" + repeated("  - {fault: fault_#}\n", 1000),
    "many rules that are broken": HEAD + "method:\n" + repeated("  - {fault: netem, jitter: 1ms, device: e#}\n", 1000),
    "many metrics": HEAD + "expect:\n" + repeated("  - {metric: m#, min: 1}\n", 1000),
    "more metrics": HEAD + "expect:\n" + repeated("  - {metric: m#, min: 1}\n", 4000),
    "many guards": HEAD + "stop_when:\n" + repeated("  - {metric: usable, group: g#, below: 1%}\n", 1000),
    "many groups": loads(repeated("    g#: {protocol: mt5, clients: 3}\n", 4000)),
    "groups and metrics": loads(
        repeated("    g#: {protocol: mt5, clients: 3}\n", 100),
        "  hypothesis:\n" + repeated("    - {metric: bad, request: r#, max: 1%}\n", 1000),
    ),
    "many roles": at("url: ws://127.0.0.1:1/, roles: {" + repeated("r#: {process: x}, ", 6000) + "}"),
    "many hosts": at("url: ws://example.org/, allow: [" + repeated("h#,", 15_000) + "]"),
    "many tags": HEAD + "tags: " + LARGE + "\n",
    "many numbers for text": HEAD + "tags: [" + repeated("#, ", 990) + "]\n",
    "many channels": group("protocol: mt5, channels: {list: [" + repeated("c#,", 15_000) + "], per_client: 2}"),
    "many headers": group("protocol: mt5, headers: {" + repeated("h #: x,", 9000) + "}"),
    "many requests": group(
        "requests: 1/s, protocol: {requests: [" + repeated("{name: r#, send: 1, reply: 1}, ", 3000) + "]}"
    ),
    "requests of one name": group("protocol: {requests: [" + "{send: 1, reply: 1}," * 3000 + "]}"),
    "many links": at("reference: mt5-bridge, proxy: {links: [" + "server," * 15_000 + "]}"),
    "heavy weights": group(
        "requests: 1/s, protocol: {requests: [{name: a, weight: 999999, send: 1, reply: 1}, {send: 2, reply: 2}]}"
    ),
    "a million clients": loads("    a: {protocol: mt5, clients: 1000000, requests: 1k/s}\n"),
    "pauses of a century": HEAD + "method:\n" + repeated("  - {pause: 365d}\n", 1000),
    "steps within steps": HEAD + "method:\n  - " + "{parallel: [" * 30 + "{fault: noop}" + "]}" * 30 + "\n",
    # ---- values and overrides
    "a value of many values": HEAD + "configuration: {v: [" + "1," * 9000 + "]}\ntags:\n" + "  - ${v}\n" * 900,
    "a long value in many texts": "title: " + "${v}" * 100_000 + "\nconfiguration: {v: " + "x" * 500_000 + "}\n",
    "a long secret in many texts": "secrets: {v: "
    + "x" * 400_000
    + "}\n"
    + group('protocol: mt5, headers: {h: "' + "${secret.v}" * 40_000 + '"}'),
    "many names that are not there": HEAD
    + "configuration: {"
    + repeated("value_#: 1, ", 5000)
    + "}\ntags:\n"
    + repeated("  - ${valeu_#}\n", 900),
    "files that are not there": HEAD
    + "configuration: {"
    + repeated("v#: {file: nowhere#}, ", 4000)
    + "}\ntags:\n"
    + repeated("  - ${v#}\n", 900),
    "many profiles": HEAD + "profiles:\n" + repeated("  p#: {title: x#}\n", 6000),
    "two hundred profiles": HEAD + "profiles:\n" + repeated("  p#: {title: x#}\n", 200),
    "wrong profiles": HEAD + "profiles:\n" + repeated("  p#: {tagz: x#}\n", 100),
    "profiles of a large file": HEAD + "tags: [" + "x," * 900 + "]\nprofiles:\n" + repeated("  p#: {title: x#}\n", 190),
    "a profile of many paths": HEAD + "profiles:\n  p: {" + repeated("steady_state.load.g#.clients: 1, ", 9000) + "}\n",
    # ---- templates and expressions
    "words that nobody knows": group('protocol: {request: {send: "' + repeated("{word_#}", 60_000) + '", reply: 1}}'),
    "words that are captured": group(
        'protocol: {open: [{expect: "' + repeated("{w_#}", 40_000) + '"}, {send: "' + repeated("{v_#}", 40_000) + '"}]}'
    ),
    "an expression of a megabyte": matched("a?" * 450_000),
    "an expression of brackets": matched("(" * 990 + ")" * 990),
    "an expression of repeats": matched("(a*" * 200 + ")*" * 200),
    "an expression in a template": matched("{id}" * 100_000),
}


def check(answered: dict[str, Any], *, wrong: bool = True) -> list[str]:
    """The problems, which are told shortly, in lines of their own, and in time."""
    assert answered["error"] == ""
    assert answered["cpu_s"] < MOST_CPU_S
    problems: list[str] = answered["problems"]
    assert bool(problems) is wrong
    assert len(problems) <= MOST_TOLD + 1
    assert all(problem.isprintable() and len(problem) < LONGEST_LINE for problem in problems)
    return problems


FINE = frozenset({"steps within steps", "two hundred profiles"})


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_file_ends_soon_in_little_memory_with_errors_of_ours(ask: Ask, tmp_path: Path, name: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(TEXTS[name])
    problems = check(ask({"path": str(file)}), wrong=name not in FINE)
    assert all(problem.startswith(str(file)) for problem in problems)


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def unix_socket(path: Path) -> Path:
    # The name of a socket is short; pytest's folders are not.
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)
    return path


def loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def sparse(path: Path) -> Path:
    path.touch()
    os.truncate(path, 10 * 2**30)
    return path


def longest(path: Path) -> Path:
    return path.parent / ("x" * 300)


FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a pipe": (fifo, "it is a pipe, not a file"),
    "a socket": (unix_socket, "it is a socket, not a file"),
    "a folder": (lambda path: path.parent, "it is a folder, not a file"),
    "zeros": (lambda _: Path("/dev/zero"), "it is a device, not a file"),
    "random bytes": (lambda _: Path("/dev/urandom"), "it is a device, not a file"),
    "a terminal": (lambda _: Path("/dev/tty"), "it is a device, not a file"),
    "memory": (lambda _: Path("/proc/self/mem"), "Input/output error"),
    "a link to itself": (loop, "Too many levels of symbolic links"),
    "ten gigabytes": (sparse, f"it is longer than {MAX_BYTES} bytes, the most that is read"),
    "a long name": (longest, "File name too long"),
}
if Path("/proc/kmsg").exists() and os.access("/proc/kmsg", os.R_OK):
    FILES["messages of the kernel"] = (lambda _: Path("/proc/kmsg"), "Resource temporarily unavailable")


def places(name: str) -> dict[str, Case]:
    """Where a file can be named."""
    experiment = {"steady_state": name, "target": {"reference": "mt5-bridge"}}
    group: dict[str, Any] = {"protocol": "mt5", "clients": 1, "accounts": {"csv": name}}
    return {
        "steady_state": experiment,
        "target": {**experiment, "target": name},
        "accounts": {**experiment, "steady_state": {"load": {"a": group}}},
        "configuration": {**experiment, "title": "${v}", "configuration": {"v": {"file": name}}},
    }


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_file_is_never_waited_for(ask: Ask, tmp_path: Path, kind: str) -> None:
    make, said = FILES[kind]
    name = str(make(tmp_path / "odd"))
    file = tmp_path / "e.yaml"
    for place, experiment in places(name).items():
        file.write_text(json.dumps({"title": "t", **experiment}))
        problems = check(ask({"path": str(file)}))
        if not (place == "accounts" and "longer than" in said):
            assert any(said in problem for problem in problems), (place, problems)
    assert said in check(ask({"path": name}))[0]
    file.write_text(HEAD)
    assert said in check(ask({"path": str(file), "target": name}))[0]


SETS: dict[str, tuple[str, ...]] = {
    "deep": ("x=" + "[" * 60_000,),
    "wide": ("tags=[" + "1," * 60_000 + "]",),
    "long": ("title=" + "x" * 120_000,),
    "dots": ("." * 60_000 + "=1",),
    "parts": ("a." * 30_000 + "b=1",),
    "backslashes": ("\\" * 60_001 + "=1",),
    "bytes that are no text": ("title=a\udcff", "\udcff=1"),
    "escapes": ("title\x1b[31m=1", "title=\x1b]0;owned\x07", "title\nx=1"),
    "no value": ("title", "", "=", "=1"),
    "tags and aliases": ("title=!!python/object/apply:os.system [id]", "title=*a", "title=&a [*a]"),
    "many": tuple(f"steady_state.load.g{number}.clients=1" for number in range(1000)),
}


@pytest.mark.parametrize("name", SETS)
def test_a_hostile_override_ends_soon_with_errors_of_ours(ask: Ask, tmp_path: Path, name: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(HEAD)
    problems = check(ask({"path": str(file), "sets": SETS[name]}))
    assert any("--set " in problem for problem in problems)


def test_a_small_file_that_names_a_large_one_many_times_is_refused(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"ignore: {LARGE}\n")
    file = tmp_path / "e.yaml"
    file.write_text(loads(repeated("    g#: {protocol: p.yaml, clients: 3}\n", 100)))
    assert "bring more than" in check(ask({"path": str(file)}))[0]


TABLES: dict[str, tuple[str, str]] = {
    "short rows": ("a\n" + "b\n" * 4_000_000, "more than 500000 values"),
    "wide": (",".join(f"c{number}" for number in range(700_000)) + "\n" + "x," * 699_999 + "x\n", "more than 500000"),
    "one heading": ("," * 5_000_000, "two columns are called ''"),
    "large": ("a,b\n" + "x" * 100_000 + ",y\n" * 7_000_000, "longer than"),
    "a quote": ('a,b\n"' + "x" * 10_000_000, "it is not a table"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_hostile_table_ends_soon_in_little_memory(ask: Ask, tmp_path: Path, name: str) -> None:
    content, said = TABLES[name]
    (tmp_path / "t.csv").write_text(content)
    file = tmp_path / "e.yaml"
    file.write_text(group("protocol: mt5, accounts: {csv: t.csv}"))
    assert said in check(ask({"path": str(file)}))[0]
