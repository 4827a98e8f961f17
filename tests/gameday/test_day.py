"""A game day: when it begins and what it is refused for, what it holds, what ends it, and who is told.

`run_in` is replaced by one that runs nothing and says at once what came of it; clocks are handed in; all else is real.
A whole day is in `tests/e2e/test_gameday.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from ran import result

from chaosrun import engine
from chaosrun.against import Against
from chaosrun.errors import Dirty, Exit, NotNow
from chaosrun.gameday.day import Surroundings, run_day
from chaosrun.gameday.loader import Variant, load_day
from chaosrun.gameday.notices import Patience
from chaosrun.identity import Identity, boot_id, this_process
from chaosrun.journal import JOURNAL
from chaosrun.outcome import Outcome
from chaosrun.reports._view import View
from chaosrun.safety.open_runs import Index, OpenRun
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Suite, decode
from chaosrun.sequence import Finished
from chaosrun.spec.loader import Loaded
from chaosrun.stopping import Signals

INSIDE = "2026-11-24 09:30"
"""A Tuesday, 10:30 in Vienna."""
WINDOW = 'time_zone: Europe/Vienna\nwindow: {days: [tue], from: "10:00", to: "12:00"}\n'
EXPERIMENT = """\
title: Experiment NAME
steady_state: {load: {users: {protocol: mt5, clients: 20, requests: 1/s}}}
target: {url: "ws://127.0.0.1:PORT/ws"}
timing: {baseline: 5s}
"""
Ending = Result | Exception
Hook = Callable[[Path], object]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@contextlib.contextmanager
def quietly(_heading: str) -> Iterator[View]:
    yield View()


@dataclass
class Stage:
    """A day whose experiments end so, one after the other."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    told: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    held: list[Against | None] = field(default_factory=list)
    """Against what each was held."""
    against: Callable[[Variant], Against | None] = lambda _: None
    during: Hook = lambda _: None
    reports: Path | None = None
    """In place of a folder beside the day's file."""

    def play(self, *endings: Ending, more: str = WINDOW, now: str | list[str] = INSIDE) -> Finished:
        """
        Args:
            now: what the clock says each time that it is asked, the last one from then on.
        """
        left = list(endings)
        times = [now] if isinstance(now, str) else list(now)

        async def run_in(
            folder: Path, loaded: Loaded, options: engine.Options, _watcher: engine.Watcher, _signals: Signals
        ) -> Outcome:
            (folder / JOURNAL).write_text('{"type":"began"}\n')
            self.begun.append(loaded.experiment.title)
            self.held.append(options.against)
            self.during(folder)
            ending = left.pop(0)
            if isinstance(ending, Exception):
                raise ending
            return Outcome(replace(ending, title=loaded.experiment.title), folder)

        def clock() -> datetime:
            return at(times.pop(0) if len(times) > 1 else times[0])

        self.monkeypatch.setattr(engine, "run_in", run_in)
        path = self.day(more)
        around = Surroundings(
            watch=quietly,
            tell=self.told.append,
            secrets={"hunter2-hunter2"},
            against=self.against,
            clock=clock,
            patience=Patience(attempts=2, connect_s=1, answer_s=1, first_pause_s=0.01, whole_s=5),
        )
        return run_day(
            load_day(path, env={}), engine.Options(report_dir=self.reports or self.folder / "reports"), around
        )

    def day(self, more: str = WINDOW) -> Path:
        for number, name in enumerate("abc"):
            text = EXPERIMENT.replace("NAME", name).replace("PORT", str(8001 + number))
            (self.folder / f"{name}.yaml").write_text(text)
        path = self.folder / "day.yaml"
        files = "[{file: a.yaml}, {file: b.yaml}, {file: c.yaml}]"
        path.write_text(f"title: A day\nexperiments: {files}\ncool_down: 0s\n{more}")
        return path

    @property
    def kept(self) -> list[Path]:
        return sorted((self.folder / "reports").glob("*")) if (self.folder / "reports").exists() else []


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def suite_of(finished: Finished) -> Suite:
    suite = finished.outcome.suite
    assert decode((finished.outcome.folder / "suite.json").read_bytes()) == suite
    return suite


# ---- when -----------------------------------------------------------------------------------------------------------


def test_within_its_window_the_experiments_are_run_in_their_order_and_kept_as_one(stage: Stage) -> None:
    finished = stage.play(result(), result(), result())
    suite = suite_of(finished)
    assert stage.begun == [f"Experiment {name}" for name in "abc"]
    assert (finished.outcome.exit, suite.verdict, suite.passed) == (Exit.PASSED, "passed", 3)
    assert finished.outcome.folder.name.endswith("-a-day-day")
    assert suite.day is not None
    assert (suite.day.opens_at, suite.day.closes_at) == ("2026-11-24T09:00:00+00:00", "2026-11-24T11:00:00+00:00")
    assert (suite.day.time_zone, suite.day.windows) == ("Europe/Vienna", "tue 10:00 to 12:00")


