"""`chaosrun history` as a user calls it: what it prints and writes, and its exit code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from past import STEADY, keep_days

from chaosrun.cli import run_command_line
from chaosrun.errors import Exit
from chaosrun.spec.loader import load_experiment

SLOW = [3.0, 3.1, 3.05]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the command line in this process; its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        with CliRunner().isolation() as streams:
            code = run_command_line(["history", *arguments])
            out, err = (stream.getvalue().decode() for stream in streams[:2])
        return code, out, err

    return call


def test_it_says_what_got_worse_and_exits_1_only_if_asked(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [*STEADY, *SLOW])
    code, out, err = history()
    assert (code, err) == (Exit.PASSED, "")
    assert "REGRESSION since run-009" in out
    assert "▆▆▅▆▆▆▆▆▆███  3.05 s" in out
    assert history("--check")[0] == Exit.FAILED


def test_an_unchanged_history_passes_the_check(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [*STEADY, 2.0, 2.1, 1.9])
    code, out, _ = history("--check")
    assert code == Exit.PASSED
    assert "no regression" in out
    assert "REGRESSION" not in out


def test_a_folder_whose_name_is_no_text_can_be_told_as_json_and_accepted_of(history: Any, tmp_path: Path) -> None:
    reports = os.fsdecode(b"caf\xe9")
    keep_days(tmp_path / reports, [*STEADY, *SLOW])
    code, out, _ = history("--report-dir", reports, "--format", "json")
    assert (code, json.loads(out)["folder"]) == (Exit.PASSED, "caf\\udce9")
    assert history("users", "--report-dir", reports, "--accept", os.fsdecode(b"b\xe9"))[0] == Exit.PASSED
    assert history("--report-dir", reports, "--check")[0] == Exit.PASSED


def test_a_named_experiment_shows_its_runs_newest_first(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [2.0, None], title="Users are served")
    keep_days(tmp_path / "reports", [2.0], title="Prices arrive")
    code, out, _ = history("users")
    assert code == Exit.PASSED
    assert "Prices" not in out
    assert out.index("run-001  ") < out.index("run-000  ")
    assert "never" in out
    assert "run-000" not in history("users", "--last", "1")[1].partition("verdict")[2]


def test_a_file_stands_for_the_experiment_in_it(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [2.0], title="Something else")
    experiment = Path(__file__).parents[2] / "experiments" / "server-restart.yaml"
    title = load_experiment(experiment).experiment.title
    keep_days(tmp_path / "reports", [2.0], title=title)
    code, out, _ = history(str(experiment))
    assert code == Exit.PASSED
    assert out.startswith(title)
    assert "Something else" not in out


def test_what_nobody_ran_is_refused_with_what_there_is(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [2.0])
    code, _, err = history("nonsense")
    assert code == Exit.USAGE
    assert "there are runs of: Users are served" in err
    assert history("--metric", "trr")[0] == Exit.USAGE
    assert "did you mean 'ttr'?" in history("--metric", "trr")[2]


def test_without_runs_it_says_where_it_looked(history: Any, tmp_path: Path) -> None:
    assert "reports: cannot be read (No such file or directory)" in history()[2]
    (tmp_path / "reports").mkdir()
    code, _, err = history()
    assert code == Exit.USAGE
    assert "no run is kept here" in err


def test_json_is_all_of_it_with_infinities_as_text(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [*STEADY, None, None, None])
    _, out, _ = history("--format", "json")
    found = json.loads(out)
    (line,) = found["lines"]
    assert (found["schema"], line["verdict"], line["trends"][0]["ratio"]) == (1, "regression", "infinite")
    assert [run["value"] for run in line["trends"][0]["runs"][-3:]] == ["infinite"] * 3


def test_a_broken_index_is_told_on_standard_error_and_nothing_is_lost(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [2.0])
    (tmp_path / "reports" / "history.sqlite3").write_bytes(b"nonsense" * 99)
    code, out, err = history()
    assert code == Exit.PASSED
    assert "Users are served" in out
    assert "history.sqlite3.broken-1" in err


def test_runs_that_cannot_be_read_are_named(history: Any, tmp_path: Path) -> None:
    (first, _) = keep_days(tmp_path / "reports", [2.0, 2.1])
    (first / "result.json").write_text("{}")
    out = history()[1]
    assert "cannot be read: run-000" in out
    assert "Runs        1," in out


def test_the_page_links_to_the_reports_that_are_there(history: Any, tmp_path: Path) -> None:
    first, _ = keep_days(tmp_path / "reports", [2.0, 2.1])
    (first / "report.html").write_text("x")
    (tmp_path / "public").mkdir()
    code, _, err = history("--page", "public/history.html")
    assert code == Exit.PASSED
    assert "the page is public/history.html" in err
    page = (tmp_path / "public" / "history.html").read_text()
    assert 'href="../reports/run-000/report.html"' in page
    assert "run-001/report.html" not in page


def test_a_page_that_cannot_be_written_is_told(history: Any, tmp_path: Path) -> None:
    keep_days(tmp_path / "reports", [2.0])
    code, _, err = history("--page", "nowhere/history.html")
    assert code == Exit.UNWRITABLE
    assert "name another file with --page" in err
