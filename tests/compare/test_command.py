"""`chaosrun compare` as a user calls it: what it prints, and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from click.testing import CliRunner
from kept import CONDITIONS, RELEASE_2, changed, keep_all

from chaosrun.cli import run_command_line
from chaosrun.errors import Exit


class Done:
    """What came of a call."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the command line in this process, with its streams caught."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Done:
        with CliRunner().isolation() as streams:
            code = run_command_line(["compare", *arguments])
            out, err = (stream.getvalue().decode() for stream in streams[:2])
        return Done(code, out, err)

    return call


def test_a_slower_release_is_a_regression_and_exits_1(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [4.0, 4.1, 4.4], RELEASE_2)
    done = compare("v1", "v2")
    assert done.code == Exit.FAILED
    assert "REGRESSION" in done.out
    assert "target.url: ws://127.0.0.1:8001/ws -> ws://127.0.0.1:8002/ws" in done.out
    assert "machine.kernel: 6.1 -> 6.2" in done.out


def test_an_equal_release_exits_0_and_says_what_would_have_been_seen(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [2.05, 2.15, 2.1])
    done = compare("v1", "v2")
    assert done.code == Exit.PASSED
    assert "NO REGRESSION" in done.out
    assert "one would have been shown" in " ".join(done.out.split())


def test_a_run_against_a_run_proves_nothing_and_exits_3(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0])
    keep_all(tmp_path / "v2", [9.0])
    done = compare("v1", "v2")
    assert done.code == Exit.INCONCLUSIVE
    assert "1 and 1 runs are too few" in done.out


def test_different_conditions_are_refused_with_both_values_side_by_side(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0])
    keep_all(
        tmp_path / "v2", [2.0], changed(CONDITIONS, {"steady_state.load.accounts.clients": "20", "timing.after": "1s"})
    )
    done = compare("v1", "v2")
    assert done.code == Exit.USAGE
    assert done.out == ""
    rows = [line.split() for line in done.err.splitlines()]
    assert ["steady_state.load.accounts.clients", "300", "20"] in rows
    assert ["timing.after", "(not", "set)", "1s"] in rows


def test_a_run_is_not_compared_with_itself(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.0])
    for other in ("v1/../v1/run-2", "v1/run-2/result.json"):
        done = compare("v1", other)
        assert done.code == Exit.USAGE
        assert "run-2: is in A and in B" in done.err


@pytest.mark.parametrize("sides", [("v1,copy", "v2"), ("v1", "v2,copy"), ("v1", "copy"), ("all", "v2")])
def test_a_run_that_was_copied_is_not_counted_twice(compare: Any, tmp_path: Path, sides: tuple[str, str]) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1])
    keep_all(tmp_path / "v2", [4.0, 4.1], RELEASE_2)
    copytree(tmp_path / "v1" / "run-2", tmp_path / "copy")
    copytree(tmp_path / "v1", tmp_path / "all")
    copytree(tmp_path / "copy", tmp_path / "all" / "run-3")
    done = compare(*sides)
    assert (done.code, done.out) == (Exit.USAGE, "")
    first, second = ("all/run-2", "all/run-3") if "all" in sides else ("v1/run-2", "copy")
    assert f"{first} and {second}: are the same run, begun at 2026-11-21T09:00:00Z, which was copied" in " ".join(
        done.err.split()
    )
    assert "name it once, or take the copy away" in done.err


def test_the_numbers_that_decide_can_be_named(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [4.0, 4.1, 4.4])
    assert compare("v1", "v2", "--metric", "response_p99").code == Exit.PASSED
    assert compare("v1", "v2", "--metric", "outage").code == Exit.FAILED
    assert compare("v1", "v2", "--metric", "ttr", "--metric", "ttr").code == Exit.FAILED


@pytest.mark.parametrize(
    ("name", "hint"),
    [("back_9", "did you mean 'back_99'"), ("zzz", "known: ttr"), ("ttr@baseline", "only a latency")],
)
def test_a_number_that_is_none_is_refused_with_those_that_are(
    compare: Any, tmp_path: Path, name: str, hint: str
) -> None:
    keep_all(tmp_path / "v1", [2.0])
    keep_all(tmp_path / "v2", [2.0])
    done = compare("v1", "v2", "--metric", name)
    assert done.code == Exit.USAGE
    assert hint in done.err


def test_more_runs_than_can_be_counted_exactly_are_refused(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0] * 61)
    keep_all(tmp_path / "v2", [2.0] * 60)
    done = compare("v1", "v2")
    assert done.code == Exit.USAGE
    assert "at most 120 in all" in done.err


def test_the_json_has_all_of_it_and_says_infinite_in_words(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [None, None, None])
    done = compare("v1", "v2", "--format", "json")
    found = json.loads(done.out)
    assert " ".join(found) == "schema verdict exit_code reasons fingerprint a b numbers under_test noted"
    assert (found["verdict"], found["exit_code"], done.code) == ("regression", 1, Exit.FAILED)
    ttr = found["numbers"][0]
    assert (ttr["name"], ttr["ratio"], ttr["b"]["values"]) == ("ttr", "infinite", ["infinite"] * 3)
    assert " ".join(ttr) == (
        "name unit decides verdict why a b p p_corrected smallest_p ratio ratio_at_least ratio_at_most shift error "
        "detectable_ratio"
    )

    back = json.loads(compare("v2", "v1", "--format", "json").out)["numbers"][0]
    assert (back["ratio"], back["shift"]) == (0.0, "-infinite")


def test_a_page_has_both_side_by_side_and_says_what_cannot_be_drawn(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [4.0, 4.1, 4.4], RELEASE_2)
    done = compare("v1", "v2", "--page", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert done.code == Exit.FAILED
    assert "the page is page.html" in done.err
    assert "Regression" in page
    assert page.count("What was recorded of this run is not there any more, so it cannot be drawn.") == 2


def test_a_page_that_cannot_be_written_is_told(compare: Any, tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0])
    keep_all(tmp_path / "v2", [4.0], RELEASE_2)
    done = compare("v1", "v2", "--page", "gone/page.html")
    assert done.code == Exit.UNWRITABLE
    assert "gone/page.html: cannot be written (No such file or directory); name another file with --page" in done.err


def test_it_works_as_a_process_of_its_own(tmp_path: Path) -> None:
    keep_all(tmp_path / "v1", [2.0, 2.1, 2.2])
    keep_all(tmp_path / "v2", [4.0, 4.1, 4.4])
    done = subprocess.run(
        [sys.executable, "-m", "chaosrun", "compare", "v1", "v2"],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == Exit.FAILED
    assert done.stderr == ""
    assert done.stdout.startswith(" REGRESSION ")