@pytest.mark.parametrize(
    ("now", "more", "told"),
    [
        (
            "2026-11-22 15:30",
            "",
            "it is Sun 2026-11-22 16:30 CET (15:30 UTC), and that is outside its window: tue 10:00 to 12:00, "
            "Europe/Vienna; it may run next from Tue 2026-11-24 10:00 CET (09:00 UTC) to Tue 2026-11-24 12:00 CET "
            "(11:00 UTC)",
        ),
        (
            INSIDE,
            "blackout: [2026-11-24..2026-12-01]",
            "it is Tue 2026-11-24 10:30 CET (09:30 UTC), and 2026-11-24 is a blackout date (2026-11-24..2026-12-01); "
            "it may run next from Tue 2026-12-08 10:00 CET (09:00 UTC) to Tue 2026-12-08 12:00 CET (11:00 UTC)",
        ),
        (
            "2026-11-24 10:59",
            "",
            "it is Tue 2026-11-24 11:59 CET (10:59 UTC), and its window closes at Tue 2026-11-24 12:00 CET (11:00 UTC)"
            ", and its first experiment, DIR/a.yaml, may take 1m24s; it may run next from Tue 2026-12-01 10:00 CET "
            "(09:00 UTC) to Tue 2026-12-01 12:00 CET (11:00 UTC)",
        ),
        (
            INSIDE,
            "blackout: [2026-01-01..2099-12-31]",
            "it is Tue 2026-11-24 10:30 CET (09:30 UTC), and 2026-11-24 is a blackout date (2026-01-01..2099-12-31); "
            "no window is left for it in the next five years; look at `window` and `blackout`",
        ),
    ],
)
def test_at_any_other_time_it_is_refused_and_told_when_it_may_run(stage: Stage, now: str, more: str, told: str) -> None:
    with pytest.raises(NotNow) as caught:
        stage.play(now=now, more=WINDOW + more)
    assert caught.value.exit == 75
    assert str(caught.value) == f"{stage.folder}/day.yaml: {told.replace('DIR', str(stage.folder))}"
    assert stage.begun == stage.kept == []


def test_no_experiment_begins_that_would_not_end_within_the_window(stage: Stage) -> None:
    finished = stage.play(result(), result(), now=[INSIDE, INSIDE, "2026-11-24 10:58", "2026-11-24 10:59"])
    suite = suite_of(finished)
    assert [run.state for run in suite.runs] == ["ran", "ran", "not_run"]
    assert finished.outcome.exit == Exit.NOT_NOW
    assert stage.told == []
    assert suite.stopped_by == ("the window closes at Tue 2026-11-24 12:00 CET (11:00 UTC), and c.yaml may take 1m24s")


def test_that_there_may_not_be_time_for_all_of_it_is_told_when_it_begins(stage: Stage) -> None:
    stage.play(result(), now=["2026-11-24 10:56", "2026-11-24 10:56", "2026-11-24 10:59"])
    assert stage.told == [
        "all of it may take 4m12s, and the window closes at Tue 2026-11-24 12:00 CET (11:00 UTC); what would not end "
        "by then does not begin"
    ]


def test_without_a_window_it_runs_at_any_time_but_on_a_blackout_date(stage: Stage) -> None:
    suite = suite_of(stage.play(result(), result(), result(), more=""))
    assert suite.day is not None
    assert (suite.day.opens_at, suite.day.windows) == (None, "at any time")
    with pytest.raises(NotNow, match="next from Wed 2026-11-25 00:00 UTC"):
        stage.play(more="blackout: [2026-11-24]")


# ---- what ends it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "stop_on", "begun", "code"),
    [
        (result("failed"), "[dirty, failed]", 1, Exit.FAILED),
        (result("failed"), "[dirty]", 3, Exit.FAILED),
        (result("inconclusive"), "[dirty, failed]", 3, Exit.INCONCLUSIVE),
        (result("inconclusive"), "[dirty, inconclusive]", 1, Exit.INCONCLUSIVE),
        (result("dirty"), "[dirty]", 1, Exit.DIRTY),
        (Dirty("port 8001 is still shut"), "[dirty]", 1, Exit.DIRTY),
        (result("aborted"), "[dirty]", 1, Exit.ABORTED),
    ],
)
def test_it_ends_at_the_first_experiment_that_the_file_says_and_at_a_dirty_or_stopped_one_always(
    stage: Stage, ending: Ending, stop_on: str, begun: int, code: Exit
) -> None:
    finished = stage.play(ending, result(), result(), more=f"{WINDOW}stop_on: {stop_on}\n")
    assert len(stage.begun) == begun
    assert finished.outcome.exit == code
    assert suite_of(finished).not_run == 3 - begun


