"""Command roles: started, restarted and ended by chaosrun, down to the last grandchild."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop
from role_processes import FAMILY, HTTP_SERVER, SLEEPER, STUBBORN, Recorder, command_role, eventually, python

from chaosrun.errors import Unavailable
from chaosrun.identity import send_signal, stat
from chaosrun.processes import environment
from chaosrun.tagged import tagged
from chaosrun.targets.output import Output
from chaosrun.targets.ports import ephemeral_range, free_port
from chaosrun.targets.readiness import Ready


def runs(pid: int) -> bool:
    seen = stat(pid)
    return seen is not None and seen.runs


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_killed_it_starts_again_on_its_port_and_both_ends_are_reported(run: object, tmp_path: Path) -> None:
    port = free_port()
    recorder = Recorder()
    ready = Ready("http", f"http://127.0.0.1:{port}/good")
    role = command_role(tmp_path, python(HTTP_SERVER, str(port)), recorder, ready=ready)

    async def scenario() -> None:
        await role.start()
        assert await role.wait_ready() > 0
        role.expect_exit()
        assert send_signal(role.pids()[0], signal.SIGKILL)
        await role.start()
        await role.wait_ready()
        await role.stop()
        assert role.pids() == []

    run(scenario())  # type: ignore[operator]
    first, second = recorder.spawned
    assert recorder.exited == [(first.pid, -signal.SIGKILL, True), (second.pid, -signal.SIGTERM, True)]


def test_an_end_that_nobody_announced_is_reported_as_unexpected(tmp_path: Path) -> None:
    recorder = Recorder()
    role = command_role(tmp_path, python("import sys; sys.exit(3)"), recorder)

    async def scenario() -> None:
        await role.start()
        await asyncio.to_thread(eventually, lambda: bool(recorder.exited))
        await role.stop()

    asyncio.run(scenario())
    assert recorder.exited == [(recorder.spawned[0].pid, 3, False)]
    assert role.exit_code == 3


def test_start_leaves_a_running_process_alone(tmp_path: Path) -> None:
    recorder = Recorder()
    role = command_role(tmp_path, python(SLEEPER), recorder)

    async def scenario() -> None:
        await role.start()
        await role.start()
        await role.stop()
        await role.stop()

    asyncio.run(scenario())
    assert len(recorder.spawned) == len(recorder.exited) == 1


def test_stop_ends_one_that_ignores_sigterm_and_one_that_is_paused(tmp_path: Path) -> None:
    async def scenario(name: str, number: signal.Signals | None) -> None:
        recorder = Recorder()
        role = command_role(tmp_path / name, python(STUBBORN), recorder, ready=Ready("log", "deaf"), stop_within_s=0.2)
        await role.start()
        await role.wait_ready()
        if number is not None:
            send_signal(role.pids()[0], number)
        await role.stop()
        assert recorder.exited[0][1] == -signal.SIGKILL

    asyncio.run(scenario("deaf", None))
    asyncio.run(scenario("paused", signal.SIGSTOP))


@pytest.mark.parametrize("crashed", [False, True])
def test_stop_ends_children_in_other_sessions_too_also_after_a_crash_of_their_parent(
    tmp_path: Path, crashed: bool
) -> None:
    role = command_role(tmp_path, python(FAMILY), ready=Ready("log", r"\d+"))

    async def scenario() -> None:
        await role.start()
        assert await asyncio.to_thread(eventually, lambda: len(role.tail().split()) == 2)
        if crashed:
            send_signal(role.pids()[0], signal.SIGKILL)
        await role.stop()

    asyncio.run(scenario())
    children = [int(pid) for pid in role.tail().split()]
    assert eventually(lambda: not any(map(runs, children)))


def test_it_carries_the_tags_of_run_and_role_and_only_that_run_is_found_by_them(tmp_path: Path) -> None:
    role = command_role(tmp_path, python(SLEEPER))

    async def scenario() -> None:
        await role.start()
        tags = {"CHAOSRUN_RUN": str(tmp_path), "CHAOSRUN_ROLE": "server"}
        assert eventually(lambda: tags.items() <= environment(role.pids()[0].pid).items())
        assert tagged(tags) == role.pids()
        assert tagged({**tags, "CHAOSRUN_RUN": "another"}) == []
        await role.stop()

    asyncio.run(scenario())


def test_its_standard_input_ends_with_chaosrun(tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    waits = "import sys, pathlib; sys.stdin.read(); pathlib.Path(sys.argv[1]).touch()"
    chaosrun = f"""
import asyncio, os, pathlib, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from role_processes import command_role, python
async def main():
    role = command_role(pathlib.Path({str(tmp_path)!r}), python({waits!r}, {str(mark)!r}))
    os.environ["PATH"] = "/nowhere"  # without setpriv the kernel does not kill it first
    await role.start()
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", chaosrun]) == -9
    assert eventually(mark.exists)


def test_a_secret_in_its_environment_is_in_no_error_no_repr_and_no_restart_text(tmp_path: Path) -> None:
    secret = {"TOKEN": "hunter2"}
    silent = command_role(
        tmp_path, python("import time; time.sleep(600)"), env=secret, ready=Ready("tcp", "127.0.0.1:1", 0.1)
    )

    async def scenario() -> str:
        await silent.start()
        try:
            with pytest.raises(Unavailable) as caught:
                await silent.wait_ready()
        finally:
            await silent.stop()
        return str(caught.value)

    text = asyncio.run(scenario()) + repr(silent) + repr(silent.restart()) + str(silent.argv)
    assert "hunter2" not in text
    assert silent.restart().env["TOKEN"] == "hunter2"
    with pytest.raises(Unavailable) as missing:
        asyncio.run(command_role(tmp_path, ["no-such-program"], env=secret).start())
    assert "hunter2" not in str(missing.value)


def test_output_is_kept_up_to_its_bound_and_the_last_lines_are_known_beyond_it(tmp_path: Path) -> None:
    output = Output(tmp_path / "server.log", limit=1000)
    read_end, write_end = os.pipe()
    output.take(read_end)
    for number in range(1000):
        os.write(write_end, f"line {number}\n".encode())
    os.close(write_end)
    output.settle()
    kept = output.path.read_text()
    assert kept.startswith("line 0\nline 1\n")
    assert kept.endswith("[chaosrun keeps no more of this output]\n")
    assert len(kept) < 1100
    assert output.tail(2) == "line 998\nline 999"


def test_a_free_port_is_never_one_that_an_outgoing_connection_could_be_given() -> None:
    low, high = ephemeral_range()
    assert not any(low <= free_port() <= high for _ in range(50))
