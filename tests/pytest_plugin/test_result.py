"""What a test is told of a run that was not passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs
from ran import result as ran

from chaosrun.pytest import NotPassed
from chaosrun.pytest._result import RunResult, read_result
from chaosrun.scoring.result import Criterion, Result, encode


def made(verdict: str, *criteria: Criterion, reasons: list[str]) -> RunResult:
    told = ran(verdict, title="Users are back", reasons=reasons, criteria=list(criteria))
    return RunResult(**structs.asdict(told), folder=None)


LATE = Criterion(
    name="ttr", metric="ttr", window="whole", value=7.25, unit="s", limit=5.0, written="max 5s", outcome=False,
    error=0.1, why="7.25 s; at most 5 s is asked", where="my.yaml:12",
)  # fmt: skip
UNSEEN = Criterion(name="usable", metric="usable", window="verify", unit="ratio", written="min 99%", why="no evidence")
KEPT = Criterion(name="bad", metric="bad", window="verify", value=0.0, unit="ratio", written="max 1%", outcome=True)


def test_what_does_not_hold_is_told_with_value_error_and_limit_and_what_holds_is_not() -> None:
    result = made("failed", KEPT, LATE, reasons=["failed: ttr in whole: 7.25 s; at most 5 s is asked"])
    with pytest.raises(NotPassed) as raised:
        result.assert_passed()
    said = str(raised.value).splitlines()
    assert said[0] == "failed: Users are back: 1 of 2 criteria broken"
    assert (
        "  ttr in whole does not hold: 7.25 s ± 100 ms, limit max 5s: 7.25 s; at most 5 s is asked (my.yaml:12)" in said
    )
    assert "bad" not in str(raised.value)


def test_what_is_unknown_only_because_nothing_was_injected_does_not_hide_why() -> None:
    result = made("inconclusive", UNSEEN, reasons=["not injected: the baseline was not steady"])
    assert result.explanation().splitlines()[1:] == ["  not injected: the baseline was not steady", "report: gone"]


def test_a_criterion_is_found_by_its_name_and_a_wrong_name_is_told_what_there_is() -> None:
    result = made("passed", KEPT, structs.replace(KEPT, window="baseline"), LATE, reasons=[])
    assert result.criterion("ttr").value == 7.25
    assert result.criterion("bad", "verify").window == "verify"
    with pytest.raises(
        LookupError, match="2 criteria 'bad'; known: 'bad' in verify, 'bad' in baseline, 'ttr' in whole"
    ):
        result.criterion("bad")
    with pytest.raises(LookupError, match="0 criteria 'ttl'"):
        result.criterion("ttl")


def test_the_folder_of_a_run_is_the_one_with_its_very_result(tmp_path: Path) -> None:
    plain = made("passed", KEPT, reasons=[])
    fields = {name: value for name, value in structs.asdict(plain).items() if name != "folder"}
    mine, other = (encode(Result(**{**fields, "duration_s": seconds})) for seconds in (1.0, 2.0))
    for name, data in {"1": mine, "2": other}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_bytes(data)
    read = read_result(mine, tmp_path)
    assert read.folder == tmp_path / "1"
    assert read.report == tmp_path / "1", "no page was drawn"
    assert read_result(mine, tmp_path / "elsewhere").folder is None
