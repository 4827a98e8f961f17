"""`--against last-good` on real runs: too few good ones ask nothing yet, and a regression fails the run."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import msgspec
import pytest
from e2e_running import PATIENCE_S, ROOT, TINY, conclusive
from msgspec.structs import replace

from chaosrun.scoring.result import RecoveryReport, Result, decode, encode


def keep_faster(reports: Path, real: Result, runs: int) -> None:
    """So many good runs like a real one, whose service was back in a tenth of the time."""
    recovery = msgspec.to_builtins(real.recovery)
    for number in range(runs):
        changed = {"ttr_s": recovery["ttr_s"] / 10 + number / 1000, "error_s": 0.001}
        faster = recovery | changed | {"episodes": [recovery["episodes"][0] | changed]}
        folder = reports / f"0-faster-{number:02}"  # the real run sorts last
        folder.mkdir(parents=True)
        kept = replace(real, recovery=msgspec.convert(faster, RecoveryReport), verdict="passed", exit_code=0)
        (folder / "result.json").write_bytes(encode(kept))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_run_slower_than_the_last_good_ones_fails_and_scores_to_the_same_bytes(tmp_path: Path) -> None:
    first = conclusive(TINY, "--against", "last-good", reports=tmp_path)
    assert first.code == 0
    assert "not held against last-good: there is no good run of it" in first.err
    assert first.kept["against"]["waived"].startswith("there is no good run of it")
    assert first.folder is not None

    real, tries = decode((first.folder / "result.json").read_bytes()), count()

    def good_ones() -> None:
        keep_faster(tmp_path / "again" / f"try-{next(tries)}", real, 20)

    second = conclusive(TINY, "--against", "last-good", reports=tmp_path / "again", before_each=good_ones)
    assert second.code == 1
    assert "held against last-good: ttr of 20 runs" in second.err
    (criterion,) = [each for each in second.kept["criteria"] if each["source"] == "against"]
    assert (criterion["name"], criterion["outcome"]) == ("no regression of ttr", False)
    assert second.kept["verdict"] == "failed"

    assert second.folder is not None
    before = (second.folder / "result.json").read_bytes()
    score = [sys.executable, "-m", "chaosrun", "score", str(second.folder)]
    again = subprocess.run(score, check=False, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S)
    assert again.returncode == 1
    assert (second.folder / "result.json").read_bytes() == before
    assert "no regression of ttr" in again.stdout
