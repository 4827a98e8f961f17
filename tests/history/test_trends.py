"""From runs to lines: what is told apart, and what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

import pytest
from kept import CONDITIONS, changed, keep
from msgspec.structs import replace
from past import STEADY, keep_days, ran

from chaosrun.history.index import read_runs
from chaosrun.history.trends import History, Line, history
from chaosrun.scoring.result import Quantiles

ELSEWHERE = changed(CONDITIONS, {"machine.host": "there"})


def told(folder: Path, metric: str | None = None) -> History:
    return history(read_runs(folder), metric)


def only(folder: Path, times: Sequence[float | None]) -> Line:
    keep_days(folder, times)
    (line,) = told(folder).lines
    return line


def test_a_planted_regression_is_flagged_with_its_first_run_and_its_numbers(tmp_path: Path) -> None:
    line = only(tmp_path, [*STEADY, 3.0, 3.1, 3.05, 3.2])
    (trend,) = line.trends
    assert (line.verdict, trend.since, line.last_good) == ("regression", "run-009", "run-008")
    assert trend.newest == ("run-010", "run-011", "run-012")
    assert "the newest 3 (3.1 s, 3.05 s, 3.2 s) against the 9 good ones before them (median 2.02 s)" in trend.why
    assert "1.54 times as large, at least 1.49 times (95%), p = 0.0045" in trend.why
    assert [run.place for run in trend.runs if run.worse] == ["run-009", "run-010", "run-011", "run-012"]


def test_an_unchanged_history_is_not_flagged(tmp_path: Path) -> None:
    line = only(tmp_path, [*STEADY, 2.0, 2.06, 1.96])
    assert (line.verdict, line.trends[0].since) == ("no_regression", None)
    assert "1.14 times as large, one would have been shown" in line.trends[0].why


def test_too_few_runs_say_how_many_it_takes(tmp_path: Path) -> None:
    line = only(tmp_path, STEADY[:5])
    assert line.verdict == "cannot_tell"
    assert line.trends[0].why == "too early to tell: 2 good runs; it takes 3 new runs and 9 good ones before them"


def test_runs_under_other_conditions_are_a_line_of_their_own_and_it_says_why(tmp_path: Path) -> None:
    keep_days(tmp_path, STEADY)
    keep_days(tmp_path, [9.0, 9.0, 9.0], conditions=ELSEWHERE)
    new, old = told(tmp_path).lines
    assert (new.runs, new.verdict, old.runs) == (3, "cannot_tell", 9)
    assert [(each.name, each.a, each.b) for each in new.differs] == [("machine.host", "here", "there")]
    assert old.differs == ()


def test_other_experiments_are_other_lines_and_regressions_come_first(tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, 3.0, 3.1, 3.05], title="Slow")
    keep_days(tmp_path, [2.0], title="Newer")
    assert [line.title for line in told(tmp_path).lines] == ["Slow", "Newer"]


def test_a_load_test_is_looked_at_by_its_latency_and_any_by_another_number(tmp_path: Path) -> None:
    keep(tmp_path / "load", replace(ran(2.0), faults=[]))
    assert [trend.name for trend in told(tmp_path).lines[0].trends] == ["response_p99"]
    assert [trend.name for trend in told(tmp_path, "back_99").lines[0].trends] == ["back_99"]
    with pytest.raises(KeyError):
        told(tmp_path, "nonsense")


def test_each_group_has_a_trend_and_one_worse_makes_the_line_worse(tmp_path: Path) -> None:
    for day in range(15):
        one = ran(2.0, day=day)
        (group,) = one.groups.values()
        slow = 0.9 if day >= 12 else 0.3
        groups = {
            name: replace(group, latency_ms=replace(group.latency_ms, response={"all": Quantiles(count=9, p99=ms)}))
            for name, ms in (("a", 300.0 + day), ("b", slow * 1000 + day))
        }
        keep(tmp_path / f"run-{day:02}", replace(one, groups=groups, faults=[]))
    (line,) = told(tmp_path).lines
    assert line.verdict == "regression"
    assert [(trend.name, trend.verdict) for trend in line.trends] == [
        ("response_p99 of a", "no_regression"),
        ("response_p99 of b", "regression"),
    ]
    assert line.trends[1].p == pytest.approx(2 / 455)


def test_a_run_that_never_recovered_is_never_and_one_that_failed_is_not_good(tmp_path: Path) -> None:
    keep_days(tmp_path, [2.0])
    keep_days(tmp_path, [None], verdict="failed")
    (line,) = told(tmp_path).lines
    assert [(run.value, run.good) for run in line.trends[0].runs] == [(2.0, True), (inf, False)]
    assert (line.last_good, line.last_verdict) == ("run-000", "failed")


def test_a_run_slowed_by_a_busy_machine_counts_for_nothing(tmp_path: Path) -> None:
    keep_days(tmp_path, STEADY)
    for day in range(9, 12):
        slow = ran(3.0, day=day)
        keep(tmp_path / f"run-{day:03}", replace(slow, observer=replace(slow.observer, slowed=True)))
    (line,) = told(tmp_path).lines
    assert line.verdict == "cannot_tell"
    assert not any(run.counts for run in line.trends[0].runs[9:])


def test_runs_of_which_nobody_knows_the_conditions_are_shown_and_never_judged(tmp_path: Path) -> None:
    for day, ttr in enumerate([*STEADY, 3.0, 3.1, 3.05]):
        keep(tmp_path / f"run-{day:02}", replace(ran(ttr, day=day), conditions=None, fingerprint=""))
    (line,) = told(tmp_path).lines
    assert (line.runs, line.verdict, line.last_good) == (12, "cannot_tell", None)
    assert [run.value for run in line.trends[0].runs] == [*STEADY, 3.0, 3.1, 3.05]


def test_runs_without_a_load_group_are_no_clean_bill(tmp_path: Path) -> None:
    for day in range(12):
        keep(tmp_path / f"run-{day}", replace(ran(2.0, day=day), groups={}, faults=[]))
    (line,) = history(read_runs(tmp_path)).lines
    assert (line.verdict, line.trends) == ("cannot_tell", ())
