"""A run whose process is killed in the middle of its fault, its guardian, or both: the system is as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_running import ROOT, Run, chaosrun, come_to
from found_server import Served, found_server

from chaosrun.identity import Identity, is_alive, send_signal, wait_gone
from chaosrun.processes import GUARDIAN_TAG, find
from chaosrun.recorded import read_lines
from chaosrun.records import Undone
from chaosrun.tagged import tagged

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

GUARDED = Path(__file__).with_name("guarded.yaml")
CONFIRMED: dict[str, object] = {"type": "confirmed", "verified": True}
PATIENCE_S = 60.0


def wait_for(what: Callable[[], bool], told: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {told}"
        time.sleep(0.02)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with found_server(tmp_path) as served:
        yield served


def against(served: Served, *arguments: str | Path) -> tuple[str | Path, ...]:
    return GUARDED, "--target", served.target, *arguments


def guardian_of(run: Run) -> Identity:
    [found] = tagged({GUARDIAN_TAG: str(run.folder)})
    return found


def recover(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chaosrun", "recover", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False)


def closed_by(run: Run, writer: str) -> bool:
    assert run.folder is not None
    return any(line.w == writer and line.done and line.verified for line in read_lines(run.folder).of(Undone))


def test_with_the_run_killed_a_frozen_server_goes_on(served: Served, tmp_path: Path) -> None:
    run = come_to(CONFIRMED, *against(served), reports=tmp_path / "reports")
    assert served.is_stopped()
    run.look()
    run.process.kill()
    wait_for(lambda: not served.is_stopped(), "the server goes on")
    finished = run.finish()
    assert finished.left_behind() == [], "the guardian and the load have ended"
    assert closed_by(run, "guardian")
    assert is_alive(served.server)


def test_with_the_run_killed_a_killed_server_is_up_again_and_outlives_the_guardian(
    served: Served, tmp_path: Path
) -> None:
    kill = "method=[{fault: process_kill, role: server, restart: {by: chaosrun, after: 60s}}]"
    run = come_to(CONFIRMED, *against(served, "--set", kill), reports=tmp_path / "reports")
    assert not is_alive(served.server)
    run.look()
    guardian = guardian_of(run)
    run.process.kill()
    wait_for(lambda: len(find(served.selector)) == 1, "it is up again")
    run.finish()
    assert wait_gone(guardian, PATIENCE_S)
    [again] = find(served.selector)
    status = Path(f"/proc/{again.pid}/status").read_text()
    ignored = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:")), 16)
    assert not ignored & 1 << (signal.SIGTERM - 1), "what the guardian does not heed, a service that it starts does"


def test_with_the_run_killed_a_toxiproxy_of_somebody_else_is_as_it_was(tmp_path: Path) -> None:
    from test_toxiproxy import TOXIC, proxies, somebody_elses

    with somebody_elses() as server:
        theirs = ("--set", f"target.proxy.toxiproxy={server.url}", "--set", "method.0.for=60s")
        run = come_to(CONFIRMED, TOXIC, *theirs, reports=tmp_path)
        assert len(proxies(server)) == 2
        run.look()
        run.process.kill()
        wait_for(lambda: proxies(server) == ["theirs"], "the link of the run is gone")
        assert run.finish().left_behind() == []


def test_without_its_guardian_a_run_undoes_all_and_ends(served: Served, tmp_path: Path) -> None:
    run = come_to(CONFIRMED, *against(served, "--format", "json"), reports=tmp_path / "reports")
    guardian = guardian_of(run)
    assert send_signal(guardian, signal.SIGKILL)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert f"the guardian (pid {guardian.pid}) ended" in finished.result["stopped_by"]
    assert [fault["undone"] for fault in finished.result["faults"]] == [True]
    assert not served.is_stopped()
    assert finished.left_behind() == []
    assert recover().stdout == "nothing is open\n"


def test_with_both_killed_no_run_begins_on_that_target_until_it_was_recovered(served: Served, tmp_path: Path) -> None:
    run = come_to(CONFIRMED, *against(served), reports=tmp_path / "reports")
    run.look()
    assert send_signal(guardian_of(run), signal.SIGKILL)
    run.process.kill()
    finished = run.finish()
    assert finished.left_behind() == [], "what the run started dies without a guardian too"
    assert served.is_stopped()

    refused = chaosrun(*against(served), reports=tmp_path / "another").finish()
    assert refused.code == 5, refused.err
    assert f"chaosrun recover {run.folder}" in refused.err
    assert list((tmp_path / "another").iterdir()) == [], "nothing was started, and nothing is kept"
    assert served.is_stopped()

    recovered = recover()
    assert recovered.returncode == 0, recovered.stderr
    assert "undone: let role 'server' go on" in recovered.stdout
    assert not served.is_stopped()
    assert run.folder is not None
    assert recover(run.folder).stdout.endswith("nothing is open\n")

    again = come_to({"type": "phase", "name": "ramp"}, *against(served), reports=tmp_path / "third")
    again.signal(signal.SIGINT)
    assert again.finish().code == 4


def test_a_run_that_was_stopped_is_ended_and_undone(served: Served, tmp_path: Path) -> None:
    run = come_to(CONFIRMED, *against(served), reports=tmp_path / "reports")
    run.signal(signal.SIGSTOP)
    wait_for(lambda: not served.is_stopped(), "the server goes on")
    finished = run.finish()
    assert finished.code == -signal.SIGKILL
    assert finished.left_behind() == []


def test_a_target_that_a_run_holds_is_refused_to_another_until_it_ends(served: Served, tmp_path: Path) -> None:
    long = ("--set", "timing.baseline=60s")
    first = come_to({"type": "phase", "name": "ramp"}, *against(served, *long), reports=tmp_path / "first")
    second = chaosrun(*against(served), reports=tmp_path / "second").finish()
    assert second.code == 75, second.err
    assert str(first.folder) in second.err
    assert recover(str(first.folder)).returncode == 75, "nor is it recovered while it goes on"
    assert "goes on" in recover().stdout
    own = ("--set", "target={reference: mt5-bridge}")
    third = come_to({"type": "phase", "name": "ramp"}, GUARDED, *own, reports=tmp_path / "third")
    for run in (first, third):
        run.signal(signal.SIGINT)
        assert run.finish().code == 4
