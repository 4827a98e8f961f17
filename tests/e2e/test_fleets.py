"""A whole run by another fleet: the same experiment, the same verdict."""

from __future__ import annotations

from pathlib import Path

from e2e_running import TINY, conclusive

from chaosrun.recorded import read_run
from chaosrun.records import Lag


def test_clients_in_chaosruns_own_process_see_the_same_crash_and_recovery(tmp_path: Path) -> None:
    finished = conclusive(TINY, "--format", "json", "--fleet", "in-process", reports=tmp_path)
    assert finished.code == 0, finished.err
    assert finished.result["recovery"]["back_s"]["never"] == 0
    assert finished.result["conditions"]["required"]["machine.fleet"] == "in-process", "not compared with other fleets"
    assert finished.folder is not None
    assert {line.w for line in read_run(finished.folder).lines.of(Lag)} == {"load-0"}
    assert finished.left_behind() == []
