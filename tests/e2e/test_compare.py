"""Real runs compared: what one kept of its conditions is what the other is held against."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e_running import ROOT, TINY, chaosrun


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaosrun", "compare", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


def json_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_another_release_is_compared_whether_scored_or_not_and_another_backoff_is_refused(tmp_path: Path) -> None:
    one = chaosrun(TINY, reports=tmp_path / "v1").finish()
    slower = chaosrun(TINY, "--set", "target.options={start_delay_s: 1}", reports=tmp_path / "v2").finish()
    assert one.folder is not None
    assert slower.folder is not None

    found = json_of(compare(tmp_path / "v1", slower.folder, "--format", "json"))
    assert (found["verdict"], found["exit_code"]) == ("cannot_tell", 3)
    assert found["under_test"] == [["target.options.start_delay_s", None, "1"]]
    assert found["fingerprint"] == one.kept["fingerprint"] == slower.kept["fingerprint"]
    (slower.folder / "result.json").unlink()
    assert json_of(compare(one.folder, tmp_path / "v2", "--format", "json"))["numbers"] == found["numbers"]
    assert not (slower.folder / "result.json").exists()

    backs_off = chaosrun(TINY, "--set", "steady_state.load.accounts.reconnect.max=2s", reports=tmp_path / "v3")
    backs_off.wait_for(type="phase", name="baseline")
    backs_off.signal(signal.SIGINT)
    assert backs_off.finish().code == 4
    refused = compare(tmp_path / "v1", tmp_path / "v3")
    assert refused.returncode == 2
    assert ["steady_state.load.accounts.reconnect.max", "400ms", "2s"] in [
        line.split() for line in refused.stderr.splitlines()
    ]
