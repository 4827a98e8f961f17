"""The order of a series: what it goes on after, what ends it, and what is kept of it.

`run_in` is replaced by one that runs nothing and says at once what came of it; everything else is real. Whole series
are in `test_whole_series.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_running import TINY
from msgspec.structs import replace
from ran import result

from chaosrun import engine, series
from chaosrun.against import Against, Standard
from chaosrun.errors import Dirty, Exit, Unavailable, Unwritable, UsageError
from chaosrun.journal import Appender
from chaosrun.outcome import Outcome
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.reports._view import View
from chaosrun.scoring.repeats import PRECEDENCE
from chaosrun.scoring.result import EpisodeReport, Result, decode
from chaosrun.series import Finished, Repetition, draw_offsets, run_series
from chaosrun.series_folder import read_series
from chaosrun.spec.loader import Loaded, load_experiment
from chaosrun.stopping import Signals

S = 1_000_000_000
Ending = Result | Exception | Callable[[], Result | Exception]


@contextlib.contextmanager
def quietly(_heading: str) -> Iterator[View]:
    yield View()


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load_experiment(TINY)


def play(
    monkeypatch: pytest.MonkeyPatch, loaded: Loaded, folder: Path, *endings: Ending, runs: int = 3, cool_down: int = 0
) -> Finished:
    """A series whose runs end so, one after the other."""
    left = list(endings)

    async def run_in(
        folder: Path, _loaded: Loaded, _options: engine.Options, _watcher: engine.Watcher, _signals: Signals
    ) -> Outcome:
        ending = left.pop(0)
        if callable(ending):
            ending = ending()
        if isinstance(ending, Exception):
            raise ending
        return Outcome(ending, folder)

    monkeypatch.setattr(engine, "run_in", run_in)
    finished = asyncio.run(
        run_series(loaded, engine.Options(report_dir=folder), Repetition(runs, 7, cool_down), quietly)
    )
    assert left == [], "it ended before it was expected to"
    return finished


def outcome_of(finished: Finished) -> Result:
    assert finished.outcome is not None
    assert decode((finished.folder / "result.json").read_bytes()) == finished.outcome.result
    return finished.outcome.result


def test_it_goes_on_after_runs_that_failed_or_proved_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    finished = play(monkeypatch, tiny, tmp_path, result("failed"), result("inconclusive"), result())
    whole = outcome_of(finished)
    assert whole.exit_code == Exit.FAILED
    assert whole.repeats is not None
    assert [run.verdict for run in whole.repeats.runs] == ["failed", "inconclusive", "passed"]
    assert finished.error is None


@pytest.mark.parametrize("verdict", ["dirty", "aborted"])
def test_it_stops_where_another_run_would_be_wrong(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path, verdict: str
) -> None:
    whole = outcome_of(play(monkeypatch, tiny, tmp_path, result(), result(verdict)))
    assert whole.verdict == verdict
    assert "only 2 of 3 runs were made" in whole.reasons


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("role server is not running\n  4711: somebody --token hunter2"), 69),
        (Unwritable("no space left"), 74),
        (ZeroDivisionError("division by zero"), 70),
        (UsageError("not allowed any more"), 2),
    ],
)
def test_it_stops_at_an_error_and_keeps_what_the_runs_before_it_showed(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path, error: Exception, code: int
) -> None:
    finished = play(monkeypatch, tiny, tmp_path, result(), error)
    assert finished.error is error
    whole = outcome_of(finished)
    assert whole.exit_code == code
    assert whole.verdict == "inconclusive"
    assert whole.repeats is not None
    assert (whole.repeats.n, whole.repeats.passed, whole.repeats.broken) == (2, 1, 1)
    kept = [path.read_bytes() for path in finished.folder.rglob("*") if path.is_file()]
    assert not [data for data in kept if b"hunter2" in data], "other people's commands are not kept"


def test_a_disk_that_is_full_is_no_defect_wherever_it_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    finished = play(monkeypatch, tiny, tmp_path, result(), OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(finished.error, Unwritable)
    assert outcome_of(finished).exit_code == Exit.UNWRITABLE


def test_what_it_broke_off_with_is_kept_without_the_secrets(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    secretive = dataclasses.replace(tiny, secrets=("hunter2",))
    finished = play(monkeypatch, secretive, tmp_path, result(), Unavailable("cannot start /opt/hunter2/serve"))
    assert "cannot start /opt/***/serve" in outcome_of(finished).reasons[-1]
    assert not [path for path in finished.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_a_first_run_that_finds_something_missing_leaves_no_result_but_its_records(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    finished = play(monkeypatch, tiny, tmp_path, Unavailable("no port"))
    assert finished.outcome is None
    assert isinstance(finished.error, Unavailable)
    assert read_series(finished.folder).scorable == ()
    with pytest.raises(UsageError, match="no run of this series has a result: no port"):
        series.score(finished.folder)


def test_a_first_run_that_cannot_be_as_asked_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    finished = play(monkeypatch, tiny, tmp_path, UsageError("host not allowed"))
    assert isinstance(finished.error, UsageError)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_between_two_runs_is_heard_and_the_next_one_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    def ends_with_a_signal() -> Result:
        os.kill(os.getpid(), signal.SIGTERM)
        return result()

    whole = outcome_of(play(monkeypatch, tiny, tmp_path, ends_with_a_signal, cool_down=60 * S))
    assert (whole.verdict, whole.exit_code, whole.stopped_by) == ("aborted", 4, "stopped by SIGTERM")
    assert whole.reasons == ["stopped: stopped by SIGTERM", "only 1 of 3 runs were made"]


def test_a_signal_after_the_last_run_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    """As in a single run: it comes when all is over."""

    def ends_with_a_signal() -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        return result()

    whole = outcome_of(play(monkeypatch, tiny, tmp_path, result(), ends_with_a_signal, runs=2))
    assert (whole.verdict, whole.exit_code) == ("passed", 0)


def test_a_series_that_cannot_be_kept_begins_no_run(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="--report-dir"):
        play(monkeypatch, tiny, tmp_path / "file")


def test_a_run_that_cannot_be_begun_is_not_blamed_on_the_one_before_it(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    made = iter([series.make_run_folder])

    def once(*where: object) -> Path:
        make = next(made, None)
        if make is None:
            raise Unwritable("no space left")
        return make(*where)  # type: ignore[arg-type]

    monkeypatch.setattr(series, "make_run_folder", once)
    finished = play(monkeypatch, tiny, tmp_path, result())
    whole = outcome_of(finished)
    assert whole.exit_code == Exit.UNWRITABLE
    assert whole.reasons == ["stopped: no space left", "only 1 of 3 runs were made"]
    assert whole.repeats is not None
    assert (whole.repeats.passed, whole.repeats.broken) == (1, 0)


@pytest.mark.parametrize("before", [[], [result()]])
@pytest.mark.parametrize("result_too", [False, True])
def test_a_full_disk_does_not_hide_the_error_that_came_first(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path, before: list[Result], result_too: bool
) -> None:
    def dirty_and_full() -> Exception:
        monkeypatch.setattr(Appender, "sync", unwritable)
        return Dirty("the port is still shut")

    if result_too:
        monkeypatch.setattr(series, "write_whole", unwritable)
    finished = play(monkeypatch, tiny, tmp_path, *before, dirty_and_full)
    assert str(finished.error) == "the port is still shut"
    if before and not result_too:
        assert outcome_of(finished).exit_code == Exit.DIRTY
    else:
        assert finished.outcome is None


def unwritable(*_: object) -> None:
    raise Unwritable("no space left")


def test_a_series_whose_result_cannot_be_kept_says_so(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    monkeypatch.setattr(series, "write_whole", unwritable)
    finished = play(monkeypatch, tiny, tmp_path, result(), runs=1)
    assert finished.outcome is None
    assert isinstance(finished.error, Unwritable)


# ---- the offsets ----------------------------------------------------------------------------------------------------

CRASH = (FaultPlan(id="fault-1", name="crash", kind="process_kill"),)


def plan(*periods: int | None, faults: tuple[FaultPlan, ...] = CRASH) -> Plan:
    return Plan(
        groups=tuple(GroupPlan(name=f"g{i}", clients=1, period_ns=period) for i, period in enumerate(periods)),
        faults=faults,
    )


def test_offsets_fill_the_longest_request_period_of_any_group() -> None:
    offsets = draw_offsets(plan(S, 30 * S, None), Repetition(1000, 1, 0))
    assert min(offsets) >= 0
    assert max(offsets) < 30 * S
    # Of 1000 uniform ones the chance that a tenth has fewer than 60 is below 1e-5, and the seed is fixed.
    assert min(sum(offset // (3 * S) == tenth for offset in offsets) for tenth in range(10)) > 60


def test_the_same_seed_draws_the_same_offsets_and_more_runs_draw_more_of_them() -> None:
    few, many = (draw_offsets(plan(S), Repetition(runs, 4711, 0)) for runs in (3, 6))
    assert many[:3] == few
    assert few == [135_987_169, 490_319_577, 550_369_546], "a seed of today means the same tomorrow"
    assert draw_offsets(plan(S), Repetition(3, 4712, 0)) != few


def test_where_all_only_listen_an_offset_is_below_a_second() -> None:
    offsets = draw_offsets(plan(None, None), Repetition(200, 3, 0))
    assert 0 <= min(offsets) < max(offsets) < S


def test_without_a_fault_there_is_nothing_to_put_off() -> None:
    assert draw_offsets(plan(S, faults=()), Repetition(3, 1, 0)) == [0, 0, 0]


def test_a_run_is_told_its_offset(monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path) -> None:
    told: list[int] = []

    async def run_in(
        folder: Path, _loaded: Loaded, options: engine.Options, _watcher: engine.Watcher, _signals: Signals
    ) -> Outcome:
        told.append(options.offset_ns)
        return Outcome(replace(result(), title="t"), folder)

    monkeypatch.setattr(engine, "run_in", run_in)
    repetition = Repetition(3, 4711, 0)
    finished = asyncio.run(run_series(tiny, engine.Options(report_dir=tmp_path), repetition, quietly))
    assert told == [run.offset_ns for run in read_series(finished.folder).begun]
    assert all(0 <= offset < S // 4 for offset in told), "four requests a second"
    assert len(set(told)) == 3


def test_all_exit_codes_have_an_order() -> None:
    assert set(PRECEDENCE) == set(Exit)


def test_all_runs_together_are_held_against_earlier_ones_and_none_by_itself(
    monkeypatch: pytest.MonkeyPatch, tiny: Loaded, tmp_path: Path
) -> None:
    standard = Standard(metric="ttr", values=((1.0, 0.01), (1.1, 0.01), (1.2, 0.01)))
    against = Against(named="last-good", runs=("a", "b", "c"), numbers=(standard,))
    seen: list[Against | None] = []

    async def run_in(folder: Path, _loaded: Loaded, options: engine.Options, *_more: object) -> Outcome:
        seen.append(options.against)
        slow = result(ttr=3.0 + len(seen) / 10)
        episode = EpisodeReport(ttr_s=slow.recovery.ttr_s, error_s=0.1)
        return Outcome(replace(slow, recovery=replace(slow.recovery, episodes=[episode])), folder)

    monkeypatch.setattr(engine, "run_in", run_in)
    options = engine.Options(report_dir=tmp_path, against=against)
    finished = asyncio.run(run_series(tiny, options, Repetition(3, 7, 0), quietly))
    found = outcome_of(finished)
    assert seen == [None] * 3
    assert (found.verdict, found.exit_code) == ("failed", Exit.FAILED)
    assert found.against is not None
    assert found.against.numbers[0].values == [3.1, 3.2, 3.3]
    assert read_series(finished.folder).planned.against == against
