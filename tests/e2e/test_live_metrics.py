"""A run that is scraped over HTTP while it goes on."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

import pytest
from e2e_running import PATIENCE_S, TINY, chaosrun
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.slow


def address(stderr: IO[str]) -> str:
    """The first line tells it."""
    found = re.fullmatch(r"metrics at (http://127\.0\.0\.1:\d+/metrics)\n", stderr.readline())
    assert found is not None
    return found[1]


def scrape(url: str) -> dict[str, dict[str, float]]:
    """Samples by name, then by the values of their labels."""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as reply:
        text = reply.read().decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})["/".join(sample.labels.values())] = sample.value
    return found


def test_a_run_tells_its_phases_clients_and_fault_to_whoever_scrapes_it(tmp_path: Path) -> None:
    run = chaosrun(TINY, "--metrics-port", "0", reports=tmp_path)
    assert run.process.stderr is not None
    url = address(run.process.stderr)
    phases: list[str] = []
    usable, replies, standing = [0.0], [0.0], set()
    end = time.monotonic() + PATIENCE_S
    while run.process.poll() is None and time.monotonic() < end:
        try:
            found = scrape(url)
        except (urllib.error.URLError, ConnectionError):
            break  # the run has ended, and its server with it
        phases += [name for name, value in found.get("chaosrun_phase", {}).items() if value and name not in phases]
        usable.append(found.get("chaosrun_usable_clients", {}).get("accounts", 0.0))
        replies.append(found.get("chaosrun_replies_total", {}).get("accounts", 0.0))
        standing.update(found.get("chaosrun_fault_standing", {}).values())
        time.sleep(0.1)
    finished = run.finish()
    assert finished.folder is not None
    assert finished.kept["observer"]["checks"], "it was scored as any other"
    assert {"ramp", "baseline", "drain"} & set(phases)
    assert max(usable) == 10
    assert replies == sorted(replies)
    assert replies[-1] > 0
    if finished.kept["faults"][0]["call_s"] is not None:
        assert standing == {0.0, 1.0}
    with pytest.raises(urllib.error.URLError):
        scrape(url)


def test_a_busy_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = chaosrun(TINY, "--metrics-port", str(port), reports=tmp_path / "reports").finish()
    assert finished.code == 69
    assert f"metrics at 127.0.0.1:{port}: Address already in use; name another port" in finished.err
    assert finished.folder is None
