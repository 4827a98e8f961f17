"""A run against an address that is not loopback: allowed by the target, and run when yes was said.

The address is one of a network namespace that the test makes, where chaosrun and the service both are. It differs from
another machine in that nothing goes over a wire.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from e2e_running import chaosrun, conclusive, free_port

THERE = "10.77.0.1"
EXPERIMENT = """\
title: A service on another machine comes back
target:
  url: ws://{there}:{port}/ws
  allow: [{there}]
  roles:
    bridge:
      command: [{python}, -m, chaosrun.reference.mt5_bridge, --host, {there}, --port, {port}, --terminal, "127.0.0.1:1"]
      ready: {{tcp: "{there}:{port}", within: 60s}}
steady_state:
  load:
    accounts: {{protocol: mt5, clients: 10, requests: 10/s, ramp: {{over: 500ms}}, channels: {{list: [EURUSD]}}}}
  hypothesis: [{{metric: usable, min: 90%}}]
method: [{{fault: process_kill, role: bridge, restart: {{by: chaosrun, after: 500ms}}}}]
recovery: {{stable_for: 2s}}
timing: {{warmup: 500ms, baseline: 4s, recovery_timeout: 20s, after: 3s, verify: 2s}}
"""
NAMESPACE = ["unshare", "--net", "sh", "-c", f'ip link set lo up && ip addr add {THERE}/32 dev lo && exec "$@"', "sh"]

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace of its own needs root"),
    pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip (iproute2)"),
]


def test_it_is_reached_with_yes_and_refused_without(tmp_path: Path) -> None:
    file = tmp_path / "there.yaml"
    file.write_text(EXPERIMENT.format(there=THERE, port=free_port(), python=sys.executable))
    refused = chaosrun(file, reports=tmp_path / "refused", around=NAMESPACE).finish()
    assert refused.code == 2, refused.err
    assert f"this run reaches {THERE}, not only this machine" in refused.err
    assert refused.folder is None

    finished = conclusive(file, "--yes", "--format", "json", reports=tmp_path / "reports", around=NAMESPACE)
    assert finished.code == 0, finished.err
    assert finished.result["recovery"]["recovered_s"] is not None
    assert finished.left_behind() == []
