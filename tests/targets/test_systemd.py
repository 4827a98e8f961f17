"""Roles that are units of systemd, with a stand-in for `systemctl`: what is asked, hit, and started again.

The stand-in differs from the real one in that it supervises nothing: a unit is a file that names its process, and
`start` starts a process that outlives it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaosrun.doctor.needs import lacking, needs
from chaosrun.errors import SpecError, Unavailable
from chaosrun.faults.process_kill import ProcessKill
from chaosrun.identity import identify, is_alive, send_signal
from chaosrun.processes import Selector, find
from chaosrun.safety.undo import take_away
from chaosrun.spec.loader import load_experiment
from chaosrun.targets.output import Output
from chaosrun.targets.systemd import SystemdRole
from chaosrun.undertest import make_target

SYSTEMCTL = """#!{python}
import os, pathlib, subprocess, sys
state = pathlib.Path({state!r})
with (state / "asked").open("a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
unit = sys.argv[-1]
if unit == "nobody-answers.service":
    sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
known = state / unit
if sys.argv[1] == "start":
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", {word!r}], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    known.write_text(str(process.pid))
elif not known.exists():
    print("MainPID=0\\nLoadState=not-found\\nActiveState=inactive")
else:
    pid = known.read_text()
    try:
        alive = open("/proc/" + pid + "/stat").read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        alive = False
    print("MainPID=" + (pid if alive else "0"))
    print("LoadState=loaded\\nActiveState=" + ("active" if alive else "inactive"))
"""
UNIT = "bridge.service"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The stand-in on PATH, with one unit that runs."""
    folder, programs, word = tmp_path / "state", tmp_path / "bin", uuid.uuid4().hex
    folder.mkdir()
    programs.mkdir()
    systemctl = programs / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(python=sys.executable, state=str(folder), word=word))
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    subprocess.run([systemctl, "start", UNIT], check=True)
    yield folder
    for left in find(Selector(cmdline_contains=(word,))):
        send_signal(left, signal.SIGKILL)


def role(state: Path, unit: str = UNIT) -> SystemdRole:
    return SystemdRole("server", unit, output=Output(state.parent / "server.log"))


def world(of: SystemdRole) -> SimpleNamespace:
    return SimpleNamespace(roles={"server": of}, now=time.monotonic_ns)


def test_the_role_is_the_main_process_of_the_unit(state: Path) -> None:
    pid = int((state / UNIT).read_text())
    assert role(state).resolve() == [identify(pid)]


def test_a_unit_whose_main_process_is_above_chaosrun_is_never_hit(state: Path) -> None:
    (state / UNIT).write_text(str(os.getppid()))
    with pytest.raises(
        Unavailable, match=rf"no process matches \(main process of .*\n  {os.getppid()} is above chaosrun"
    ):
        role(state).resolve()


def test_a_unit_that_runs_is_asked_about_once(state: Path) -> None:
    server = role(state)
    server.resolve()
    before = (state / "asked").read_text()
    for _ in range(20):
        assert server.pids()
    assert (state / "asked").read_text() == before


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ("no-such.service", "unit no-such.service is not-found, without a main process; start it"),
        ("nobody-answers.service", "systemctl says: System has not been booted with systemd"),
    ],
)
def test_a_unit_that_is_not_there_is_refused_in_systemds_words(state: Path, unit: str, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        role(state, unit).resolve()


def test_without_systemctl_there_is_nobody_to_ask(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(state))
    with pytest.raises(Unavailable, match="is this machine run by systemd"):
        role(state).resolve()


def test_a_kill_hits_the_main_process_and_the_unit_is_started_again_by_systemd(state: Path) -> None:
    async def story() -> None:
        server = role(state)
        [before] = server.resolve()
        fault = ProcessKill("kill", role="server", number=signal.SIGKILL, restart_after_s=0.1)
        here = world(server)
        fault.plan(here, "f1")  # type: ignore[arg-type]
        await fault.inject(here)  # type: ignore[arg-type]
        assert (await fault.confirm(here)).verified  # type: ignore[arg-type]
        await fault.settle(here)  # type: ignore[arg-type]
        [after] = server.resolve()
        assert after != before
        assert is_alive(after)

    asyncio.run(story())
    assert (state / "asked").read_text().count(f"start {UNIT}") == 2, "once by the test, once by the fault"


def test_the_undo_starts_the_unit_from_its_record_alone(state: Path) -> None:
    server = role(state)
    [before] = server.resolve()
    fault = ProcessKill("kill", role="server", number=signal.SIGKILL)
    record = fault.plan(world(server), "f1")  # type: ignore[arg-type]
    send_signal(before, signal.SIGKILL)
    assert take_away(record).clean
    [after] = find(Selector(unit=UNIT))
    assert after != before
    assert take_away(record).clean
    assert find(Selector(unit=UNIT)) == [after], "once more changes nothing"


EXPERIMENT = """\
title: t
steady_state: {load: {a: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {url: "ws://127.0.0.1:9/ws", roles: {server: ROLE}}
method: [{fault: process_kill, role: server, restart: {by: supervisor, within: 10s}}]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "e.yaml"
    path.write_text(EXPERIMENT.replace("ROLE", text))
    return path


def test_an_experiment_names_a_unit_and_is_told_whether_it_is_there(state: Path, tmp_path: Path) -> None:
    experiment = load_experiment(written(tmp_path, f"{{systemd: {UNIT}}}")).experiment
    assert [finding.name for finding in lacking(needs(experiment)) if "unit" in finding.name] == []
    nobody = SimpleNamespace(spawned=lambda *_: None, exited=lambda *_: None)
    target = make_target(experiment.target, run="r", folder=tmp_path, events=nobody)  # type: ignore[arg-type]
    assert isinstance(target.roles["server"], SystemdRole)
    (state / UNIT).unlink()
    [unit] = [finding for finding in lacking(needs(experiment)) if "unit" in finding.name]
    assert "not-found" in unit.found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{systemd: bridge}", "'bridge' is not a unit of systemd; write its whole name, such as bridge.service"),
        ("{systemd: a.service, process: a}", "exactly one of"),
        ("{systemd: a.service, cwd: .}", "`cwd` and `env` go with `command`"),
        ("{systemd: a.service, ready: {log: up}}", "no output is seen"),
    ],
)
def test_a_role_that_is_wrong_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        load_experiment(written(tmp_path, text))


@pytest.mark.live
@pytest.mark.skipif(not Path("/run/systemd/system").is_dir(), reason="systemd is not process 1 here")
def test_a_real_unit_is_found_with_its_main_process(tmp_path: Path) -> None:
    server = SystemdRole("journal", "systemd-journald.service", output=Output(tmp_path / "j.log"))
    [main] = server.resolve()
    assert "systemd-journal" in Path(f"/proc/{main.pid}/comm").read_text()
