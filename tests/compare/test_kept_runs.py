"""Which runs a name on the command line stands for, and what is read of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept import CONDITIONS, changed, keep, keep_all, result
from msgspec.structs import replace

from chaosrun.errors import UsageError
from chaosrun.journal import Journal
from chaosrun.kept_runs import find_runs, read_kept, refuse_unlike
from chaosrun.plan import GroupPlan, Plan
from chaosrun.records import Began, Ended, LoadStopped, Phase
from chaosrun.scoring.comparison import Run
from chaosrun.scoring.result import Repeats, Spread, encode
from chaosrun.series_folder import Begun, Planned, SeriesLog

S = 1_000_000_000


def journal_of(folder: Path) -> Path:
    """A run that was recorded and not scored: a load test of three seconds in which nobody came."""
    folder.mkdir(parents=True)
    (folder / "samples").mkdir()
    journal = Journal(folder, "engine")
    plan = Plan(groups=(GroupPlan(name="accounts", clients=2, period_ns=S),))
    journal.append(Began(t=0, run="x", chaosrun_version="0", title="nobody came", plan=plan, conditions=CONDITIONS))
    for t, name in enumerate(("start", "ramp", "baseline", "drain")):
        journal.append(Phase(t=t * S, name=name))
    journal.append(LoadStopped(t=3 * S))
    journal.append(Ended(t=4 * S))
    journal.close()
    return folder


def series_of(folder: Path, *runs: str) -> Path:
    folder.mkdir(parents=True)
    log = SeriesLog(folder)
    log.write(Planned(runs=len(runs), seed=1, cool_down_ns=0))
    for run in runs:
        log.write(Begun(folder=run, offset_ns=0))
        journal_of(folder / run)
    log.close()
    return folder


def test_a_name_is_a_run_a_result_a_series_or_a_folder_of_these(tmp_path: Path) -> None:
    run = keep(tmp_path / "reports" / "b-run", result(1.0))
    series = series_of(tmp_path / "reports" / "a-series", "run-1", "run-2")
    (tmp_path / "reports" / "empty").mkdir()
    assert find_runs(str(run)) == [run]
    assert find_runs(str(run / "result.json")) == [run / "result.json"]
    assert find_runs(str(series)) == [series / "run-1", series / "run-2"]
    assert find_runs(str(tmp_path / "reports")) == [series / "run-1", series / "run-2", run]


def test_several_names_stand_with_commas_between_them(tmp_path: Path) -> None:
    one, two = keep(tmp_path / "one", result(1.0)), keep(tmp_path / "two", result(1.0))
    assert find_runs(f"{one},{two},{one}") == [one, two]
    odd = keep(tmp_path / "odd,name", result(1.0))
    assert find_runs(str(odd)) == [odd]


def test_a_run_of_several_names_is_one_run(tmp_path: Path) -> None:
    one, two = keep(tmp_path / "all" / "b-one", result(1.0)), keep(tmp_path / "all" / "c-two", result(1.0))
    (tmp_path / "all" / "a-latest").symlink_to(one)
    latest = tmp_path / "all" / "a-latest"
    assert find_runs(str(tmp_path / "all")) == [latest, two]
    assert find_runs(f"{one},{one.parent / '..' / 'all' / 'b-one'},{one / 'result.json'},{latest}") == [one]


@pytest.mark.parametrize("named", ["", ",", "x" * 5000, f"{'x' * 5000},y", "\0"])
def test_what_names_nothing_or_cannot_be_a_name_is_refused(named: str) -> None:
    with pytest.raises(UsageError):
        find_runs(named)


def test_a_name_of_nothing_is_refused_with_what_there_is(tmp_path: Path) -> None:
    keep(tmp_path / "release-1", result(1.0))
    with pytest.raises(UsageError, match=r"did you mean .*release-1"):
        find_runs(str(tmp_path / "release-2"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no run is kept here"):
        find_runs(str(tmp_path / "empty"))


def test_a_run_that_was_not_scored_is_scored_and_nothing_is_written(tmp_path: Path) -> None:
    folder = journal_of(tmp_path / "run")
    before = sorted(folder.rglob("*"))
    run = read_kept(folder)
    assert (run.result.title, run.result.conditions) == ("nobody came", CONDITIONS)
    assert sorted(folder.rglob("*")) == before


NO_RESULTS = {
    "another type": b'{"title": 3}',
    "torn": b'{"title": "',
    "not UTF-8": b'{"title": "\xff"}',
    "too deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("what", NO_RESULTS)
def test_what_is_no_result_is_refused_with_its_place(tmp_path: Path, what: str) -> None:
    wrong = tmp_path / "result.json"
    wrong.write_bytes(NO_RESULTS[what])
    with pytest.raises(UsageError, match=r"result\.json: is no result\.json of chaosrun"):
        read_kept(wrong)


def test_a_result_of_another_schema_is_not_misread(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(encode(replace(result(1.0), schema=2)))
    with pytest.raises(UsageError, match="schema 2"):
        read_kept(file)


def test_the_result_of_a_series_is_that_of_no_single_run(tmp_path: Path) -> None:
    repeats = Repeats(
        n=2, asked=2, passed=2, failed=0, inconclusive=0, aborted=0, dirty=0, broken=0,
        failure_probability_below=0.8, confidence=0.95, ttr_s=Spread(), seed=1, cool_down_s=0.0, worst="run-1", runs=[],
    )  # fmt: skip
    file = tmp_path / "result.json"
    file.write_bytes(encode(replace(result(1.0), repeats=repeats)))
    with pytest.raises(UsageError, match="name its folder"):
        read_kept(file)


def test_runs_of_one_side_that_differ_are_refused_too() -> None:
    other = changed(CONDITIONS, {"machine.host": "there"})
    a = [Run("one", result(1.0)), Run("two", result(1.0, other))]
    with pytest.raises(UsageError, match="A as well is two"):
        refuse_unlike(a, [Run("three", result(1.0))])
    refuse_unlike(a[:1], [Run("three", result(1.0))])


def test_a_condition_of_several_lines_has_one_line_in_the_refusal() -> None:
    other = changed(CONDITIONS, {"method.0.script": "one\ntwo"})
    with pytest.raises(UsageError, match=r"method\.0\.script +\(not set\) +one two\n"):
        refuse_unlike([Run("one", result(1.0))], [Run("two", result(1.0, other))])


def test_a_run_that_does_not_tell_its_conditions_is_refused() -> None:
    with pytest.raises(UsageError, match="old: does not tell under which conditions"):
        refuse_unlike([Run("new", result(1.0))], [Run("old", result(1.0, None))])


def test_a_folder_of_runs_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = keep_all(tmp_path / "all", [3.0, 1.0, 2.0])
    assert [read_kept(run).result.recovery.ttr_s for run in find_runs(str(folder))] == [3.0, 1.0, 2.0]
