"""Clients that chaosrun cuts off: whole runs, and what the server's own log says of them."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e_running import GONE_WITHIN_S, ROOT, Finished, Run, come_to, conclusive, missing_copies

from chaosrun.faults.client_disconnect import undo, verify
from chaosrun.recorded import Recording, read_lines, read_run
from chaosrun.records import Called, Confirmed, Intent, Removed, Silenced

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CLIENTS = 20
WAVES = 3
MS = 1_000_000
NOISE_NS = 1000 * MS
"""What a busy machine may add between two processes that look at one event; the bounds are one-sided beside it."""
NO_CLOSE_FRAME = 1006


@dataclass
class Told:
    finished: Finished
    recording: Recording
    events: list[dict[str, Any]]
    """What the bridge wrote of itself, in run time."""

    @property
    def result(self) -> dict[str, Any]:
        return self.finished.result

    def closed(self, a: int, b: int) -> list[dict[str, Any]]:
        """Connections of clients whose end the server noticed in `[a, b)`."""
        ends = [each for each in self.events if each["event"] == "closed" and a <= each["t"] < b]
        return [each for each in ends if each["account"] != "prober"]


def told(experiment: str, reports: Path) -> Told:
    finished = conclusive(ROOT / "experiments" / experiment, "--profile", "smoke", "--format", "json", reports=reports)
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    assert finished.folder is not None
    recording = read_run(finished.folder)
    lines = (finished.folder / "roles" / "bridge.events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    origin = recording.began.origin_ns
    return Told(finished, recording, [each | {"t": each["t"] - origin} for each in events])


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told("reconnect-storm.yaml", tmp_path_factory.mktemp("storm"))


@pytest.fixture(scope="module")
def half_open(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return told("half-open.yaml", tmp_path_factory.mktemp("half-open"))


def test_every_wave_is_called_and_confirmed_and_told(storm: Told) -> None:
    lines = storm.recording.lines
    assert [line.verified for line in lines.of(Confirmed)] == [True] * WAVES
    assert len(lines.of(Called)) == WAVES
    assert [fault["detail"].split(" connections")[0] for fault in storm.result["faults"]] == ["20 of 20"] * WAVES
    assert {fault["undone"] for fault in storm.result["faults"]} == {True}


def test_the_server_saw_every_client_go_without_a_word_and_come_again(storm: Told) -> None:
    first = storm.recording.history.called[0].t
    closed = storm.closed(first, storm.recording.history.load_stopped)
    assert len(closed) == WAVES * CLIENTS
    assert {each["code"] for each in closed} == {NO_CLOSE_FRAME}
    accounts = [each["account"] for each in closed]
    assert {accounts.count(account) for account in accounts} == {WAVES}


def test_what_chaosrun_cut_off_is_counted_and_not_held_against_the_service(storm: Told) -> None:
    clients = storm.result["clients"]
    assert (clients["unexpected_disconnects"], clients["by_cause"]) == (0, {})
    assert clients["reconnects"] == WAVES * CLIENTS
    assert clients["needs"] == clients["needs_met"] == (WAVES + 1) * CLIENTS


def test_both_ledgers_are_exact(storm: Told, half_open: Told) -> None:
    for run in (storm, half_open):
        ledger = run.result["messages"]["requests"]
        assert ledger["due"] == ledger["sent"] + ledger["skipped_disconnected"] + ledger["skipped_observer"]
        outcomes = ("replied_in_time", "replied_late", "replied_error", "lost_connected", "lost_at_break")
        assert ledger["sent"] == sum(ledger[name] for name in outcomes) + ledger["in_flight_at_end"]
        push = run.result["messages"]["push"]
        assert run.finished.folder is not None
        missing = missing_copies(run.finished.folder, run.recording.history)
        assert push["lost_connected"] + push["missed_disconnected"] + push["tail"] == missing
        assert push["lost_connected"] == 0


def test_each_wave_counts_from_its_own_call(storm: Told) -> None:
    called = [line.t / 1e9 for line in storm.recording.history.called]
    episodes = storm.result["recovery"]["episodes"]
    assert sum(len(episode["faults"]) for episode in episodes) == WAVES
    assert episodes[0]["impact_s"] >= called[0]
    assert storm.result["recovery"]["affected_clients"] == CLIENTS
    assert storm.result["recovery"]["ttr_s"] <= storm.result["recovery"]["outage_s"] + NOISE_NS / 1e9


def test_the_server_was_told_nothing_of_half_open_clients_until_the_network_was_back(half_open: Told) -> None:
    history = half_open.recording.history
    called, removed = history.called[0].t, half_open.recording.lines.of(Removed)[0].t
    silenced = {line.c for line in half_open.recording.lines.of(Silenced)}
    assert len(silenced) == 4
    assert half_open.closed(called, removed - NOISE_NS // 10) == [], "it still believes in all of them"
    told = half_open.closed(removed - NOISE_NS // 10, history.load_stopped)
    assert len(told) == 4
    assert {each["code"] for each in told} == {NO_CLOSE_FRAME}
    again = [line for line in history.opened if line.conn == 1]
    assert {line.c for line in again} == silenced
    assert all(called < line.t < removed for line in again), "they were connected twice, by the server's reckoning"


def test_half_open_clients_gave_up_by_their_heartbeat(half_open: Told) -> None:
    history = half_open.recording.history
    given_up = [line for line in history.closed if line.t < history.load_stopped]
    assert [(line.cause, line.planned) for line in given_up] == [("ping_timeout", True)] * 4
    for line in given_up:
        assert line.silent_since is not None
        # A ping every second, a second for its answer: the first unanswered one was sent at most a second later.
        assert line.t - line.silent_since <= 2000 * MS + NOISE_NS
    assert half_open.result["clients"]["unexpected_disconnects"] == 0
    assert half_open.result["recovery"]["adapted_at_s"] is not None
    assert half_open.result["recovery"]["ttr_s"] == 0


def test_nothing_is_left_behind(storm: Told, half_open: Told) -> None:
    assert storm.finished.left_behind() == half_open.finished.left_behind() == []


def silent_run(reports: Path) -> Run:
    """A run whose clients have just fallen silent."""
    sets = ("--set", "method.a tenth is gone.for=60s", "--set", "timing.max_duration=5m")
    experiment = ROOT / "experiments" / "half-open.yaml"
    return come_to({"type": "silenced"}, experiment, "--profile", "smoke", "--format", "json", *sets, reports=reports)


def test_a_run_that_is_stopped_lets_what_is_silent_speak_and_leaves_nothing(tmp_path: Path) -> None:
    run = silent_run(tmp_path)
    run.signal(signal.SIGINT)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.left_behind() == []
    assert finished.folder is not None
    recording = read_run(finished.folder)
    assert {(line.done, line.verified) for line in recording.history.undone} == {(True, True)}
    assert recording.history.lost_records == 0
    assert finished.result["faults"][0]["undone"] is True


def test_with_chaosrun_killed_nothing_silent_is_left(tmp_path: Path) -> None:
    run = silent_run(tmp_path)
    run.signal(signal.SIGKILL)
    finished = run.finish()
    assert finished.code == -signal.SIGKILL
    assert finished.folder is not None
    [intent] = read_lines(finished.folder).of(Intent)
    end = time.monotonic() + GONE_WITHIN_S
    while not verify(intent.undo) and time.monotonic() < end:
        time.sleep(0.05)
    assert verify(intent.undo), "the load has ended by itself, and what was silent with it"
    undo(intent.undo)
    assert finished.left_behind() == []
