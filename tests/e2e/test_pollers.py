"""Pollers of a real web server that is killed and comes back: the numbers against the server's own log."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from drawing import disagreements
from e2e_running import Finished, conclusive, free_port

from chaosrun.charts.draw import draw
from chaosrun.judge import assess
from chaosrun.recorded import Recording, read_run
from chaosrun.records import NONE, Slot, Status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVICE = Path(__file__).with_name("poll_service.py")
EXPERIMENT = """\
title: Pollers of a small web server are served again
steady_state:
  load:
    pollers:
      http:
        - {path: /stocks, weight: 2, headers: {X-Request: "{client}/{id}"}, expect: {keys: [stocks]}}
        - {name: order, path: /orders, method: POST, json: {at: "{unix_ms}"}, headers: {X-Request: "{client}/{id}"}}
      clients: 10
      requests: 10/s
      ramp: {over: 500ms, start: 2}
  hypothesis:
    - {metric: errors, max: 1%}
    - {metric: response_p95, max: 500ms, request: order}
target:
  url: "ws://127.0.0.1:PORT/"
  roles:
    server: {command: COMMAND, ready: {http: "http://127.0.0.1:PORT/"}}
method:
  - name: crash the server
    fault: process_kill
    role: server
    restart: {by: chaosrun, after: 500ms}
recovery: {within: 15s, stable_for: 2s}
timing: {warmup: 500ms, baseline: 4s, recovery_timeout: 20s, after: 3s, verify: 2s}
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "asked.log"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Finished:
    port, folder = free_port(), tmp_path_factory.mktemp("pollers")
    command = json.dumps([sys.executable, str(SERVICE), str(port), str(log)])
    experiment = folder / "experiment.yaml"
    experiment.write_text(EXPERIMENT.replace("PORT", str(port)).replace("COMMAND", command))
    return conclusive(
        experiment, "--format", "json", reports=folder / "reports", before_each=lambda: log.unlink(missing_ok=True)
    )


@pytest.fixture(scope="module")
def recording(finished: Finished) -> Recording:
    assert finished.folder is not None
    return read_run(finished.folder)


def sent(recording: Recording) -> dict[str, Slot]:
    """Every request that was sent, by the name that it told the server: a client counts them in the order of slots."""
    found: dict[str, Slot] = {}
    told: Counter[int] = Counter()
    for row in sorted(recording.history.slots, key=lambda row: row.due):
        if row.sent != NONE:
            told[row.client] += 1
            found[f"pollers-{row.client}/{told[row.client]}"] = row
    return found


def test_it_passes_and_leaves_nothing_behind(finished: Finished) -> None:
    assert finished.code == 0, finished.err + finished.out
    assert finished.left_behind() == []


def test_what_was_answered_is_in_the_servers_log_and_what_is_not_in_it_was_lost(
    finished: Finished, recording: Recording, log: Path
) -> None:
    rows = sent(recording)
    seen = Counter(log.read_text().split())
    seen = Counter({name: count for name, count in seen.items() if not name.startswith("prober/")})
    assert set(seen) <= set(rows)
    answered = {name for name, row in rows.items() if row.got != NONE}
    lost = set(rows) - answered
    assert answered <= set(seen)
    assert {rows[name].status for name in lost} == {Status.ERROR}
    # Those that it had seen when it was killed are at most what each client had under way.
    ledger = finished.result["messages"]["requests"]
    assert ledger["replied_in_time"] + ledger["replied_late"] == len(answered)
    assert ledger["lost_at_break"] == len(lost) > 0
    assert len(lost & set(seen)) <= 10
    assert ledger["skipped_disconnected"] == 0


def test_a_request_came_twice_only_where_it_was_asked_again_and_never_an_order(recording: Recording, log: Path) -> None:
    rows = sent(recording)
    twice = {name for name, count in Counter(log.read_text().split()).items() if count > 1 and name in rows}
    again = sum(line.count for line in recording.history.exchanges if line.how == "asked again")
    assert len(twice) <= again
    assert all(recording.history.plan.groups[0].requests[rows[name].request] != "order" for name in twice)


def test_the_recovery_is_when_the_server_answers_again_by_its_own_log(finished: Finished, recording: Recording) -> None:
    result = finished.result
    (called,) = recording.history.called
    rows = sorted((row for row in recording.history.slots if row.due > called.t), key=lambda row: row.due)
    last_lost = max(row.due for row in rows if row.got == NONE and row.status == Status.ERROR)
    served = min(row.due for row in rows if row.due > last_lost and row.got != NONE)
    recovery = result["recovery"]
    assert abs(recovery["recovered_s"] - served / 1e9) <= recovery["error_s"] + 1e-6
    assert recovery["impact_by"] == recovery["recovered_by"] == "pollers.requests"


def test_why_exchanges_failed_is_told(finished: Finished) -> None:
    (told,) = [each for each in finished.result["findings"] if each["rule"] == "exchanges-failed"]
    assert "refused" in told["title"]


def test_the_reports_are_drawn_and_tell_the_same(finished: Finished, recording: Recording) -> None:
    assert finished.folder is not None
    assert (finished.folder / "report.html").stat().st_size > 10_000
    assert "lost at the break" in (finished.folder / "summary.md").read_text()
    run = assess(recording.history, recording.began)
    assert disagreements(run, draw(run.evidence, run.result)) == []