def test_each_experiment_is_held_against_its_own_earlier_runs(stage: Stage) -> None:
    def of(variant: Variant) -> Against | None:
        return None if variant.index == 1 else Against(named="last-good", runs=(str(variant.index),), numbers=())

    stage.against = of
    stage.play(result(), result(), result())
    assert [None if each is None else each.runs for each in stage.held] == [("0",), None, ("2",)]


# ---- what it holds --------------------------------------------------------------------------------------------------

CLAIMS = """\
import sys
from pathlib import Path
from chaosrun.errors import ChaosrunError
from chaosrun.identity import this_process
from chaosrun.safety.open_runs import Index, OpenRun
try:
    Index.here().claim(OpenRun(folder=sys.argv[1], title="another", runner=this_process(), keys=tuple(sys.argv[2:])))
except ChaosrunError as error:
    print(error)
"""


def claimed_elsewhere(folder: Path, *keys: str) -> str:
    """What another process is told that wants these."""
    done = subprocess.run(
        [sys.executable, "-c", CLAIMS, str(folder), *keys], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def test_all_that_any_experiment_takes_is_held_all_day_and_the_days_own_runs_get_through(stage: Stage) -> None:
    refused: list[str] = []

    def during(folder: Path) -> None:
        refused.append(claimed_elsewhere(stage.folder / "other", "port 8003 of this machine"))
        Index.here().claim(
            OpenRun(folder=str(folder), title="own", runner=this_process(), keys=("port 8003 of this machine",))
        )
        Index.here().forget(folder)

    stage.during = during
    assert stage.play(result(), result(), result()).outcome.exit == Exit.PASSED
    (day,) = stage.kept
    assert len(refused) == 3
    for text in refused:
        assert text.startswith("port 8003 of this machine is held by a game day that goes on (process ")
        assert str(day) in text
    assert claimed_elsewhere(stage.folder / "other", "port 8003 of this machine") == ""


def test_the_same_day_does_not_run_twice_at_once(stage: Stage) -> None:
    refused: list[str] = []
    own = f"game day {stage.folder.resolve()}/day.yaml"
    stage.during = lambda _: refused.append(claimed_elsewhere(stage.folder / "other", own))
    stage.play(result(), result(), result())
    assert [text.partition(" is held")[0] for text in refused] == [own] * 3


def test_a_day_is_refused_while_another_process_holds_what_one_of_its_experiments_takes(stage: Stage) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        from chaosrun.identity import identify

        runner = identify(other.pid)
        assert runner is not None
        folder = stage.folder / "other"
        Index.here().claim(
            OpenRun(folder=str(folder), title="other", runner=runner, keys=("port 8002 of this machine",), is_day=True)
        )
        with pytest.raises(NotNow, match="port 8002 of this machine is held by a game day"):
            stage.play()
        other.kill()
    assert stage.begun == stage.kept == []
    # The one that was killed holds nothing any more.
    assert stage.play(result(), result(), result()).outcome.exit == Exit.PASSED


def test_a_day_does_not_begin_on_what_an_earlier_run_left_open(stage: Stage) -> None:
    gone = Identity(2**22 + 1, 1.0, boot_id())
    run = OpenRun(
        folder=str(stage.folder / "gone"), title="cut off", runner=gone, keys=("port 8001 of this machine",), armed=True
    )
    Index.here().claim(run)
    with receiver() as heard, pytest.raises(Dirty, match="chaosrun recover"):
        stage.play(more=f'{WINDOW}notify: [{{webhook: "{heard.url}", on: [started]}}]')
    assert [each["chaosrun"]["event"] for each in heard.bodies] == ["dirty"]


# ---- who is told ----------------------------------------------------------------------------------------------------


class Heard:
    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []


@contextlib.contextmanager
def receiver(status: int = 200, *, then: Callable[[], object] = lambda: None) -> Iterator[Heard]:
    """A webhook that takes all that comes, or nothing; before it says so something else may happen."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            then()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        heard = Heard(f"http://127.0.0.1:{httpd.server_port}/very-secret-token")
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield heard
        finally:
            httpd.shutdown()


def notify(heard: Heard, *on: str) -> str:
    return f'{WINDOW}notify: [{{webhook: "{heard.url}", on: [{", ".join(on)}]}}]'


def test_beginning_and_end_are_told_and_the_record_says_so(stage: Stage) -> None:
    with receiver() as heard:
        finished = stage.play(result(), result(), result(), more=notify(heard, "started", "passed"))
    first, last = heard.bodies
    assert first["text"].startswith("Game day 'A day' begins: 3 experiments on ")
    assert "Game day 'A day': passed, 3 of 3 experiments passed" in last["text"]
    assert "1. Experiment a: passed, recovered in 2 s" in last["text"]
    assert str(finished.outcome.folder) in last["text"]
    told = last["chaosrun"]
    assert (told["event"], told["exit_code"], [each["verdict"] for each in told["experiments"]]) == (
        "passed",
        0,
        ["passed"] * 3,
    )
    day = suite_of(finished).day
    assert day is not None
    assert [(each.to, each.on, each.delivered) for each in day.notices] == [
        ("webhook 127.0.0.1", "started", True),
        ("webhook 127.0.0.1", "passed", True),
    ]
    assert b"very-secret" not in (finished.outcome.folder / "suite.json").read_bytes()


def test_a_dirty_end_is_told_to_everybody(stage: Stage) -> None:
    with receiver() as heard:
        stage.play(result("dirty"), more=notify(heard, "passed"))
    (told,) = heard.bodies
    assert (told["chaosrun"]["event"], told["chaosrun"]["exit_code"]) == ("dirty", 5)


def test_a_refusal_is_told_to_those_who_want_to_know(stage: Stage) -> None:
    with receiver() as heard, pytest.raises(NotNow):
        stage.play(more=notify(heard, "refused"), now="2026-11-22 15:30")
    (told,) = heard.bodies
    assert (told["chaosrun"]["event"], told["chaosrun"]["exit_code"]) == ("refused", 75)
    assert "it may run next from Tue 2026-11-24 10:00 CET" in told["text"]


def test_a_notice_that_fails_is_told_and_recorded_and_fails_nothing(stage: Stage) -> None:
    with receiver(500) as heard:
        finished = stage.play(result(), result(), result(), more=notify(heard, "passed"))
    suite = suite_of(finished)
    assert (finished.outcome.exit, suite.verdict) == (Exit.PASSED, "passed")
    assert suite.day is not None
    assert [(each.delivered, each.why) for each in suite.day.notices] == [(False, "it answered 500")]
    assert stage.told == ["the notice of 'passed' to webhook 127.0.0.1 did not arrive: it answered 500"]


def test_a_signal_while_others_are_told_loses_neither_the_end_of_the_day_nor_the_notice(stage: Stage) -> None:
    with receiver(then=lambda: os.kill(os.getpid(), signal.SIGINT)) as heard:
        finished = stage.play(result("failed"), more=notify(heard, "failed"))
    suite = suite_of(finished)
    assert (finished.outcome.exit, suite.stopped_by) == (Exit.FAILED, "after experiment 1, which failed")
    assert suite.day is not None
    assert [each.delivered for each in suite.day.notices] == [True]


def test_a_file_whose_name_is_no_text_is_a_day_as_any_other(stage: Stage, tmp_path: Path) -> None:
    stage.folder, stage.reports = tmp_path / os.fsdecode(b"days\xff"), tmp_path / "reports"
    stage.folder.mkdir()
    with receiver() as heard:
        finished = stage.play(result(), result(), result(), more=notify(heard, "started", "passed"))
    day = suite_of(finished).day
    assert day is not None
    assert day.file == f"{tmp_path}/days\\udcff/day.yaml"
    assert [each["chaosrun"]["file"] for each in heard.bodies] == [day.file] * 2


def test_the_name_of_a_file_begins_no_line_of_a_refusal(stage: Stage, tmp_path: Path) -> None:
    stage.folder, stage.reports = tmp_path / "a\n::error::b", tmp_path / "reports"
    stage.folder.mkdir()
    with pytest.raises(
        NotNow, match=r"^[^\n]*/a ::error::b/day.yaml: it is [^\n]*/a ::error::b/a.yaml, may take[^\n]*$"
    ):
        stage.play(now="2026-11-24 10:59")


def test_what_experiments_are_called_moves_no_cursor_where_a_notice_is_read(stage: Stage) -> None:
    with receiver() as heard:
        stage.play(result("failed", reasons=["failed: \x1b]0;gone\x07"]), more=notify(heard, "failed"))
    assert "\\x1b]0;gone\\x07" in heard.bodies[0]["text"]
    assert "\x1b" not in str(heard.bodies[0]["chaosrun"]["reasons"])
    assert heard.bodies[0]["text"].count("\n") > 3


def test_no_secret_is_in_a_notice(stage: Stage) -> None:
    reason = "failed: the server said hunter2-hunter2 to <!channel>"
    with receiver() as heard:
        stage.play(result("failed", reasons=[reason]), more=notify(heard, "failed"))
    assert "hunter2" not in json.dumps(heard.bodies)
    assert "the server said *** to \u2039!channel\u203a" in heard.bodies[0]["text"]
