"""A fault that this machine cannot do is refused while there is no load yet. Where it can: tests/live/vm."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_running import ROOT, chaosrun

from chaosrun.shaping import tc

UNAVAILABLE = 69


@pytest.mark.slow
def test_without_netem_nobody_is_put_under_load(tmp_path: Path) -> None:
    reason = tc.why_not()
    if reason is None:
        pytest.skip("this kernel has netem, and this user may use it")
    run = chaosrun(ROOT / "experiments" / "latency-netem.yaml", "--profile", "smoke", reports=tmp_path)
    finished = run.finish()
    assert finished.code == UNAVAILABLE, finished.err
    assert f"fault 'slow network': {reason}" in finished.err
    assert {line.get("name") for line in run.lines() if line.get("type") == "phase"} == {"start"}
    assert not any(line.get("type") in ("intent", "opened") for line in run.lines())
    assert finished.left_behind() == []
