"""What `--repeat`, `--seed` and `--cool-down` take, and what they refuse before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaosrun.commands._repeat import repetition
from chaosrun.errors import Exit, UsageError

S = 1_000_000_000


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    file = tmp_path / "well.yaml"
    file.write_text("title: all is well\n")  # it is not: whatever gets past the command line is refused for that
    return file


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--repeat", "0"), "0 is not in the range 1<=x<=1000"),
        (("--repeat", "1001"), "1001 is not in the range 1<=x<=1000"),
        (("--repeat", "many"), "'many' is not a valid integer"),
        (("--repeat", "6", "--seed", "-1"), "--seed"),
        (("--repeat", "6", "--cool-down", "5"), "--cool-down"),
        (("--seed", "7"), "--seed is about a series of runs; say --repeat N too"),
        (("--repeat", "1", "--cool-down", "5s"), "--cool-down is about a series of runs"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(
    chaosrun: Any, experiment: Path, options: tuple[str, ...], told: str
) -> None:
    done = chaosrun(experiment, *options)
    assert done.returncode == Exit.USAGE
    assert told in " ".join(done.stderr.split())
    assert not (experiment.parent / "reports").exists()


def test_a_series_that_cannot_be_kept_is_found_before_any_load(chaosrun: Any, repository: Path) -> None:
    file = repository / "experiments" / "server-restart.yaml"
    done = chaosrun(file, "--repeat", "2", "--report-dir", "/proc/reports")
    assert done.returncode == Exit.UNWRITABLE
    assert "--report-dir" in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_wrong_leaves_no_series_behind(chaosrun: Any, experiment: Path) -> None:
    done = chaosrun(experiment, "--repeat", "2")
    assert done.returncode == Exit.USAGE
    assert not (experiment.parent / "reports").exists()


def test_one_run_is_no_series() -> None:
    assert repetition(1, None, None) is None


def test_a_series_rests_five_seconds_between_runs_unless_told_otherwise() -> None:
    default, own = repetition(6, 7, None), repetition(6, 7, "0s")
    assert default is not None and own is not None
    assert (default.runs, default.seed, default.cool_down_ns) == (6, 7, 5 * S)
    assert own.cool_down_ns == 0


def test_a_seed_of_its_own_is_drawn_afresh() -> None:
    drawn = {each.seed for _ in range(8) if (each := repetition(2, None, None)) is not None}
    assert len(drawn) == 8
    assert all(0 <= seed < 2**32 for seed in drawn)


def test_a_negative_rest_is_refused() -> None:
    with pytest.raises(UsageError, match="--cool-down"):
        repetition(2, 1, "-1s")
