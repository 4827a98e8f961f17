"""A freeze by somebody else, told by the command line: the same numbers as of a freeze by chaosrun itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from e2e_running import INCONCLUSIVE, TINY, TRIES, Run, chaosrun, skip_where_stolen_from

pytestmark = [pytest.mark.slow, pytest.mark.timeout(TRIES * 90)]

FROZEN_S = 1.5
BUSY_S = 0.5
"""What a busy machine may add between a word and the signal after it."""
TOLD_S = 0.001
"""Instants are told to the millisecond."""
OUTSIDE = "method=[{fault: outside, name: freeze by hand, role: server, begin_within: 60s, at_most: 30s}]"


def tell(run: Run, word: str, *more: str) -> float:
    """Run time in seconds at which it was heard."""
    told = subprocess.run(
        [sys.executable, "-m", "chaosrun", "tell", str(run.folder), word, *more],
        capture_output=True, text=True, check=True, timeout=90,
    )  # fmt: skip
    return float(told.stdout.split()[-2])


def test_a_freeze_that_somebody_else_makes_is_measured_between_its_marks(tmp_path: Path) -> None:
    for number in range(TRIES):
        run = chaosrun(TINY, "--set", OUTSIDE, "--format", "json", reports=tmp_path / f"try-{number}")
        server = int(run.wait_for(type="started", role="server")["pid"])
        began = tell(run, "begin", "--wait", "60s")
        os.kill(server, signal.SIGSTOP)
        tell(run, "confirmed", "--detail", f"sent SIGSTOP to {server}")
        time.sleep(FROZEN_S)
        ending = tell(run, "ending")
        os.kill(server, signal.SIGCONT)
        over = tell(run, "over")
        finished = run.finish()
        if finished.code != INCONCLUSIVE:
            break
    else:
        skip_where_stolen_from(finished.out + finished.err)
    assert finished.code == 0, finished.err
    result = finished.result
    [fault] = result["faults"]
    assert fault["call_s"] == pytest.approx(began, abs=0.05)
    assert (fault["removed_s"], fault["verified"], fault["undone"]) == (pytest.approx(ending, abs=TOLD_S), True, True)
    assert fault["detail"] == f"sent SIGSTOP to {server}"

    found = result["recovery"]
    # The first slot that was due while it stood still, at the earliest; ten clients ask four times a second.
    assert began - TOLD_S <= found["impact_s"] <= began + 0.3 + BUSY_S
    assert ending - TOLD_S <= found["recovered_s"] + found["error_s"]
    assert found["ttr_s"] == pytest.approx(max(0, found["recovered_s"] - ending), abs=TOLD_S)
    assert found["ttr_s"] <= 0.5 + BUSY_S, "what it was asked meanwhile it answers as soon as it goes on"
    assert found["outage_s"] == pytest.approx(ending - began, abs=0.5 + BUSY_S)
    assert found["error_s"] >= over - ending - 2 * TOLD_S, "it may have been free of it until then"
    assert (found["affected_clients"], found["back_s"]["never"], found["absorbed"]) == (10, 0, False)
    assert result["messages"]["requests"]["lost_connected"] == 0
    assert result["clients"]["unexpected_disconnects"] == 0
    assert finished.left_behind() == []
