"""A run in a process of its own: what it is asked by a command line, and what is read of it when it has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaosrun.running import Asked, Running
from chaosrun.spec.loader import load_experiment

EXPERIMENT = """
title: Users are served
target: {url: "ws://127.0.0.1:8000"}
steady_state:
  load: {users: {clients: 10, requests: 4/s, protocol: {request: {send: {id: "{id}"}, reply: {id: "{id}"}}}}}
  hypothesis: [{metric: usable, min: 100%}]
"""


@pytest.mark.parametrize("title", ["Prices 📈 arrive", "Preise für Köln", "a\x7fb", "a\x85b", '"quoted" \\ud83d', "no"])
def test_text_that_is_set_arrives_as_it_is(tmp_path: Path, title: str) -> None:
    (tmp_path / "my.yaml").write_text(EXPERIMENT)
    line = Asked(run=str(tmp_path / "my.yaml"), sets={"title": title}).command_line()
    loaded = load_experiment(tmp_path / "my.yaml", sets=(line[line.index("--set") + 1],))
    assert loaded.experiment.title == title


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a program of one's own run in place of chaosrun."""
    start: Any = subprocess.Popen

    def play(program: str) -> None:
        monkeypatch.setattr(subprocess, "Popen", lambda _, **how: start([sys.executable, "-uc", program], **how))

    return play


def test_who_cannot_take_its_progress_cuts_off_none_of_it(played: Callable[[str], None]) -> None:
    played(
        "import sys, time\nfor n in range(3):\n    print(n, file=sys.stderr)\n    time.sleep(0.1)\nraise SystemExit(3)"
    )

    def broken(_: str) -> None:
        raise ValueError("I/O operation on closed file")

    ended = Running([], tell=broken).wait(60)
    assert (ended.code, ended.complaint) == (3, "0\n1\n2")


def test_what_it_left_running_may_go_on_talking(played: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the pipe open when the run has ended, and what was kept is read while more of it comes."""
    played(
        "import os, sys, time\nif os.fork():\n    raise SystemExit(3)\nend = time.monotonic() + 3\n"
        "while time.monotonic() < end:\n    os.write(2, b'x\\n' * 1000)"
    )

    class Slow:
        def match(self, _: str) -> None:
            time.sleep(0.001)

    monkeypatch.setattr("chaosrun.running._PROGRESS", Slow())
    assert Running([]).wait(60).code == 3


def test_modules_of_the_folder_that_it_runs_in_are_none_of_its_own(tmp_path: Path) -> None:
    for module in ("secrets", "select", "click"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a module of the project')")
    ended = Running(["--version"], cwd=tmp_path).wait(60)
    assert (ended.code, ended.complaint) == (0, "")
