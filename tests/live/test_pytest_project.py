"""A team's own project with its own service and conftest, tested by a pytest of its own with the fixture `chaosrun`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosrun.identity import all_stats, thread_states

PROJECT = Path(__file__).with_name("pytest_project")
TRIES = 3
"""A run of which the observer itself says that the machine was too busy proves nothing, and is made again."""
PATIENCE_S = 60.0

pytestmark = [pytest.mark.live, pytest.mark.timeout(TRIES * 120)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "greeter"))


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-W", "error", *arguments],
        cwd=project,
        env={key: text for key, text in os.environ.items() if not key.startswith("PYTEST_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.whole_run
def test_a_team_tests_its_own_service(project: Path) -> None:
    for _ in range(TRIES):
        told, _ = (process := start(project, "-k", "not long", "--junitxml", "junit.xml")).communicate()
        if "NotPassed: inconclusive" not in told:
            break
    outcomes = dict(
        reversed(line.split()[:2]) for line in re.findall(r"^[A-Z]+ test_chaos.py::\S+", told, re.MULTILINE)
    )
    assert outcomes == {
        "test_chaos.py::test_survives_a_restart": "PASSED",
        "test_chaos.py::test_asks_for_more_than_it_gets": "FAILED",
        "test_chaos.py::test_has_no_service": "FAILED",
        "test_chaos.py::test_has_a_slip_in_its_experiment": "FAILED",
    }, told
    assert process.returncode == 1
    # What did not hold, with its value and its limit, and where the report is.
    assert re.search(r"^E +ttr in whole does not hold: .* ms ± .* ms, limit max 1ms", told, re.MULTILINE), told
    [report] = set(re.findall(r"^E +report: (\S+)", told, re.MULTILINE))
    assert Path(report).is_relative_to(project / "build" / "chaos") and Path(report).is_file()
    assert "chaosrun ended with 69: something that it needs is not here" in told
    assert re.search(r"^SKIPPED \[1\] .*chaosrun ended with 69", told, re.MULTILINE)
    assert "steady_state.load.guests.clients: must be a whole number, not 'many'" in told
    assert '<property name="chaosrun_verdict" value="passed"' in (project / "junit.xml").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_pytest_that_is_interrupted_or_killed_leaves_nothing_frozen(project: Path, number: signal.Signals) -> None:
    process = start(project, "-k", "long")
    try:
        frozen = wait_for(project, type="confirmed")["how"]
        service = next(iter(services(project)))
        assert set(thread_states_of(service)) == {"T"}, frozen
        process.send_signal(number)
        undone = wait_for(project, type="undone")
        assert undone["done"] and undone["verified"]
        told, _ = process.communicate(timeout=PATIENCE_S)
        if number is signal.SIGINT:
            assert process.returncode == pytest.ExitCode.INTERRUPTED, told
        else:
            assert set(thread_states_of(service)) <= {"S", "R", "D"}, "it goes on again, though nobody stops it now"
        result = wait_for_result(project)
        assert result["verdict"] == "aborted" and result["stopped_by"] == "stopped by SIGTERM"
        assert wait_until_gone("chaosrun", project) == []
    finally:
        process.kill()
        process.wait()
        for pid in services(project):
            os.kill(pid, signal.SIGKILL)


def journal_of(project: Path) -> Iterator[dict[str, Any]]:
    for journal in project.glob("build/chaos/*/journal.jsonl"):
        for line in journal.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


def wait_for(project: Path, **wanted: object) -> dict[str, Any]:
    """A line of the run's journal."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for line in journal_of(project):
            if all(line.get(key) == value for key, value in wanted.items()):
                return line
        time.sleep(0.05)
    raise AssertionError(f"no {wanted} within {PATIENCE_S} s")


def wait_for_result(project: Path) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE_S
    while not (found := list(project.glob("build/chaos/*/result.json"))) and time.monotonic() < end:
        time.sleep(0.1)
    return json.loads(found[0].read_bytes())  # type: ignore[no-any-return]


def with_words(*words: str) -> list[int]:
    """The processes whose command lines have all of these."""
    found = []
    for pid in all_stats():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(pid)
    return found


def services(project: Path) -> list[int]:
    return with_words(str(project / "service.py"), "--port=")


def thread_states_of(pid: int) -> list[str]:
    from chaosrun.identity import identify

    identity = identify(pid)
    return [] if identity is None else list(thread_states(identity).values())


def wait_until_gone(*words: str | Path) -> list[int]:
    """What is left of those processes after some patience."""
    end = time.monotonic() + PATIENCE_S
    while (left := with_words(*map(str, words))) and time.monotonic() < end:
        time.sleep(0.1)
    return left
