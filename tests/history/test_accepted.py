"""Slower is the new normal: what is kept of it, what it changes in a history and in what runs are held against."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kept import CONDITIONS, changed, keep
from msgspec.structs import replace
from past import STEADY, keep_days, ran

from chaosrun.against import Against
from chaosrun.cli import run_command_line
from chaosrun.errors import Exit
from chaosrun.history.accepted import FILE, LONGEST, Acceptance, read_accepted, write_accepted
from chaosrun.history.index import read_runs
from chaosrun.history.trends import Line, history
from chaosrun.machine import environment
from chaosrun.reports._history_page import render_page
from chaosrun.scoring.result import AgainstNumber, AgainstReport, Criterion, Quantiles, Result
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.loader import load_experiment
from chaosrun.spec.plan import make_plan
from chaosrun.standards import find_against

SLOW = [3.0, 3.1, 3.05]
WHY = "TLS since 2.4"
ELSEWHERE = changed(CONDITIONS, {"machine.host": "there"})
CRASH = Path(__file__).parents[2] / "experiments" / "server-restart.yaml"
REGRESSION = AgainstNumber(name="ttr", unit="s", verdict="regression", why="", values=[3.0], good=[2.0])
WORSE = AgainstReport(named="last-good", runs=[], waived="", numbers=[REGRESSION])


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls `chaosrun history` in this process; its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with CliRunner().isolation() as streams:
            code = run_command_line(["history", "--report-dir", ".", *arguments])
            out, err = (stream.getvalue().decode() for stream in streams[:2])
        return code, out, err

    return call


def line(folder: Path, metric: str | None = None) -> Line:
    (only,) = history(read_runs(folder), metric).lines
    return only


def held(folder: Path) -> Against:
    """What a run of now would be held against."""
    loaded = load_experiment(CRASH, profile="smoke")
    return find_against("last-good", loaded, folder)


def of_now(folder: Path, times: list[float]) -> None:
    loaded = load_experiment(CRASH, profile="smoke")
    keep_days(folder, times, conditions=conditions_of(loaded, make_plan(loaded), environment()))


def failed_as_worse(day: int, *own: bool | None) -> Result:
    """A run that `--against` failed, with such outcomes of its own criteria."""
    criteria = [Criterion(name="back", metric="back_99", window="whole", outcome=outcome) for outcome in own]
    criteria.append(Criterion(name="no regression", metric="ttr", source="against", window="whole", outcome=False))
    return replace(ran(3.2, day=day, verdict="failed"), criteria=criteria, against=WORSE)


# ---- what it changes ------------------------------------------------------------------------------------------------


def test_what_was_accepted_is_no_regression_and_later_runs_are_held_against_it(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    assert line(tmp_path).verdict == "regression"
    code, out, err = command("users", "--accept", WHY, "--check")
    assert code == Exit.PASSED
    assert "accepted: ttr as it is since run-009; it is kept in run-011" in err
    assert "REGRESSION" not in out
    found = line(tmp_path)
    (trend,) = found.trends
    assert (found.verdict, found.last_good, trend.since) == ("cannot_tell", "run-011", None)
    assert "0 runs with a value since slower was accepted; it takes 3 new runs and 9 good ones" in trend.why
    (accepted,) = trend.accepted
    assert (accepted.since, accepted.until, accepted.why) == ("run-009", "run-011", WHY)
    assert [run.place for run in trend.runs if run.accepted] == ["run-009", "run-010", "run-011"]
    assert not any(run.worse for run in trend.runs)
    keep_days(tmp_path, [3.0] * 9)
    assert line(tmp_path).verdict == "no_regression"
    keep_days(tmp_path, [4.0, 4.1, 4.05])
    (trend,) = line(tmp_path).trends
    assert (trend.verdict, trend.since) == ("regression", "run-021")
    assert set(trend.good) == {f"run-{n:03}" for n in range(9, 21)}


def test_the_next_run_is_held_against_what_was_accepted(command: Any, tmp_path: Path) -> None:
    of_now(tmp_path, [*STEADY, *SLOW])
    assert [value for value, _ in held(tmp_path).numbers[0].values] == STEADY
    command("users", "--accept", WHY)
    assert held(tmp_path).runs == ("run-009", "run-010", "run-011")
    of_now(tmp_path, [3.2])
    assert [value for value, _ in held(tmp_path).numbers[0].values] == [*SLOW, 3.2]
    command("users", "--revoke")
    assert [value for value, _ in held(tmp_path).numbers[0].values] == STEADY


def test_it_is_taken_back_step_by_step(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    command("users", "--accept", WHY)
    keep_days(tmp_path, [*([3.0] * 9), 4.0, 4.1, 4.05])
    assert command("users", "--accept", "more checks")[0] == Exit.PASSED
    assert [each.since for each in line(tmp_path).trends[0].accepted] == ["run-009", "run-021"]
    code, out, err = command("users", "--revoke")
    assert (code, "REGRESSION since run-021" in out) == (Exit.PASSED, True)
    assert "revoked: ttr as it is since run-021 (more checks)" in err
    assert [each.since for each in line(tmp_path).trends[0].accepted] == ["run-009"]
    command("users", "--revoke")
    assert line(tmp_path).trends[0].accepted == ()
    assert not list(tmp_path.rglob(FILE))
    code, _, err = command("users", "--revoke")
    assert (code, "nothing was accepted of ttr" in err) == (Exit.USAGE, True)


def test_it_lies_with_the_runs_so_that_the_index_may_go(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    command("users", "--accept", WHY)
    before = history(read_runs(tmp_path))
    for file in tmp_path.glob("history.sqlite3*"):
        file.unlink()
    assert history(read_runs(tmp_path)) == before
    # Under another folder and with other names, too.
    (tmp_path / "old").mkdir()
    for run in tmp_path.glob("run-*"):
        run.rename(tmp_path / "old" / f"x{run.name}")
    assert line(tmp_path).trends[0].accepted[0].since == "old/xrun-009"
    shutil.rmtree(tmp_path / "old" / "xrun-011")
    assert line(tmp_path).trends[0].accepted == ()


def test_only_the_number_that_was_looked_at_is_accepted(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    before = line(tmp_path, "response_p99")
    command("users", "--accept", WHY)
    assert line(tmp_path, "response_p99") == before
    (run,) = tmp_path.rglob(FILE)
    assert set(read_accepted(run.parent)) == {"ttr"}


def test_of_several_groups_those_that_are_flagged_are_accepted(command: Any, tmp_path: Path) -> None:
    for day in range(15):
        one = ran(2.0, day=day)
        (group,) = one.groups.values()
        slow = 0.9 if day >= 12 else 0.3
        groups = {
            name: replace(group, latency_ms=replace(group.latency_ms, response={"all": Quantiles(count=9, p99=ms)}))
            for name, ms in (("a", 300.0 + day), ("b", slow * 1000 + day))
        }
        keep(tmp_path / f"run-{day:02}", replace(one, groups=groups, faults=[]))
    command("users", "--accept", WHY)
    first, second = line(tmp_path).trends
    assert (first.verdict, first.accepted) == ("no_regression", ())
    assert (second.verdict, second.accepted[0].since) == ("cannot_tell", "run-12")
    assert line(tmp_path).verdict == "cannot_tell"


def test_runs_that_only_being_worse_had_failed_become_good_and_others_do_not(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    keep(tmp_path / "run-012", failed_as_worse(12, True))
    keep(tmp_path / "run-013", failed_as_worse(13, True, False))
    keep(tmp_path / "run-014", ran(3.1, day=14, verdict="failed"))
    command("users", "--accept", WHY)
    (trend,) = line(tmp_path).trends
    assert [run.place for run in trend.runs if run.good][-4:] == ["run-009", "run-010", "run-011", "run-012"]
    assert trend.accepted[0].until == "run-014"
    keep(tmp_path / "run-015", failed_as_worse(15, True))
    assert not line(tmp_path).trends[0].runs[-1].good, "what came after it is judged as ever"


def test_a_series_that_was_worse_becomes_good(command: Any, tmp_path: Path) -> None:
    from test_index import REPEATS

    keep_days(tmp_path, STEADY)
    series = keep(tmp_path / "series", replace(ran(3.0, verdict="failed"), repeats=REPEATS, against=WORSE))
    (series / "journal.jsonl").unlink(missing_ok=True)
    for day, ttr in enumerate(SLOW, len(STEADY)):
        keep(series / f"run-{day}", ran(ttr, day=day))
    assert not any(run.is_good for run in read_runs(tmp_path).runs[-3:])
    command("users", "--accept", WHY)
    assert (series / "run-11" / FILE).is_file()
    assert [run.good for run in line(tmp_path).trends[0].runs[-3:]] == [True] * 3


# ---- how it is shown ------------------------------------------------------------------------------------------------


def test_it_is_marked_with_its_reason_in_the_text_the_json_and_on_the_page(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    _, out, _ = command("users", "--accept", "<b>TLS</b>\x1b[31m & more")
    assert "Accepted    ttr as it is since run-009, on " in out
    assert "with run-011: <b>TLS</b>" in " ".join(out.split())
    assert "\x1b" not in out
    assert sum(row.rstrip().endswith("accepted") for row in out.splitlines()) == 3
    told = json.loads(command("users", "--format", "json")[1])["lines"][0]["trends"][0]
    assert told["accepted"][0]["why"] == "<b>TLS</b>\x1b[31m & more"
    assert [run["accepted"] for run in told["runs"]] == [False] * 9 + [True] * 3
    page = render_page(history(read_runs(tmp_path)), lambda _: None).decode()
    assert "Accepted: ttr as it is since run-009, on " in page
    assert "&lt;b&gt;TLS&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert page.count('class="anew"') == 1
    assert page.count('<td class="why">accepted') == 3


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_of_several_lines_one_has_to_be_named(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    keep_days(tmp_path, [*STEADY, *SLOW], conditions=ELSEWHERE)
    for option in (("--accept", WHY), ("--revoke",)):
        code, out, err = command("users", *option)
        assert (code, out) == (Exit.USAGE, "")
        assert f"{option[0]} is about one line of the history, and 2 are meant" in err
        assert f"  {CONDITIONS.fingerprint()[:8]}  Users are served, 12 runs, the last run-011" in err
        assert f"  {ELSEWHERE.fingerprint()[:8]}  Users are served, 12 runs, the last run-023" in err
    assert not list(tmp_path.rglob(FILE))
    assert command(CONDITIONS.fingerprint()[:8], "--accept", WHY)[0] == Exit.PASSED
    assert [file.parent.name for file in tmp_path.rglob(FILE)] == ["run-011"]


def test_what_is_not_worse_cannot_be_accepted(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, STEADY)
    code, _, err = command("users", "--accept", WHY)
    assert code == Exit.USAGE
    assert "nothing is to be accepted, for its newest runs were not found worse by ttr" in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--accept", WHY], "--accept is about one experiment"),
        (["--revoke"], "--revoke is about one experiment"),
        (["users", "--accept", "  "], "say why"),
        (["users", "--accept", "x" * (LONGEST + 1)], f"at most {LONGEST}"),
        (["users", "--accept", WHY, "--revoke"], "say only one"),
    ],
)
def test_a_call_without_sense_is_refused(command: Any, tmp_path: Path, arguments: list[str], told: str) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    code, _, err = command(*arguments)
    assert (code, told in err) == (Exit.USAGE, True)
    assert not list(tmp_path.rglob(FILE))


def test_where_nothing_can_be_written_nothing_is_accepted(command: Any, tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    (tmp_path / "run-011" / f".{FILE}.part").mkdir()
    code, _, err = command("users", "--accept", WHY)
    assert (code, "nothing was changed" in err) == (Exit.UNWRITABLE, True)
    assert line(tmp_path).verdict == "regression"


# ---- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "accepted.json: "),
        ('{"schema": 1, "numbers": {"ttr": {"since": "x", "why": "", "accepted_at": ""}}}', "'x' is no time"),
        ('{"schema": 2, "numbers": {}}', "is of version 2"),
        ('{"x":' + "[" * 200_000, "recursion"),
        (" " * (1 << 20) + "{}", "is larger than chaosrun ever writes it"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_the_run_still_counts(
    command: Any, tmp_path: Path, text: str, told: str
) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    (tmp_path / "run-011" / FILE).write_text(text)
    found = history(read_runs(tmp_path))
    ((place, why),) = found.unread
    assert (place, told in why) == ("run-011", True)
    assert (found.lines[0].runs, found.lines[0].verdict) == (12, "regression")
    code, _, err = command("users", "--accept", WHY)
    assert (code, "mend or remove the file" in err) == (Exit.USAGE, True)
    assert (tmp_path / "run-011" / FILE).read_text() == text


@pytest.mark.timeout(20)
def test_a_pipe_or_a_link_in_its_place_is_no_file_of_ours(tmp_path: Path) -> None:
    keep_days(tmp_path, [*STEADY, *SLOW])
    os.mkfifo(tmp_path / "run-010" / FILE)
    (tmp_path / "run-011" / FILE).symlink_to("/dev/zero")
    found = history(read_runs(tmp_path))
    assert (found.unread, found.lines[0].verdict) == ((), "regression")


def test_it_reads_back_as_it_was_and_nothing_is_no_file(tmp_path: Path) -> None:
    said = {"ttr": Acceptance(since="2026-03-10T04:00:00+00:00", why=WHY, accepted_at="2026-03-13T08:00:00+00:00")}
    write_accepted(tmp_path, said)
    assert read_accepted(tmp_path) == said
    assert json.loads((tmp_path / FILE).read_text())["numbers"]["ttr"]["why"] == WHY
    write_accepted(tmp_path, {})
    write_accepted(tmp_path, {})
    assert (read_accepted(tmp_path), list(tmp_path.iterdir())) == ({}, [])
