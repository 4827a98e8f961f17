"""`/metrics` while a run goes on: what a scrape says, and that the server neither holds up nor is held up."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import EVIL
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from chaosrun.errors import Unavailable, UsageError
from chaosrun.guards.watch import GuardNow
from chaosrun.load.live import FleetNow, GroupNow
from chaosrun.load.wire import GroupLive
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.records import Resource
from chaosrun.reports._live_metrics import PHASES, LiveMetrics
from chaosrun.reports._metrics_server import Address, metrics_address, serving
from chaosrun.reports.openmetrics import exposed

SECOND = 1_000_000_000
PLAN = Plan(groups=(GroupPlan(name="users", clients=10),), faults=(FaultPlan(id="f", name="crash", kind="noop"),))
DOCS = Path(__file__).parents[2] / "docs"
DASHBOARDS = DOCS / "monitoring" / "grafana" / "dashboards"
DOCUMENTATION = DOCS / "machine-formats.md"


def fleet(t: int, name: str = "users", **counts: int) -> FleetNow:
    live = GroupLive(name=name, clients=10, planned=10, counted=9, errors={"rst": 3}, **counts)
    return FleetNow(t=t, groups=(GroupNow(live, 2_000_000, 40_000_000),), lag_max_ns=5_000_000)


def going_on(metrics: LiveMetrics, name: str = "users") -> None:
    """A run in its fault."""
    metrics.began(Path("r"), "a crash", PLAN)
    metrics.phase("baseline", SECOND)
    for tenth in range(12):
        metrics.live(
            fleet(
                tenth * SECOND // 10, name, usable=7, open=9, due=tenth * 10, bad=tenth, replies=tenth * 5, pushes=60
            ),
            {"server": Resource(t=0, role="server", cpu=0.5, memory=1000)},
        )
    metrics.guards([GuardNow("bad above 5%", name, 0.75, "3.7%")], True)
    metrics.phase("fault", None)
    metrics.fault("crash", "called", "")


def samples(metrics: LiveMetrics) -> dict[str, dict[str, float]]:
    """By name, then by the values of the labels."""
    return {
        name: {"/".join(sample.labels.values()): sample.value for sample in family.samples if sample.name == name}
        for family in metrics.collect()
        for name in {sample.name for sample in family.samples}
    }


@pytest.fixture
def served() -> Iterator[tuple[LiveMetrics, str]]:
    told: list[str] = []
    with serving(Address("127.0.0.1", 0), (), told.append) as metrics:
        yield metrics, told[0].removeprefix("metrics at ")


def scrape(url: str, accept: str = "") -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=20) as reply:
        return reply.read().decode()  # type: ignore[no-any-return]


# ---- what it says ---------------------------------------------------------------------------------------------------


def test_clients_rates_and_latencies_are_those_of_the_last_snapshot() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    found = samples(metrics)
    assert found["chaosrun_usable_clients"] == {"users": 7}
    assert found["chaosrun_planned_clients"] == {"users": 9}
    assert found["chaosrun_connected_clients"] == {"users": 9}
    assert found["chaosrun_replies_total"] == {"users": 55}
    assert found["chaosrun_replies_per_second"] == {"users": 50}
    assert found["chaosrun_bad_ratio"] == {"users": 0.1}
    assert found["chaosrun_response_seconds"] == {"users/0.5": 0.002, "users/0.99": 0.04}
    assert found["chaosrun_errors_total"] == {"users/rst": 3}
    assert found["chaosrun_role_cpu_ratio"] == {"server": 0.5}
    assert found["chaosrun_event_loop_lag_seconds"] == {"": 0.005}


def test_exactly_the_phase_that_the_run_is_in_is_1() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    phases = samples(metrics)["chaosrun_phase"]
    assert set(phases) == set(PHASES)
    assert [name for name, value in phases.items() if value] == ["fault"]


def test_a_fault_stands_from_its_call_until_it_is_undone() -> None:
    metrics = LiveMetrics(())
    metrics.began(Path("r"), "t", PLAN)

    def standing() -> float:
        return samples(metrics)["chaosrun_fault_standing"]["crash"]

    told = [standing()]
    for event in ("called", "confirmed", "called", "undone", "undone"):
        metrics.fault("crash", event, "")
        told.append(standing())
    assert told == [0, 1, 1, 1, 1, 0]
    metrics.fault("crash", "called", "")
    metrics.fault("crash", "failed", "it could not be undone")
    assert standing() == 1


def test_a_guard_tells_how_far_it_has_burnt_while_it_is_armed() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    found = samples(metrics)
    assert found["chaosrun_guard_burnt_ratio"] == {"bad above 5%/users": 0.75}
    assert found["chaosrun_guard_blind"] == {"bad above 5%/users": 0}
    metrics.guards((), False)
    assert "chaosrun_guard_burnt_ratio" not in samples(metrics)


def test_two_guards_that_are_written_alike_are_one_sample_the_further_burnt() -> None:
    metrics = LiveMetrics(())
    metrics.guards([GuardNow("usable", "users", burnt, "") for burnt in (0.2, 0.9, 0.4)], True)
    assert samples(metrics)["chaosrun_guard_burnt_ratio"] == {"usable/users": 0.9}
    text = exposed(metrics.collect()).decode()
    assert text.count("chaosrun_guard_burnt_ratio{") == 1


def test_what_is_not_known_yet_has_no_sample() -> None:
    metrics = LiveMetrics(())
    assert list(metrics.collect()) == []
    metrics.began(Path("r"), "t", PLAN)
    assert "chaosrun_usable_clients" not in samples(metrics)
    assert "chaosrun_response_seconds" not in samples(metrics)


def test_the_next_run_of_a_series_begins_with_nothing() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    metrics.began(Path("r2"), "t", PLAN)
    found = samples(metrics)
    assert "chaosrun_usable_clients" not in found
    assert found["chaosrun_fault_standing"] == {"crash": 0}


def test_secrets_are_masked_and_names_of_others_stay_in_their_labels(served: tuple[LiveMetrics, str]) -> None:
    metrics, url = served
    metrics._secrets = ("hunter2",)
    going_on(metrics, f"hunter2 {EVIL}")
    for accept, parse in (("", prometheus), ("application/openmetrics-text", openmetrics)):
        text = scrape(url, accept)
        assert "hunter2" not in text
        assert len(list(parse(text))) > 20


# ---- the server -----------------------------------------------------------------------------------------------------


def test_both_formats_are_served_at_metrics_and_nothing_elsewhere(served: tuple[LiveMetrics, str]) -> None:
    metrics, url = served
    going_on(metrics)
    assert 'chaosrun_usable_clients{group="users"} 7.0' in scrape(url)
    assert scrape(url, "application/openmetrics-text").endswith("# EOF\n")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        scrape(url.replace("/metrics", "/"))


def test_a_busy_port_is_told_with_the_remedy(served: tuple[LiveMetrics, str]) -> None:
    port = int(served[1].split(":")[2].split("/")[0])
    with (
        pytest.raises(Unavailable, match=rf"metrics at 127.0.0.1:{port}: Address already in use; name another port"),
        serving(Address("127.0.0.1", port), (), lambda text: None),
    ):
        pass


def test_after_the_run_nothing_listens_and_no_thread_is_left() -> None:
    told: list[str] = []
    with serving(Address("127.0.0.1", 0), (), told.append):
        pass
    with pytest.raises(urllib.error.URLError):
        scrape(told[0].removeprefix("metrics at "))
    assert "metrics" not in {thread.name for thread in threading.enumerate()}


def test_who_says_nothing_keeps_nobody_else_from_being_answered(served: tuple[LiveMetrics, str]) -> None:
    metrics, url = served
    going_on(metrics)
    port = int(url.split(":")[2].split("/")[0])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    try:
        assert "chaosrun_usable_clients" in scrape(url)
    finally:
        for each in silent:
            each.close()


def test_it_is_on_loopback_unless_an_address_is_named() -> None:
    assert metrics_address(9464, None) == ("127.0.0.1", 9464)
    assert metrics_address(None, None) is None
    assert metrics_address(None, "localhost:1") == ("127.0.0.1", 1)
    assert metrics_address(None, "[::1]:2") == ("::1", 2)
    assert metrics_address(None, "0.0.0.0:3") == ("0.0.0.0", 3)


@pytest.mark.parametrize("named", ["9464", "example.org:1", "127.0.0.1:", "127.0.0.1:99999", ":1", "127.0.0.1:x"])
def test_what_is_no_address_is_told_with_an_example(named: str) -> None:
    with pytest.raises(UsageError, match=r"say an address and a port, as in 127\.0\.0\.1:9464"):
        metrics_address(None, named)


def test_two_ways_to_say_where_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        metrics_address(1, "127.0.0.1:1")


def test_every_metric_that_the_documentation_names_is_served() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    page = DOCUMENTATION.read_text()
    live = page[page.index("## Live metrics") : page.index("## Grafana")]
    named = set(re.findall(r"chaosrun_\w+", live))
    assert len(named) > 15
    assert named <= set(samples(metrics))


# ---- the dashboard --------------------------------------------------------------------------------------------------

PANELS = {"stat", "timeseries", "state-timeline", "table", "gauge", "text"}
BOARD_KEYS = {
    "uid", "title", "description", "tags", "timezone", "schemaVersion", "version", "refresh", "time", "editable",
    "panels", "annotations", "graphTooltip", "templating", "links",
}  # fmt: skip
PANEL_KEYS = {
    "id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "targets", "options",
}  # fmt: skip


def test_every_metric_of_the_dashboard_is_one_that_is_served() -> None:
    metrics = LiveMetrics(())
    going_on(metrics)
    known = set(samples(metrics))
    board = json.loads((DASHBOARDS / "chaosrun.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    asked += [each["expr"] for each in board["annotations"]["list"] if "expr" in each]
    named = {name for expression in asked for name in re.findall(r"chaosrun_\w+", expression)}
    assert len(named) > 12
    assert named <= known


def test_the_dashboard_has_the_shape_that_grafana_reads() -> None:
    board = json.loads((DASHBOARDS / "chaosrun.json").read_text())
    assert set(board) <= BOARD_KEYS
    assert {"uid", "title", "panels", "schemaVersion"} <= set(board)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        assert set(panel) <= PANEL_KEYS
        assert panel["type"] in PANELS
        place = panel["gridPos"]
        assert set(place) == {"x", "y", "w", "h"}
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
        assert all({"refId", "expr"} <= set(target) for target in panel["targets"])


def test_no_two_panels_of_the_dashboard_lie_over_one_another() -> None:
    cells = [
        (x, y)
        for panel in json.loads((DASHBOARDS / "chaosrun.json").read_text())["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))


def test_fault_and_recovery_are_annotations_of_the_dashboard() -> None:
    board = json.loads((DASHBOARDS / "chaosrun.json").read_text())
    marked = {each["name"]: each for each in board["annotations"]["list"]}
    assert marked["Faults"]["expr"] == "chaosrun_fault_standing == 1"
    assert marked["Recovery"]["expr"] == 'chaosrun_phase{phase="recovery"} == 1'
    assert marked["Runs"]["target"]["tags"] == ["chaosrun"]
