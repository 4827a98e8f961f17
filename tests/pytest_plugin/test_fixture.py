"""The plug-in as other projects meet it, by a pytest of their own. Whole runs of it are in tests/live."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosrun.identity import this_process
from chaosrun.journal import JOURNAL
from chaosrun.safety.locks import Lock
from chaosrun.safety.open_runs import Index, OpenRun

EXPERIMENT = """
title: Nothing comes of it
target: {url: "ws://127.0.0.1:8000", roles: {app: {command: [sh, -c, "SCRIPT"], ready: {log: never, within: 10s}}}}
steady_state:
  load: {users: {clients: 10, requests: 4/s, protocol: {request: {send: {id: "{id}"}, reply: {id: "{id}"}}}}}
  hypothesis: [{metric: usable, min: 100%}]
"""


def run_pytest(project: Path, test: str, *arguments: str) -> str:
    """What a pytest of a project with this one test file says."""
    (project / "pytest.ini").touch()
    (project / "test_own.py").write_text(textwrap.dedent(test))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-W", "error", *arguments],
        cwd=project,
        env={key: text for key, text in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def write_experiment(project: Path, script: str = "exit 1") -> None:
    (project / "my.yaml").write_text(EXPERIMENT.replace("SCRIPT", script))


def test_a_project_that_does_not_use_it_imports_nothing_heavy_and_sees_nothing_of_it(tmp_path: Path) -> None:
    told = run_pytest(
        tmp_path,
        """
        import sys
        def test_own():
            ours = {name for name in sys.modules if name.partition(".")[0] == "chaosrun"}
            assert ours == {"chaosrun", "chaosrun.pytest", "chaosrun.pytest._fixture", "chaosrun.running"}
            assert not {"asyncio", "msgspec", "pydantic", "uvloop", "rich"} & set(sys.modules)
        """,
        "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:xdist", "-p", "no:asyncio",
    )  # fmt: skip
    assert "1 passed" in told, told


def test_every_test_that_uses_it_can_be_left_out_by_its_marker(tmp_path: Path) -> None:
    test = """
        def test_with(chaosrun): ...
        def test_without(): ...
    """
    assert "1 passed, 1 deselected" in run_pytest(tmp_path, test, "-m", "not chaosrun", "--strict-markers")


def test_a_run_without_a_result_is_an_error_that_keeps_what_chaosrun_said(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    told = run_pytest(tmp_path, "def test_it(chaosrun): chaosrun.run('my.yaml')")
    assert "E   " in told and "chaosrun.pytest.BrokenOff: chaosrun ended with 69" in told
    assert "role app ended after" in told
    assert list((tmp_path / "reports").glob("*-nothing-comes-of-it/journal.jsonl")), (
        "it is kept where chaosrun keeps it"
    )


@pytest.mark.parametrize(("way", "outcome"), [("skip", "1 skipped"), ("xfail", "1 xfailed"), ("fail", "1 failed")])
def test_what_is_not_here_is_a_skip_only_where_that_was_asked(tmp_path: Path, way: str, outcome: str) -> None:
    write_experiment(tmp_path)
    test = "def test_it(chaosrun): chaosrun.run('my.yaml')"
    assert outcome in run_pytest(tmp_path, test, "-o", f"chaosrun_unavailable={way}")


def test_a_mistake_of_the_experiment_is_no_skip(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    test = "def test_it(chaosrun): chaosrun.run('my.yaml', sets={'title': 7}, unavailable='skip')"
    told = run_pytest(tmp_path, test)
    assert "1 failed" in told and "--set title=7: title: must be text" in told


def test_options_are_taken_from_the_call_then_the_marker_then_the_command_line(tmp_path: Path) -> None:
    write_experiment(tmp_path)
    test = """
        import pytest
        def test_line(chaosrun): chaosrun.run("my.yaml")
        @pytest.mark.chaosrun("my.yaml", profile="of-the-marker")
        def test_marker(chaosrun): chaosrun.run()
        @pytest.mark.chaosrun(profile="of-the-marker")
        def test_call(chaosrun): chaosrun.run("my.yaml", profile="of-the-call")
    """
    told = run_pytest(tmp_path, test, "--chaosrun-profile", "of-the-line")
    for name in ("line", "marker", "call"):
        section = told.split(f" test_{name} ", 1)[1].split("\n____", 1)[0]
        assert f"of-the-{name}" in section and "profile" in section, told


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("profil='smoke'", "the marker chaosrun knows no 'profil'; known: experiment, profile,"),
        ("'a.yaml', 'b.yaml'", "the marker chaosrun takes one experiment"),
        ("unavailable='ignore'", "the marker's unavailable is 'ignore'; write fail, skip, xfail"),
    ],
)
def test_a_wrong_marker_is_refused_with_what_is_right(tmp_path: Path, mark: str, said: str) -> None:
    test = f"""
        import pytest
        @pytest.mark.chaosrun({mark})
        def test_it(chaosrun): ...
    """
    told = run_pytest(tmp_path, test)
    assert said in told and "1 error" in told, told


def test_a_folder_of_experiments_is_refused_with_what_to_write(tmp_path: Path) -> None:
    told = run_pytest(tmp_path, "def test_it(chaosrun): chaosrun.run('.')")
    assert "is a folder, and a test is of one experiment: @pytest.mark.parametrize(" in told


def test_a_test_that_names_no_experiment_is_told_how(tmp_path: Path) -> None:
    assert "name an experiment: chaosrun.run(" in run_pytest(tmp_path, "def test_it(chaosrun): chaosrun.run()")


@pytest.fixture
def held_port(tmp_path: Path) -> Iterator[None]:
    """Another run goes on that holds the experiment's port."""
    folder = tmp_path / "of-somebody-else"
    folder.mkdir()
    (folder / JOURNAL).touch()
    lock = Lock.take(folder / JOURNAL, within_s=1.0)
    assert lock is not None
    index = Index.here()
    index.claim(OpenRun(folder=str(folder), title="other", runner=this_process(), keys=("port 8000 of this machine",)))
    yield
    index.forget(folder)
    lock.release()


