"""Process roles: exactly the processes that are meant, never chaosrun, and never ended by it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from role_processes import SLEEPER, eventually, python

from chaosrun.errors import Unavailable, UsageError
from chaosrun.identity import all_stats, identify, send_signal, stat
from chaosrun.processes import GUARDIAN_TAG, Selector, find, runs_chaosrun, spared
from chaosrun.targets.output import Output
from chaosrun.targets.process import ProcessRole
from chaosrun.targets.readiness import Ready

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def word() -> str:
    """In the command line of no other process."""
    return uuid.uuid4().hex


def role(tmp_path: Path, selector: Selector, **more: object) -> ProcessRole:
    return ProcessRole("terminal", selector, output=Output(tmp_path / "terminal.log"), **more)  # type: ignore[arg-type]


def found(selector: Selector) -> list[int]:
    return [each.pid for each in find(selector)]


def test_all_that_the_selector_names_must_hold(start: Start, word: str) -> None:
    plain = start(*python(SLEEPER, word))
    updater = start(*python(SLEEPER, word, "/update"))
    assert eventually(lambda: found(Selector(cmdline_contains=(word,))) == sorted([plain.pid, updater.pid]))
    assert found(Selector(cmdline_contains=(word,), cmdline_excludes=("/update",))) == [plain.pid]
    assert found(Selector(name=Path(sys.executable).name, cmdline_contains=(word, "/update"))) == [updater.pid]
    assert found(Selector(name="terminal64.exe", cmdline_contains=(word,))) == []


def test_under_wine_the_name_is_the_end_of_the_windows_path_and_the_prefix_tells_terminals_apart(
    start: Start, word: str, tmp_path: Path
) -> None:
    one, two = (
        start(
            "bash", "-c", f"exec -a 'C:\\MT5\\terminal64.exe' {sys.executable} -c '{SLEEPER}' {word}",
            env={**os.environ, "WINEPREFIX": str(tmp_path / name)},
        )
        for name in ("one", "two")
    )  # fmt: skip
    terminals = Selector(name="terminal64.exe", cmdline_contains=(word,))
    assert eventually(lambda: found(terminals) == sorted([one.pid, two.pid]))
    assert found(Selector(name="terminal64.exe", wineprefix=f"{tmp_path}/two/")) == [two.pid]
    assert found(Selector(name="Terminal64.EXE", wineprefix=f"{tmp_path}/two")) == [two.pid], "Windows knows no case"


def test_chaosrun_its_parents_and_process_1_never_match(word: str) -> None:
    pids = found(Selector())
    assert pids  # this machine runs other things
    assert not {1, os.getpid(), os.getppid()} & set(pids)
    outer = f"""
import subprocess, sys
inner = '''
from chaosrun.processes import Selector, find
print([each.pid for each in find(Selector(cmdline_contains=({word!r},)))])
'''
print(subprocess.run([sys.executable, "-c", inner, {word!r}], capture_output=True, text=True).stdout)
"""
    done = subprocess.run([sys.executable, "-c", outer, word], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_chaosruns_own_workers_never_match_but_what_its_roles_started_does(start: Start, word: str) -> None:
    start(*python(SLEEPER, word, "worker"), env={**os.environ, "CHAOSRUN_RUN": "r"})
    child = start(*python(SLEEPER, word), env={**os.environ, "CHAOSRUN_RUN": "r", "CHAOSRUN_ROLE": "server"})
    assert eventually(lambda: found(Selector(cmdline_contains=(word,))) == [child.pid])


@pytest.mark.parametrize(
    ("argv", "is_ours"),
    [
        (["/v/bin/python3", "-u", "-X", "dev", "-m", "chaosrun.safety.guardian", "x"], True),
        (["python3.11", "-m", "chaosrun.load.worker"], True),
        (["python3.11", "-P", "-m", "chaosrun.load.worker"], True),
        (["/v/bin/python", "/v/bin/chaosrun", "experiment.yaml"], True),
        (["chaosrun", "run", "serve.yaml"], True),
        (["python", "-m", "chaosrun", "serve", "mt5-bridge"], False),
        (["python", "/v/bin/chaosrun", "--debug", "serve", "mt5-bridge"], False),
        (["python", "-m", "chaosrun.reference.mt5_bridge"], False),
        (["python", "-m", "chaosrun.proxy"], False),
        (["python", "-c", "import chaosrun"], False),
        (["python", "bridge.py", "chaosrun"], False),
        (["vim", "chaosrun"], False),
        (["python"], False),
        ([], False),
    ],
)
def test_chaosrun_at_work_is_told_from_what_it_serves_by_its_command_line(argv: list[str], is_ours: bool) -> None:
    assert runs_chaosrun(argv) is is_ours


def test_another_chaosrun_and_its_guardian_never_match_and_the_refusal_says_so(
    start: Start, word: str, tmp_path: Path
) -> None:
    script = tmp_path / "chaosrun"
    script.write_text(SLEEPER)
    run = start(sys.executable, str(script), word)
    guardian = start(*python(SLEEPER, word), env={**os.environ, GUARDIAN_TAG: "r"})
    selector = Selector(cmdline_contains=(word,))
    assert eventually(lambda: {each.identity.pid for each in spared(selector)} == {run.pid, guardian.pid})
    assert found(selector) == []
    with pytest.raises(Unavailable, match="no process matches") as caught:
        role(tmp_path, selector).resolve()
    assert f"  {run.pid} is chaosrun at work, and never hit" in str(caught.value)


def test_who_acts_in_the_stead_of_a_run_spares_what_was_above_it(start: Start, word: str) -> None:
    above = start(*python(SLEEPER, word))
    assert eventually(lambda: found(Selector(cmdline_contains=(word,))) == [above.pid])
    inside = f"""
