"""`timeline.csv`: its columns add up to the result, and no name of others is calculated by a spreadsheet."""

from __future__ import annotations

import csv
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from hostile import ATTACKS, EVIL
from scored_run import scored_run

from chaosrun.reports import timeline
from chaosrun.reports._base import ScoredRun


@pytest.fixture
def run(tmp_path: Path) -> ScoredRun:
    return scored_run(tmp_path)


def rows(run: ScoredRun) -> list[dict[str, str]]:
    text = timeline.render(run)["timeline.csv"].decode()
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


def total(run: ScoredRun, column: str) -> float:
    return sum(float(row[column]) for row in rows(run) if row[column])


def test_every_line_ends_as_rfc_4180_says_and_has_all_columns(run: ScoredRun) -> None:
    data = timeline.render(run)["timeline.csv"]
    assert data.count(b"\n") == data.count(b"\r\n") == len(rows(run)) + 1
    assert all(set(row) == set(timeline.HEADER) for row in rows(run))


def test_the_bins_follow_one_another_over_the_whole_run(run: ScoredRun) -> None:
    found = rows(run)
    assert found[0]["start_s"] == "0.0"
    assert all(a["end_s"] == b["start_s"] for a, b in pairwise(found))
    assert float(found[-1]["end_s"]) >= run.picture.end


def test_requests_and_their_losses_add_up_to_the_ledger(run: ScoredRun) -> None:
    requests = run.result.messages.requests
    assert total(run, "due") == requests.due
    assert total(run, "good") == requests.replied_in_time - requests.late_observer
    for name in timeline.REQUEST_LOSSES:
        assert total(run, f"requests_{name}") == getattr(requests, name)


def test_pushes_and_connections_add_up_to_what_was_recorded(run: ScoredRun) -> None:
    history = run.evidence.history
    assert total(run, "attempts") == run.result.clients.attempts == len(history.attempts)
    assert total(run, "refused") == run.result.clients.refused
    assert total(run, "opened") == len(history.opened)
    assert total(run, "pushes") == len(list(history.pushes)) > 0


def test_lost_client_seconds_add_up_to_those_of_the_whole_run(run: ScoredRun) -> None:
    lost = sum(group.ribbon.lost_client_seconds for group in run.picture.groups)
    assert lost > 0
    assert total(run, "lost_client_seconds") == pytest.approx(lost)


def test_clients_add_up_in_every_row_of_the_run(run: ScoredRun) -> None:
    for row in rows(run):
        states = [row[name] for name in ("planned", "usable", "degraded", "down")]
        if float(row["start_s"]) < run.picture.end:
            planned, *rest = map(int, states)
            assert planned == sum(rest)
        else:  # the last bin may begin where the run ends
            assert states == ["", "", "", ""]


def test_the_outage_shows_in_its_bins(run: ScoredRun) -> None:
    impact = run.result.recovery.impact_s
    assert impact is not None
    at_impact = next(row for row in rows(run) if float(row["end_s"]) > impact)
    assert at_impact["phase"] == "fault"
    assert int(at_impact["usable"]) < int(at_impact["planned"])


def test_without_a_request_there_is_no_latency(run: ScoredRun) -> None:
    first = rows(run)[0]
    assert first["due"] == "0"
    assert first["response_p50_ms"] == first["response_max_ms"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", *ATTACKS, EVIL])
def test_no_name_is_a_formula_or_a_second_row(name: str) -> None:
    cell = timeline.as_text(name)
    assert cell[0] not in "=+-@\t\r"
    assert "\n" not in cell
    cell.encode()


def test_every_column_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "machine-formats.md").read_text()
    own = [name for name in timeline.HEADER if not name.startswith(("requests_", "pushes_"))]
    assert [name for name in own if f"`{name}`" not in page] == []


def test_the_same_run_gives_the_same_bytes(run: ScoredRun) -> None:
    assert timeline.render(run) == timeline.render(run)
