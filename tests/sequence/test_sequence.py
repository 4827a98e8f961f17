"""The order of a sequence: what it goes on after, what ends it, and what is kept of it.

`run_in` is replaced by one that runs nothing and says at once what came of it; everything else is real. Whole sequences
are in `tests/e2e/test_folder.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from e2e_running import TINY
from msgspec.structs import replace
from ran import result

from chaosrun import engine, sequence, suite_outcome
from chaosrun.against import Against
from chaosrun.entries import Entry, LeftOut, Ready, load_entries
from chaosrun.errors import Dirty, Exit, NotNow, SpecError, Unavailable, Unwritable, UsageError
from chaosrun.journal import JOURNAL
from chaosrun.outcome import Outcome
from chaosrun.processes import RUN_TAG
from chaosrun.reports._view import View
from chaosrun.scoring.repeats import Stop
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Day, Suite, decode
from chaosrun.sequence import Course, Finished, run_sequence
from chaosrun.series import Repetition
from chaosrun.spec.loader import Loaded, load_experiment
from chaosrun.stopping import Signals
from chaosrun.suite_folder import read_suite, runs_in

S = 1_000_000_000
Ending = Result | Exception | Callable[[Path], Result | Exception]


@contextlib.contextmanager
def quietly(_heading: str) -> Iterator[View]:
    yield View()


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load_experiment(TINY)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path) -> Callable[..., Finished]:
    """A sequence whose experiments end so, one after the other."""

    def played(
        *endings: Ending, items: Sequence[Ready | LeftOut] = (), cool_down: int = 0, loaded: Loaded = tiny,
        course: dict[str, Any] | None = None, **more: Any,
    ) -> Finished:  # fmt: skip
        left = list(endings)
        kept = 0

        async def run_in(
            folder: Path, _loaded: Loaded, options: engine.Options, _watcher: engine.Watcher, _signals: Signals
        ) -> Outcome:
            nonlocal kept
            (folder / JOURNAL).write_text('{"type":"began"}\n')
            ending = left.pop(0)
            if callable(ending):
                ending = ending(folder)
            if isinstance(ending, Exception):
                raise ending
            return Outcome(replace(ending, profile=options.profile), folder)

        monkeypatch.setattr(engine, "run_in", run_in)
        items = items or [Ready(Entry(Path(f"{number}.yaml")), loaded) for number in range(1, 4)]
        plan = Course(**({"title": "all of them", "kind": "suite", "cool_down_ns": cool_down} | (course or {})))
        finished = asyncio.run(run_sequence(items, plan, engine.Options(report_dir=tmp_path), quietly, **more))
        assert left == [], "it ended before it was expected to"
        return finished

    return played


def kept(finished: Finished) -> Suite:
    suite = finished.outcome.suite
    assert decode((finished.outcome.folder / "suite.json").read_bytes()) == suite
    return suite


def test_it_goes_on_after_what_says_nothing_of_the_next_experiment(play: Any) -> None:
    finished = play(result("failed"), NotNow("port 80 is held"), result("inconclusive"))
    suite = kept(finished)
    assert [run.verdict for run in suite.runs] == ["failed", None, "inconclusive"]
    assert [run.why for run in suite.runs] == ["", "port 80 is held", ""]
    assert (suite.exit_code, suite.broken) == (Exit.FAILED, 1)
    assert [type(error) for error in finished.errors] == [NotNow]


def test_the_runs_lie_right_below_it_and_are_found_in_their_order(play: Any) -> None:
    finished = play(result(), Unavailable("no port"), result())
    folder = finished.outcome.folder
    suite = kept(finished)
    assert folder.name.endswith("-all-of-them-suite")
    assert runs_in(folder) == tuple(folder / run.folder for run in suite.runs if run.verdict and run.folder)
    assert len(set(runs_in(folder))) == 2
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (result("dirty"), Exit.DIRTY),
        (Dirty("the port is still shut"), Exit.DIRTY),
        (Unwritable("no space left"), Exit.UNWRITABLE),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.UNWRITABLE),
        (ZeroDivisionError("division by zero"), Exit.DEFECT),
    ],
)
def test_it_ends_where_another_experiment_would_be_wrong(play: Any, ending: Ending, code: Exit) -> None:
    suite = kept(play(result(), ending))
    assert suite.exit_code == code
    assert [run.state for run in suite.runs][2] == "not_run"
    assert "experiment 2" in (suite.stopped_by or "")


def test_a_guard_that_ended_one_experiment_keeps_no_other_from_being_run(play: Any) -> None:
    assert kept(play(result(), result("aborted"), result())).exit_code == Exit.ABORTED


def test_it_ends_at_what_it_is_told_to(play: Any) -> None:
    suite = kept(play(result(), result("failed"), course={"stop_at": frozenset({Exit.FAILED})}))
    assert (suite.verdict, suite.not_run) == ("failed", 1)
    assert suite.stopped_by == "after experiment 2, which failed"


@pytest.mark.parametrize(
    ("verdicts", "ending", "told"),
    [
        (["failed"], "failed", "after experiment 1, which failed"),
        (["failed", "inconclusive"], "inconclusive", "after experiment 1, which was inconclusive"),
        (["dirty"], "aborted", "after experiment 1, which was ended early"),
        (["failed"], "inconclusive", None),
        (["dirty"], "failed", None),
    ],
)
def test_it_ends_at_the_verdicts_that_it_is_told(play: Any, verdicts: list[Any], ending: str, told: str | None) -> None:
    rest = [] if told else [result(), result()]
    suite = kept(play(result(ending), *rest, course={"stop_at": sequence.stops(verdicts)}))
    assert suite.stopped_by == told
    assert [(run.state, run.why) for run in suite.runs[1:]] == [("not_run", told) if told else ("ran", "")] * 2


def test_an_end_after_the_last_experiment_is_no_early_one(play: Any) -> None:
    suite = kept(play(result(), result(), result("failed"), course={"stop_at": frozenset({Exit.FAILED})}))
    assert (suite.verdict, suite.stopped_by) == ("failed", None)


def test_a_signal_ends_it_and_the_rest_is_told_as_not_run(play: Any) -> None:
    def signalled(_folder: Path) -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        return result()

    suite = kept(play(signalled, cool_down=60 * S))
    assert (suite.verdict, suite.exit_code, suite.stopped_by) == ("aborted", 4, "stopped by SIGINT")
    assert [run.state for run in suite.runs] == ["ran", "not_run", "not_run"]


def test_a_signal_in_the_cool_down_cuts_it_short(play: Any) -> None:
    async def interrupted() -> None:
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    tasks = []

    def then_a_signal(_folder: Path) -> Result:
        tasks.append(asyncio.get_running_loop().create_task(interrupted()))
        return result()

    suite = kept(play(then_a_signal, cool_down=60 * S))
    assert (suite.stopped_by, suite.not_run) == ("stopped by SIGTERM", 2)
    assert (suite.duration_s or 99) < 30


def test_a_signal_after_the_last_experiment_changes_nothing(play: Any) -> None:
    def signalled(_folder: Path) -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        return result()

    assert kept(play(result(), result(), signalled)).exit_code == Exit.PASSED


def test_whoever_may_forbid_the_next_one_is_asked_before_each(play: Any) -> None:
    asked: list[Path] = []

    async def may_begin(ready: Ready) -> Stop | None:
        asked.append(ready.entry.path)
        return Stop(Exit.NOT_NOW, "the window has closed") if len(asked) == 3 else None

    suite = kept(play(result(), result(), may_begin=may_begin))
    assert asked == [Path("1.yaml"), Path("2.yaml"), Path("3.yaml")]
    assert (suite.exit_code, suite.not_run, suite.stopped_by) == (75, 1, "the window has closed")


def test_what_is_held_is_held_over_all_and_gives_the_options(play: Any, tmp_path: Path) -> None:
    held: list[str] = []

    @contextlib.contextmanager
    def hold(folder: Path, options: engine.Options) -> Iterator[engine.Options]:
        assert folder.parent == tmp_path
        held.append("held")
        yield dataclasses.replace(options, max_duration_ns=7)
        held.append("let go")

    def seen(_folder: Path) -> Result:
        held.append("run")
        return result()

    play(seen, seen, seen, hold=hold)
    assert held == ["held", "run", "run", "run", "let go"]


def test_what_cannot_be_held_begins_nothing_and_leaves_nothing(play: Any, tmp_path: Path) -> None:
    @contextlib.contextmanager
    def hold(_folder: Path, _options: engine.Options) -> Iterator[engine.Options]:
        raise NotNow("held by another day")
        yield

    with pytest.raises(NotNow):
        play(hold=hold)
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_a_run_leaves_behind_ends_it_as_dirty(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "_GONE_WITHIN_S", 0.2)
    left: list[subprocess.Popen[bytes]] = []

    def leaves(folder: Path) -> Result:
        left.append(
            subprocess.Popen(
                [sys.executable, "-c", "import sys; sys.stdin.read()"],
                env=os.environ | {RUN_TAG: str(folder)},
                stdin=subprocess.PIPE,
            )
        )
        return result()

    try:
        finished = play(leaves)
    finally:
        for each in left:
            each.communicate()
    suite = kept(finished)
    assert (suite.verdict, suite.exit_code, suite.not_run) == ("dirty", 5, 2)
    assert f"process {left[0].pid} goes on" in (suite.stopped_by or "")


def test_what_needs_something_that_is_not_here_is_skipped_only_where_that_was_asked_for(play: Any) -> None:
    assert kept(play(result(), Unavailable("no netem"), result())).exit_code == Exit.UNAVAILABLE
    skipping = play(result(), Unavailable("no netem"), result(), course={"skip_unavailable": True})
    suite = kept(skipping)
    assert (suite.exit_code, suite.skipped, suite.broken) == (0, 1, 0)
    assert (suite.runs[1].state, suite.runs[1].why) == ("skipped", "no netem")
    assert skipping.errors == ()


def test_where_all_are_skipped_it_does_not_pass(play: Any) -> None:
    nothing = [Unavailable("no netem")] * 3
    assert kept(play(*nothing, course={"skip_unavailable": True})).exit_code == Exit.UNAVAILABLE


def test_only_the_first_line_of_an_error_is_kept_and_no_secret_of_it(play: Any, tiny: Loaded) -> None:
    secretive = dataclasses.replace(tiny, secrets=("hunter2",))
    error = Unavailable("cannot start /opt/hunter2/serve\n  4711: somebody --token swordfish")
    finished = play(result(), error, result(), loaded=secretive)
    assert kept(finished).runs[1].why == "cannot start /opt/***/serve"
    assert finished.errors == (error,)
    data = b"".join(path.read_bytes() for path in finished.outcome.folder.rglob("*") if path.is_file())
    assert b"hunter2" not in data
    assert b"swordfish" not in data


def test_what_was_overridden_is_told_by_its_key_alone(play: Any, tiny: Loaded) -> None:
    entry = Entry(Path("a.yaml"), profile="smoke", sets=("load.headers.Authorization=hunter2",), target=Path("t.yaml"))
    finished = play(result(), items=[Ready(entry, tiny)])
    (run,) = kept(finished).runs
    assert (run.overrides, run.profile, run.target) == (("load.headers.Authorization",), "smoke", "t.yaml")
    assert b"hunter2" not in (finished.outcome.folder / "suite.jsonl").read_bytes()


def test_a_series_of_one_experiment_lies_below_it(play: Any, tiny: Loaded) -> None:
    items = [Ready(Entry(Path("a.yaml"), repetition=Repetition(2, 7, 0)), tiny), Ready(Entry(Path("b.yaml")), tiny)]
    finished = play(result(), result("failed"), result(), items=items)
    first, second = kept(finished).runs
    assert (first.verdict, first.runs, first.runs_passed) == ("failed", 2, 1)
    assert second.runs is None
    assert (finished.outcome.folder / (first.folder or "") / "series.jsonl").is_file()


def test_a_series_that_breaks_off_has_its_row_and_the_next_experiment_its_turn(play: Any, tiny: Loaded) -> None:
    items = [Ready(Entry(Path("a.yaml"), repetition=Repetition(2, 7, 0)), tiny), Ready(Entry(Path("b.yaml")), tiny)]
    suite = kept(play(Unavailable("no port"), result(), items=items))
    assert [run.state for run in suite.runs] == ["broken", "ran"]
    assert suite.exit_code == Exit.UNAVAILABLE


def test_the_part_of_a_day_is_kept_and_told_again(play: Any) -> None:
    day = Day(file="day.yaml", time_zone="UTC", opens_at="a", closes_at="b")
    later = replace(day, closes_at="c")
    seen: list[Suite] = []

    def tell(outcome: suite_outcome.SuiteOutcome) -> Day:
        seen.append(decode((outcome.folder / "suite.json").read_bytes()))
        return later

    finished = play(result(), result(), result(), course={"day": day}, tell=tell)
    assert seen == [replace(kept(finished), day=day)]
    assert kept(finished).day == later
    assert read_suite(finished.outcome.folder).day == later


def test_a_name_that_is_no_text_is_spelt_out(play: Any) -> None:
    suite = kept(play(result(), result(), result(), course={"title": "exp\udcff"}))
    assert suite.title == "exp\\udcff"


def test_nothing_is_begun_where_nothing_can_be_kept(play: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="--report-dir"):
        asyncio.run(
            run_sequence(
                [], Course("t", "suite", 0), engine.Options(report_dir=tmp_path / "file"), quietly
            )
        )  # fmt: skip


def test_one_killed_in_the_middle_never_passes_and_the_rest_is_not_run(play: Any) -> None:
    folder = play(result(), result(), result()).outcome.folder
    log = folder / "suite.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]) + lines[2][:-9])
    (folder / read_suite(folder).begun[1].folder / JOURNAL).unlink()
    suite = suite_outcome.score(folder).suite
    assert [run.state for run in suite.runs] == ["broken", "not_run", "not_run"]
    assert (suite.verdict, suite.exit_code, suite.duration_s) == ("inconclusive", 3, None)


def test_one_killed_after_its_last_experiment_does_not_pass_either(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = play(result(), result(), result()).outcome.folder
    log = folder / "suite.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    monkeypatch.setattr(suite_outcome.single, "score", lambda run, _draw: Outcome(result(), run))
    suite = suite_outcome.score(folder).suite
    assert (suite.passed, suite.verdict, suite.exit_code) == (3, "inconclusive", 3)
    assert suite.reasons == ("cut off after the last experiment: nothing tells what was left behind",)


# ---- loading --------------------------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_any_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("title: 3\nfoo: 1\n")
    (tmp_path / "b.yaml").write_text("title: x\n  bad")
    with pytest.raises(SpecError) as caught:
        load_entries([Entry(tmp_path / "a.yaml"), Entry(TINY), Entry(tmp_path / "b.yaml")])
    told = "\n".join(caught.value.problems)
    assert "a.yaml:2:1" in told
    assert "b.yaml:" in told


def test_an_experiment_without_the_profile_is_an_error_unless_it_may_be_skipped() -> None:
    entries = [Entry(TINY, profile="smoke")]
    with pytest.raises(SpecError, match="no such profile"):
        load_entries(entries)
    (item,) = load_entries(entries, skip=["no-profile"])
    assert isinstance(item, LeftOut)
    assert item.why == "it has no profile smoke"


def test_what_only_the_profile_puts_right_is_not_asked_for_where_others_may_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    secrets = "secrets: {token: {env: CHAOSRUN_TEST_NOT_SET}}\nprofiles: {smoke: {secrets.token: swordfish}}\n"
    load = '{users: {protocol: mt5, clients: 20, requests: 1/s, headers: {X: "${secret.token}"}}}'
    path.write_text(f"title: x\n{secrets}steady_state: {{load: {load}}}\ntarget: {{reference: mt5-bridge}}\n")
    (item,) = load_entries([Entry(path, profile="smoke")], skip=["no-profile"])
    assert isinstance(item, Ready)
    with pytest.raises(SpecError, match="CHAOSRUN_TEST_NOT_SET"):
        load_entries([Entry(path, profile="other")], skip=["no-profile"])


def test_what_may_be_skipped_is_still_checked(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("title: 3\nfoo: 1\n")
    with pytest.raises(SpecError, match="foo"):
        load_entries([Entry(tmp_path / "a.yaml", profile="smoke")], skip=["no-profile"])


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        suite_outcome.score(tmp_path)


def test_each_experiment_is_held_against_earlier_runs_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    seen: list[Against | None] = []

    async def run_in(folder: Path, _loaded: Loaded, options: engine.Options, *_more: object) -> Outcome:
        (folder / JOURNAL).write_text('{"type":"began"}\n')
        seen.append(options.against)
        return Outcome(result(), folder)

    monkeypatch.setattr(engine, "run_in", run_in)
    wanted = [Against(named="last-good", runs=(name,), numbers=()) for name in ("a", "b")]
    items = [Ready(Entry(Path(f"{each.runs[0]}.yaml")), tiny, each) for each in wanted]
    items.append(Ready(Entry(Path("c.yaml")), tiny))
    course = Course(title="all", kind="suite", cool_down_ns=0)
    asyncio.run(run_sequence(items, course, engine.Options(report_dir=tmp_path), quietly))
    assert seen == [*wanted, None]
