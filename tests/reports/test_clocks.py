"""The clocks of the load's nodes in the reports: told where there are nodes, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hand_built import ON_NODES, PASSED
from hand_drawn import drawn, picture
from hostile import hostile
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from chaosrun.reports import html, summary
from chaosrun.reports._clocks import clocks_told
from chaosrun.reports._terminal import render
from chaosrun.reports.openmetrics import exposition
from chaosrun.scoring.result import Criterion, NodeClocks, Result


def page(result: Result) -> str:
    return html.render(drawn(result, picture()))["report.html"].decode()


def written(result: Result) -> str:
    return summary.render(drawn(result, picture()))["summary.md"].decode()


def test_one_line_tells_the_worst_clock_of_how_many_nodes() -> None:
    assert clocks_told(ON_NODES.observer.clocks) == [
        "clocks of 2 nodes: within 1.5 ms of the coordinator's (load-0 on blue, drift -21.7 ± 6.7 ppm)"
    ]
    unknown = NodeClocks(error_s=None, uncompared=["load-2"], workers=[])
    assert clocks_told(unknown) == ["clocks of 0 nodes: nothing tells that of load-2, so no error bound is known"]
    assert clocks_told(None) == []


@pytest.mark.parametrize("told", [page, written, lambda result: render(result, Path("reports/x"), width=200)])
def test_a_run_on_one_machine_says_nothing_of_clocks_of_nodes_and_one_on_several_says_why_times_are_left_out(
    told: object,
) -> None:
    assert callable(told)
    local, far = told(PASSED), told(ON_NODES)
    assert "of the nodes" not in local
    assert "one-way" not in local
    assert "clocks of 2 nodes" in far
    assert "one-way times below 7.5 ms are left out" in far


def test_the_page_has_a_row_for_each_load_process() -> None:
    text = page(ON_NODES)
    assert "Clocks of the nodes" in text
    assert "-1.3 ms ± 200 us" in text
    assert "-21.7 ± 6.7 ppm" in text
    assert "not compared again" in text
    assert "<script>alert(1)</script>" not in page(hostile())


def test_a_limit_that_is_kept_without_a_value_says_by_what() -> None:
    why = "not known, between 6 ms and 14 ms by clocks that agree to within 4 ms; at most 100 ms is asked"
    kept = Criterion(name="push_p50", metric="push_p50", window="whole", unit="s", limit=0.1, outcome=True, why=why)
    for told in (page, written):
        assert "between 6 ms and 14 ms" in told(replace(ON_NODES, criteria=[kept]))
        assert "between 6 ms" not in told(replace(ON_NODES, criteria=[replace(kept, value=0.01)]))


def test_metrics_tell_the_error_of_each_clock_and_of_pushes_what_is_known() -> None:
    groups = {"accounts": replace(ON_NODES.groups["accounts"], latency_ms=ON_NODES.latency_ms)}
    found = {
        (
            sample.name.removeprefix("chaosrun_result_"),
            sample.labels.get("worker"),
            sample.labels.get("quantile"),
        ): sample
        for family in openmetrics(exposition(replace(ON_NODES, groups=groups)).decode())
        for sample in family.samples
        if sample.name.startswith(("chaosrun_result_clock", "chaosrun_result_push_seconds"))
    }
    assert found["clock_error_seconds", "load-0", None].labels["node"] == "blue"
    assert found["clock_error_seconds", "load-1", None].value == 0.0011
    assert found["push_seconds", None, "0.999"].value == 0.0088
    assert found["push_seconds_count", None, None].value == 71_205
    assert ("push_seconds_sum", None, None) not in found
    assert "clock_error" not in exposition(PASSED).decode()
