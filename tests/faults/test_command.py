"""The fault `command` on real programs: what is run, what is kept of it, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from pathlib import Path

import msgspec
import pytest

from chaosrun.errors import SpecError, Unavailable
from chaosrun.faults.command import FAULT_TAG, Command, UndoArgs, make, undo, verify
from chaosrun.processes import Selector, find
from chaosrun.records import Undo
from chaosrun.safety.undo import take_away
from chaosrun.spec.loader import load_experiment
from chaosrun.spec.secret import Secret, mask
from chaosrun.spec.steps import CommandStep
from chaosrun.tagged import tagged

TOUCH = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('here')"
REMOVE = "import pathlib, sys; pathlib.Path(sys.argv[1]).unlink(missing_ok=True)"


class World:
    """Implements as much of `chaosrun.faults._base.World` as a command looks at."""

    def __init__(self, folder: Path, *secrets: str) -> None:
        self.folder = folder
        self._secrets = secrets

    def now(self) -> int:
        return time.monotonic_ns()

    def mask(self, text: str) -> str:
        return mask(text, self._secrets)


@pytest.fixture
def word() -> str:
    return uuid.uuid4().hex


def python(source: str, *words: str | Path) -> list[str]:
    return [sys.executable, "-c", source, *map(str, words)]


def inject(fault: Command, world: World) -> tuple[Undo, tuple[bool, str]]:
    async def story() -> tuple[Undo, tuple[bool, str]]:
        record = fault.plan(world, "fault-1")  # type: ignore[arg-type]
        await fault.inject(world)  # type: ignore[arg-type]
        confirmation = await fault.confirm(world)  # type: ignore[arg-type]
        return record, (confirmation.verified, confirmation.how)

    return asyncio.run(story())


def running(word: str) -> int:
    return len(find(Selector(cmdline_contains=(word,))))


def test_what_was_run_is_taken_back_by_the_undo_from_its_record_alone(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fault = Command("mark", run=python(TOUCH, mark), undo=python(REMOVE, mark))
    record, (verified, how) = inject(fault, World(tmp_path))
    assert verified and "exit code 0" in how
    assert fault.sustained and mark.exists()
    assert take_away(record).clean
    assert not mark.exists()
    assert take_away(record).clean, "once more changes nothing"


def test_a_plan_touches_nothing_and_its_undo_may_run_without_the_injection(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    record = Command("mark", run=python(TOUCH, mark), undo=python(REMOVE, mark)).plan(World(tmp_path), "f")  # type: ignore[arg-type]
    assert not mark.exists()
    assert take_away(record).clean


def test_words_are_given_to_the_program_as_they_are_and_go_through_no_shell(tmp_path: Path) -> None:
    words = ("$HOME; echo", "a  b", "*", "`id`")
    show = python("import sys; print(sys.argv[1:])", *words)
    inject(Command("show", run=show), World(tmp_path))
    assert (tmp_path / "faults" / "fault-1.log").read_text() == f"{list(words)}\n"


def test_what_a_program_says_is_kept_without_secrets(tmp_path: Path) -> None:
    say = [sys.executable, "-c", "import sys; print('token', sys.argv[1]); sys.exit(3)", Secret("hunter2-token")]
    fault = Command("say", run=say)
    record, (verified, how) = inject(fault, World(tmp_path, "hunter2-token"))
    log = tmp_path / "faults" / "fault-1.log"
    assert log.read_text() == "token ***\n"
    assert (verified, str(log) in how) == (False, True)
    assert "exit code 3" in how
    assert b"hunter2" not in msgspec.json.encode(record) and "hunter2" not in how


def test_much_output_is_cut_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaosrun.faults.command._KEPT", 1000)
    _, (verified, _) = inject(Command("chatter", run=python("print('0123456789\\n' * 100_000)")), World(tmp_path))
    assert verified
    text = (tmp_path / "faults" / "fault-1.log").read_text()
    assert len(text) < 1100
    assert text.endswith("0123456789\n[chaosrun keeps no more of this output]\n")


CHILD = (
    "import subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]])"
)
HANG = f"{CHILD}; time.sleep(600)"


def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path, word: str) -> None:
    fault = Command("hang", run=python(HANG, word), timeout_s=1.0)
    _, (verified, how) = inject(fault, World(tmp_path))
    assert not verified
    assert "took more than 1 s" in how
    assert running(word) == 0


def test_a_stop_kills_the_program_and_its_children(tmp_path: Path, word: str) -> None:
    async def story() -> None:
        world, fault = World(tmp_path), Command("hang", run=python(HANG, word))
        fault.plan(world, "fault-1")  # type: ignore[arg-type]
        running_task = asyncio.create_task(fault.inject(world))  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            while running(word) < 2:
                await asyncio.sleep(0.05)
        running_task.cancel()
        await asyncio.gather(running_task, return_exceptions=True)

    asyncio.run(story())
    assert running(word) == 0


def test_what_a_program_left_running_is_killed_before_the_undo(tmp_path: Path, word: str) -> None:
    seen = tmp_path / "seen"
    count = (
        "import pathlib, psutil, sys; word, out = sys.argv[1:]; "
        "found = [p for p in psutil.process_iter(['cmdline']) if word in (p.info['cmdline'] or [])[-1:]]; "
        "pathlib.Path(out).write_text(str(len(found)))"
    )
    fault = Command("leave", run=python(CHILD, word), undo=python(count, word, seen))
    record, (verified, _) = inject(fault, World(tmp_path))
    assert verified
    assert running(word) == 1, "it goes on while the fault stands"
    assert take_away(record).clean
    assert seen.read_text() == "0"
    assert running(word) == 0


def test_what_is_permanent_is_over_at_once_and_stays(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    fault = Command("mark", run=python(TOUCH, mark))
    record, _ = inject(fault, World(tmp_path))
    assert not fault.sustained
    undo(record)
    assert verify(record)
    assert mark.exists()


@pytest.mark.parametrize(
    ("source", "says"), [("import sys; sys.exit(4)", "exit code 4"), ("import time; time.sleep(600)", "took more than")]
)
def test_an_undo_that_fails_is_said_and_leaves_nothing_running(tmp_path: Path, source: str, says: str) -> None:
    fault = Command("a", run=python("pass"), undo=python(source), timeout_s=0.3)
    record = fault.plan(World(tmp_path), "fault-1")  # type: ignore[arg-type]
    outcome = take_away(record)
    assert not outcome.clean
    assert says in outcome.error
    tag = msgspec.json.decode(record.args, type=UndoArgs).tag
    assert tagged({FAULT_TAG: f"{tag}:undo"}) == []


def test_both_run_in_the_directory_of_the_step(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    fault = Command("here", run=python(write, "run"), undo=python(write, "undo"), cwd=tmp_path / "work")
    record, _ = inject(fault, World(tmp_path))
    undo(record)
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["run", "undo"]


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"run": ["no-such-program"], "permanent": True}, "no-such-program is not on PATH"),
        ({"run": ["true"], "undo": ["./no-such"]}, "./no-such is not an executable file"),
        ({"run": ["true"], "permanent": True, "cwd": "/no/such"}, "its directory /no/such is not there"),
    ],
)
def test_a_program_that_is_not_there_is_refused_before_any_load(step: dict[str, object], says: str) -> None:
    fault = make(CommandStep.model_validate({"fault": "command", **step}))
    with pytest.raises(Unavailable, match=says):
        asyncio.run(fault.check(World(Path("/nowhere"))))  # type: ignore[arg-type]


EXPERIMENT = """\
title: t
secrets: {key: very-secret}
steady_state: {load: {a: {protocol: mt5, clients: 300, requests: 1/s}}}
target: {reference: mt5-bridge}
method: [{fault: command, STEP}]
"""


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("run: [x]", "needs `undo`, or `permanent: true`"),
        ("run: [x], undo: [y], permanent: true", "take it or `undo` out"),
        ("run: [x], undo: [y, '${secret.key}']", "`undo` holds a secret"),
        ("run: [], permanent: true", "is empty"),
        ("run: systemctl stop x, permanent: true", "must be a list"),
    ],
)
def test_a_step_that_is_wrong_is_told_before_anything_runs(tmp_path: Path, step: str, says: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(EXPERIMENT.replace("STEP", step))
    with pytest.raises(SpecError, match=says) as refused:
        load_experiment(path)
    assert "very-secret" not in str(refused.value)


def test_the_directory_is_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "e.yaml"
    path.parent.mkdir()
    path.write_text(
        EXPERIMENT.replace(
            "[{fault: command, STEP}]", "[{parallel: [{fault: command, run: [x], undo: [y], cwd: there}]}]"
        )
    )
    [step] = load_experiment(path).experiment.method[0].parallel  # type: ignore[union-attr]
    assert isinstance(step, CommandStep)
    assert step.cwd is not None
    assert Path(step.cwd).resolve() == (tmp_path / "deep" / "there").resolve()