from chaosrun.identity import identify
from chaosrun.processes import Selector, find, spare
spare([identify({above.pid})])
print(find(Selector(cmdline_contains=({word!r},))))
"""
    done = subprocess.run([sys.executable, "-c", inside], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"


def test_a_thread_of_the_kernel_never_matches() -> None:
    """It has no command line. Where they are not to be seen, as in a container, there is none to match."""
    kernel = {each.pid for each in all_stats().values() if 2 in (each.pid, each.parent)}
    if not Path("/proc/2/comm").exists() or Path("/proc/2/comm").read_text() != "kthreadd\n":
        kernel = set()
    assert not kernel & set(found(Selector()))


def test_none_too_few_or_too_many_are_refused_with_a_list_of_what_matched(
    start: Start, word: str, tmp_path: Path
) -> None:
    selector = Selector(cmdline_contains=(word,))
    with pytest.raises(Unavailable, match=f"role terminal: no process matches .*{word}.*1 process expected"):
        role(tmp_path, selector).resolve()
    pids = [start(*python(SLEEPER, word)).pid for _ in range(2)]
    assert eventually(lambda: len(find(selector)) == 2)
    with pytest.raises(Unavailable, match=r"2 processes match .* 1 process expected; narrow") as caught:
        role(tmp_path, selector).resolve()
    assert all(f"  {pid}: {sys.executable}" in str(caught.value) for pid in pids)
    two = role(tmp_path, Selector(cmdline_contains=(word,), expect=2))
    assert [each.pid for each in two.resolve()] == sorted(pids)


def test_a_dead_process_that_is_not_reaped_does_not_match(start: Start, word: str) -> None:
    process = start(*python(SLEEPER, word))
    selector = Selector(cmdline_contains=(word,))
    assert eventually(lambda: found(selector) == [process.pid])
    process.kill()
    assert eventually(lambda: stat(process.pid).state == "Z")
    assert found(selector) == []


def test_killed_it_is_started_again_as_told_and_then_outlives_chaosrun(start: Start, word: str, tmp_path: Path) -> None:
    first = start(*python(SLEEPER, word))
    terminal = role(
        tmp_path,
        Selector(cmdline_contains=(word,)),
        start=python("print('back');" + SLEEPER, word),
        env={"A": "secret"},
    )
    assert eventually(terminal.is_alive)

    async def scenario() -> int:
        terminal.expect_exit()
        assert send_signal(terminal.resolve()[0], signal.SIGKILL)
        await terminal.start()
        await terminal.wait_ready()
        await terminal.stop()
        return terminal.resolve()[0].pid

    second = asyncio.run(scenario())
    try:
        assert second != first.pid
        assert eventually(lambda: terminal.tail() == "" and terminal.output.path.read_text() == "back\n")
        assert stat(second).runs
        assert Path(f"/proc/{second}/fd/0").readlink() == Path("/dev/null")
        assert terminal.restart().argv[-1] == word
        assert "secret" not in repr(terminal.restart())
    finally:
        send_signal(identify(second), signal.SIGKILL)
        os.waitpid(second, 0)


def test_without_start_only_a_supervisor_can_bring_it_back(word: str, tmp_path: Path) -> None:
    terminal = role(tmp_path, Selector(cmdline_contains=(word,)))
    assert terminal.restart() is None
    with pytest.raises(Unavailable, match="does not know how to start it; give it `start"):
        asyncio.run(terminal.start())


def test_a_log_condition_is_refused_for_a_process_whose_output_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="role terminal: chaosrun does not have the output"):
        role(tmp_path, Selector(name="x"), ready=Ready("log", "up"))
