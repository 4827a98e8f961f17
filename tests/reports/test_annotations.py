"""`annotations.json`: bodies that Grafana takes, at the times of the run on the wall's clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hand_built import ABSORBED, INCONCLUSIVE, NEVER_RECOVERED, PASSED
from hostile import hostile
from msgspec import to_builtins
from scored_run import scored_run

from chaosrun.reports import annotations
from chaosrun.scoring.result import Result

ORIGIN_MS = 1_795_317_370_178
KEYS = {"time", "timeEnd", "tags", "text"}


def bodies(result: Result) -> list[dict[str, Any]]:
    found = annotations.bodies(result, ORIGIN_MS * 1_000_000, {"fault-1": "crash the bridge"})
    return [to_builtins(body) for body in found]


def by_tag(result: Result) -> dict[str, dict[str, Any]]:
    return {body["tags"][1]: body for body in bodies(result)}


def test_the_file_is_a_list_of_what_grafana_takes(tmp_path: Path) -> None:
    data = annotations.render(scored_run(tmp_path))["annotations.json"]
    found = json.loads(data)
    assert [body["tags"] for body in found][:2] == [["chaosrun", "run"], ["chaosrun", "fault"]]
    for body in found:
        assert set(body) <= KEYS
        assert isinstance(body["time"], int)
        assert body["time"] <= body.get("timeEnd", body["time"])


def test_fault_impact_and_recovery_are_at_their_times() -> None:
    found = by_tag(PASSED)
    assert (found["fault"]["time"], found["fault"]["timeEnd"]) == (ORIGIN_MS + 25_300, ORIGIN_MS + 27_360)
    assert (found["impact"]["time"], found["impact"]["timeEnd"]) == (ORIGIN_MS + 25_301, ORIGIN_MS + 27_550)
    assert found["recovered"]["time"] == ORIGIN_MS + 27_550
    assert found["recovered"]["text"] == "recovered from crash the bridge"
    assert found["run"]["timeEnd"] == ORIGIN_MS + 56_400


def test_a_recovery_that_nobody_saw_is_not_told() -> None:
    assert "recovered" not in by_tag(ABSORBED)
    assert "fault" not in by_tag(INCONCLUSIVE)
    assert by_tag(NEVER_RECOVERED)["run"]["text"].startswith("failed: ")


def test_text_of_others_is_no_html() -> None:
    told = json.dumps(bodies(hostile()))
    assert "<script" not in told
    assert "&lt;script&gt;" in told
