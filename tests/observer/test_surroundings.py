"""Harm to what surrounds the measurement: the sampler, the server's own log, local ports, the share of CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from e2e_running import TINY, Finished, Run, chaosrun, come_to
from harmed import invalid, only_these_are_unknown
from sabotages import Sabotaged

from chaosrun.recorded import read_run
from chaosrun.scoring.result import decode

EXPECT = json.dumps(
    [
        {"metric": "response_p99", "max": "20s"},
        {"metric": "requests.lost_connected", "max": 0},
        {"metric": "push.lost_connected", "max": 0},
        {"metric": "cpu", "role": "server", "max": "1000%"},
    ]
)
ARGUMENTS = ("--format", "json", "--set", f"expect={EXPECT}")


def ended(run: Run) -> Sabotaged:
    finished: Finished = run.finish()
    assert finished.folder is not None, finished.err
    assert finished.code == 3, finished.err + finished.out
    return Sabotaged(
        decode((finished.folder / "result.json").read_bytes()), finished.folder, read_run(finished.folder).history
    )


def test_an_engine_that_stands_still_samples_nothing_and_the_load_goes_on(tmp_path: Path) -> None:
    run = chaosrun(TINY, *ARGUMENTS, reports=tmp_path)
    run.wait_for(type="phase", name="after")
    run.signal(signal.SIGSTOP)
    try:
        time.sleep(4.5)
    finally:
        run.signal(signal.SIGCONT)
    told = ended(run)
    only_these_are_unknown(told, invalid(told, "resource sampler silent"))
    assert told.outcomes()["cpu"] is None


def test_a_log_of_the_server_that_lost_lines_is_no_source(tmp_path: Path) -> None:
    run = chaosrun(TINY, *ARGUMENTS, reports=tmp_path)
    run.wait_for(type="phase", name="verify")
    assert run.folder is not None
    log = run.folder / "roles" / "terminal.published"
    lines = log.read_text().splitlines(keepends=True)
    middle = len(lines) // 2
    log.write_text("".join(lines[: middle - 3] + lines[middle + 3 :]))
    told = ended(run)
    check = invalid(told, "numbers missing from the server's log")
    assert check.value is not None and check.value >= 6
    only_these_are_unknown(told, check)
    assert told.outcomes()["push.lost_connected"] is None


# ---- local ports ----------------------------------------------------------------------------------------------------

IN_A_NAMESPACE = 'ip link set lo up && echo "40000 40030" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"'
TAKING_ALL = """
import socket, time
held, end = {}, time.monotonic() + 60
while time.monotonic() < end:
    for port in range(40000, 40031):
        if port not in held:
            taken = socket.socket()
            try:
                taken.bind(("127.0.0.1", port)); taken.listen(); held[port] = taken
            except OSError:
                taken.close()
    time.sleep(0.01)
"""


def in_a_namespace(*command: str) -> list[str]:
    return ["unshare", "-n", "sh", "-c", IN_A_NAMESPACE, "sh", *command]


def no_namespace() -> str:
    """Why no network namespace can be made here; empty: one can."""
    done = subprocess.run(in_a_namespace("true"), capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else f"needs a network namespace of its own: {done.stderr.strip()}"


def test_local_ports_that_ran_out_are_not_held_against_the_service(tmp_path: Path) -> None:
    if why := no_namespace():
        pytest.skip(why)
    short = ("--set", "timing.recovery_timeout=6s", "--set", "recovery.within=2s")
    run = come_to({"type": "called"}, TINY, *ARGUMENTS, *short, reports=tmp_path, around=in_a_namespace())
    hog = subprocess.Popen(["nsenter", "-t", str(run.process.pid), "-n", sys.executable, "-c", TAKING_ALL])
    try:
        told = ended(run)
    finally:
        hog.kill()
        hog.wait()
    assert any(line.why == "ports" for line in told.history.refused)
    only_these_are_unknown(told, invalid(told, "connections refused by our own descriptors or ports"))


# ---- CPU ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def starving() -> Iterator[Path]:
    """A control group whose processes get a fiftieth of a core."""
    group = Path(f"/sys/fs/cgroup/cpu/chaosrun-test-{os.getpid()}")
    if not group.parent.is_dir():
        group = Path(f"/sys/fs/cgroup/chaosrun-test-{os.getpid()}")
    try:
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("2000 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text("2000")
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"needs a control group with a CPU quota: {error}")
    yield group
    for _ in range(100):
        with suppress(OSError):
            group.rmdir()
            break
        time.sleep(0.1)


def test_cpu_that_a_quota_withholds_is_told(starving: Path, tmp_path: Path) -> None:
    run = chaosrun(TINY, *ARGUMENTS, reports=tmp_path)
    run.wait_for(type="phase", name="baseline")
    engine = psutil.Process(run.process.pid)
    ours = [engine, *(child for child in engine.children() if "chaosrun.load" in " ".join(child.cmdline()))]
    for process in ours:
        (starving / "cgroup.procs").write_text(str(process.pid))
    time.sleep(3)
    for process in ours:
        with suppress(OSError):
            (starving.parent / "cgroup.procs").write_text(str(process.pid))
    told = ended(run)
    assert invalid(told, "CPU withheld by our own quota").clouds == {"lag", "send"}
    assert told.result.verdict == "inconclusive"
    assert not [metric for metric, outcome in told.outcomes().items() if outcome is False]