def test_a_target_that_another_run_holds_is_told_with_the_remedy(tmp_path: Path, held_port: None) -> None:
    write_experiment(tmp_path)
    told = run_pytest(tmp_path, "def test_it(chaosrun): chaosrun.run('my.yaml', unavailable='skip')")
    assert "chaosrun ended with 75: another run holds the target" in told and "1 failed" in told
    assert "port 8000 of this machine is held by a run that goes on" in told
    assert "xdist_group" in told


def test_workers_of_xdist_run_one_experiment_at_a_time(tmp_path: Path) -> None:
    write_experiment(tmp_path, "echo in >> turns; sleep 0.5; echo out >> turns; exit 1")
    test = """
        import pytest
        @pytest.mark.parametrize("port", [21001, 21002])
        def test_it(chaosrun, port):
            chaosrun.run("my.yaml", url=f"ws://127.0.0.1:{port}", unavailable="skip")
    """
    told = run_pytest(tmp_path, test, "-n", "2")
    assert "2 skipped" in told, told
    assert (tmp_path / "turns").read_text().split() == ["in", "out", "in", "out"]


def test_a_run_in_a_thread_that_nobody_waited_for_ends_with_its_test(tmp_path: Path) -> None:
    write_experiment(tmp_path, "echo $$ > pid; sleep 60")
    test = """
        import pathlib, threading, time
        def test_it(chaosrun):
            threading.Thread(target=chaosrun.run, args=("my.yaml",), daemon=True).start()
            while not pathlib.Path("pid").exists():
                time.sleep(0.05)
        def test_after():
            pid = pathlib.Path("pid").read_text().strip()
            assert not pathlib.Path(f"/proc/{pid}").exists()
    """
    assert "2 passed" in run_pytest(tmp_path, test)


def test_of_several_runs_that_nobody_waited_for_none_outlives_its_test_and_none_begins_after_it(tmp_path: Path) -> None:
    write_experiment(tmp_path, "echo $$ > $PPID.pid; sleep 60")
    test = """
        import pathlib, pytest, threading, time
        kept = []
        def pids():
            return [path for path in pathlib.Path().glob("*.pid") if path.read_text().strip()]
        def test_it(chaosrun):
            kept.append(chaosrun)
            for port in (21001, 21002, 21003):
                how = {"url": f"ws://127.0.0.1:{port}"}
                threading.Thread(target=chaosrun.run, args=("my.yaml",), kwargs=how, daemon=True).start()
            while len(pids()) < 3:
                time.sleep(0.05)
        def test_after():
            assert not [path for path in pids() if pathlib.Path(f"/proc/{path.read_text().strip()}").exists()]
            with pytest.raises(pytest.UsageError, match="its test is over"):
                kept[0].run("my.yaml")
    """
    assert "2 passed" in run_pytest(tmp_path, test, "-W", "ignore"), "and no run began"
