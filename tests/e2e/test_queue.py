"""A service that keeps 50 messages for a client and then drops the oldest: what slow readers lose by it is counted, as
many as the service says, and nobody else loses any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_running import ROOT, conclusive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EXPERIMENT = f"""\
title: Who reads slowly loses the oldest messages, and nobody else any
steady_state:
  load:
    quick:
      protocol: {ROOT}/experiments/protocols/stock-market.yaml
      clients: 5
      ramp: {{over: 500ms}}
      channels: {{list: [market], per_client: 1}}
    slow:
      protocol: {ROOT}/experiments/protocols/stock-market.yaml
      clients: 2
      read: 20/s
      ramp: {{over: 500ms}}
      channels: {{list: [market], per_client: 1}}
  hypothesis:
    - {{metric: push.lost_connected, group: quick, max: 0}}
    - {{metric: unexpected_disconnects, max: 0}}
target:
  reference: stock-tracker
  options: {{max_connections_per_ip: 0, rate: 1000, throttle_ms: 5, send_buffer: 4096}}
method:
  - {{name: nothing happens, fault: noop}}
recovery: {{stable_for: 2s}}
timing: {{warmup: 1s, baseline: 6s, recovery_timeout: 5s, after: 4s, verify: 4s}}
"""


def test_what_a_full_queue_drops_is_counted_as_lost_by_slow_readers_alone(tmp_path: Path) -> None:
    experiment = tmp_path / "queue.yaml"
    experiment.write_text(EXPERIMENT)
    finished = conclusive(experiment, "--format", "json", reports=tmp_path / "reports")
    assert finished.code == 0, finished.err
    assert finished.folder is not None
    groups = finished.result["groups"]
    assert groups["quick"]["messages"]["push"]["lost_connected"] == 0
    log = finished.folder / "roles" / "server.events.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    dropped = sum(event.get("lost", 0) for event in events if event["event"] == "closed")
    slow = groups["slow"]["messages"]["push"]
    assert slow["owed"] == slow["live"] + slow["lost_connected"]
    # What it publishes and drops after the load is nobody's loss: 200 a second, until the readers are told to catch up.
    assert 1000 < dropped - 100 <= slow["lost_connected"] <= dropped
    assert slow["clients_with_loss"] == 2
    assert finished.left_behind() == []
