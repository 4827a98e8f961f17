"""A frozen server: by the kernel's own word it stood still for as long as the report says, and nobody lost anything."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e_running import (
    INCONCLUSIVE,
    ROOT,
    TRIES,
    Finished,
    chaosrun,
    come_to,
    missing_copies,
    skip_where_stolen_from,
)
from found_server import Served, found_server, is_stopped

from chaosrun.identity import identify, send_signal
from chaosrun.recorded import Recording, read_run
from chaosrun.records import Undone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EXPERIMENT = ROOT / "experiments" / "server-freeze.yaml"
CLIENTS = 20
FROZEN_S = 2.0
MS = 1_000_000
NOISE_NS = 1000 * MS
"""What a busy machine may add between two processes that look at one event; the bounds are one-sided beside it."""


@dataclass
class Told:
    finished: Finished
    recording: Recording
    stood: tuple[int, int]
    """By when this test first saw the server stopped, and since when last, in run time."""
    events: list[dict[str, Any]]
    """What the bridge wrote of itself, in run time."""

    @property
    def result(self) -> dict[str, Any]:
        return self.finished.result


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    for number in range(TRIES):
        reports = tmp_path_factory.mktemp(f"reports-{number}")
        run = come_to({"type": "intent"}, EXPERIMENT, "--profile", "smoke", "--format", "json", reports=reports)
        pid = int(run.wait_for(type="started", role="server")["pid"])
        seen: list[tuple[int, int]] = []
        end = time.monotonic() + 60
        while time.monotonic() < end:
            before, stopped, after = time.monotonic_ns(), is_stopped(pid), time.monotonic_ns()
            if stopped:
                seen.append((before, after))
            elif seen:
                break
            time.sleep(0.002)
        finished = run.finish()
        if finished.code != INCONCLUSIVE:
            break
    else:
        skip_where_stolen_from(finished.out + finished.err)
    assert finished.folder is not None
    assert seen, "the kernel never called it stopped"
    recording = read_run(finished.folder)
    origin = recording.began.origin_ns
    lines = (finished.folder / "roles" / "bridge.events.jsonl").read_text().splitlines()
    events = [{**each, "t": each["t"] - origin} for each in map(json.loads, lines)]
    return Told(finished, recording, (seen[0][1] - origin, seen[-1][0] - origin), events)


def test_it_passes_and_leaves_nothing_behind(told: Told) -> None:
    assert told.finished.code == 0, told.finished.err + "\n".join(told.result["reasons"])
    assert told.finished.left_behind() == []


def test_the_kernel_called_it_stopped_for_as_long_as_the_report_says(told: Told) -> None:
    [fault] = told.result["faults"]
    first, last = told.stood
    assert fault["verified"] and fault["undone"]
    assert fault["call_s"] * 1e9 <= first <= fault["confirmed_s"] * 1e9 + NOISE_NS
    assert fault["removed_s"] * 1e9 - NOISE_NS <= last <= fault["removed_s"] * 1e9
    assert fault["removed_s"] - fault["call_s"] >= FROZEN_S
    assert fault["confirmed_s"] < fault["removed_s"]


def test_nothing_came_from_it_meanwhile(told: Told) -> None:
    history = told.recording.history
    since, until = told.stood[0] + NOISE_NS, told.stood[1]
    assert [push.at for push in history.pushes if since < push.at < until] == []
    assert [slot.got for slot in history.slots if since < slot.got < until] == []
    assert [each for each in told.events if told.stood[0] < each["t"] < until] == [], "nor did it write anything"


def test_no_client_was_cut_off_by_the_bridges_own_log(told: Told) -> None:
    accounts = {each["account"] for each in told.events if each["event"] == "subscribed"} - {"prober"}
    stopped = told.recording.history.load_stopped
    assert len(accounts) == CLIENTS
    closed = [each for each in told.events if each["event"] == "closed" and each["t"] < stopped]
    assert [each for each in closed if each["account"] in accounts] == []
    clients = told.result["clients"]
    assert (clients["unexpected_disconnects"], clients["reconnects"]) == (0, 0)


def test_what_piled_up_was_answered_late_and_nothing_was_lost(told: Told) -> None:
    assert told.finished.folder is not None
    requests, push = told.result["messages"]["requests"], told.result["messages"]["push"]
    # 100 requests a second; those of the last `latency_limit` of the freeze are still answered in time.
    assert requests["replied_late"] >= 100 * (FROZEN_S - 0.5) * 0.9
    assert (requests["lost_connected"], requests["lost_at_break"]) == (0, 0)
    assert (push["lost_connected"], push["missed_disconnected"]) == (0, 0)
    assert push["tail"] == missing_copies(told.finished.folder, told.recording.history)


def test_all_were_hit_and_all_were_served_again_soon_after_the_kernel_let_it_go_on(told: Told) -> None:
    recovery, removed = told.result["recovery"], told.result["faults"][0]["removed_s"]
    assert recovery["affected_clients"] == CLIENTS
    assert recovery["back_s"]["never"] == 0
    last = told.stood[1] / 1e9
    firsts: dict[tuple[int, str], int] = {}
    for each in told.recording.history.pushes:
        stream = told.recording.history.streams[each.sid]
        if each.at > told.stood[1]:
            firsts.setdefault((stream.c, stream.channel), each.at)
    truth = max(firsts.values()) / 1e9
    assert last <= truth
    assert removed + recovery["ttr_s"] <= truth + recovery["error_s"] + NOISE_NS / 1e9
    assert recovery["outage_s"] >= FROZEN_S


def test_load_and_prober_noticed_it_together(told: Told) -> None:
    [check] = [each for each in told.result["observer"]["checks"] if each["name"].startswith("prober against load")]
    assert check["value"] is not None, check["why"]
    assert check["outcome"] in ("ok", "warn")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the kernel's help is asked for through setpriv")
def test_a_frozen_server_of_its_own_dies_with_a_killed_chaosrun(tmp_path: Path) -> None:
    """Stopped, it cannot hear that its standard input has ended; the kernel kills it."""
    long = ("--profile", "smoke", "--set", "method.0.for=60s")
    run = come_to({"type": "confirmed"}, EXPERIMENT, *long, reports=tmp_path)
    run.look()
    run.process.kill()
    assert run.finish().left_behind() == []


# ---- a server that chaosrun did not start ---------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with found_server(tmp_path) as served:
        yield served


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_a_found_server_running(
    served: Served, tmp_path: Path, number: signal.Signals
) -> None:
    long = ("--profile", "smoke", "--target", served.target, "--set", "method.0.for=60s")
    run = come_to({"type": "confirmed"}, EXPERIMENT, *long, reports=tmp_path / "reports")
    assert is_stopped(served.server.pid)
    run.signal(number)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert identify(served.server.pid) == served.server
    assert not is_stopped(served.server.pid)
    assert finished.folder is not None
    assert [line.verified for line in read_run(finished.folder).lines.of(Undone)] == [True]


def test_a_server_that_somebody_else_has_stopped_is_refused_before_any_load(served: Served, tmp_path: Path) -> None:
    send_signal(served.server, signal.SIGSTOP)
    finished = chaosrun(
        EXPERIMENT, "--profile", "smoke", "--target", served.target, reports=tmp_path / "reports"
    ).finish()
    assert finished.code == 69, finished.err
    assert f"kill -CONT {served.server.pid}" in finished.err
    assert finished.folder is not None
    assert [line.name for line in read_run(finished.folder).history.phases] == ["start"]
    assert is_stopped(served.server.pid)
