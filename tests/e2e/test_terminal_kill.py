"""A crash of the terminal: who was connected, when ticks stopped and came back, and what was lost, by the bridge's and
the terminal's own logs."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from e2e_running import ROOT, Finished, conclusive

from chaosrun.recorded import read_run
from chaosrun.records import Exited, History

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLIENTS = 20
MS = 1_000_000
NOISE_NS = 500 * MS
"""What a busy machine may add between two processes that look at one event; the bounds are one-sided beside it."""


@dataclass
class Tick:
    """A line of the terminal's own log."""

    channel: str
    number: int
    boot: str
    t: int


@dataclass
class Told:
    """A run, and what the services wrote of themselves, all in run time."""

    result: dict[str, Any]
    history: History
    killed: Exited
    ticks: list[Tick]
    events: list[dict[str, Any]]

    @property
    def boots(self) -> list[str]:
        return list(dict.fromkeys(tick.boot for tick in self.ticks))

    def of_boot(self, boot: str) -> list[Tick]:
        return [tick for tick in self.ticks if tick.boot == boot]

    def event(self, name: str) -> list[int]:
        return [each["t"] for each in self.events if each["event"] == name]

    def receipts(self, boot: str) -> dict[tuple[int, str], list[int]]:
        """When each client received the ticks of one boot, by client and channel."""
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        for push in self.history.pushes:
            stream = self.history.streams[push.sid]
            if stream.epoch == boot:
                found[stream.c, stream.channel].append(push.at)
        return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    experiment = ROOT / "experiments" / "terminal-kill.yaml"
    reports = tmp_path_factory.mktemp("reports")
    return conclusive(experiment, "--profile", "smoke", "--format", "json", reports=reports)


@pytest.fixture(scope="module")
def told(finished: Finished) -> Told:
    assert finished.folder is not None
    recording = read_run(finished.folder)
    assert recording.history.called, finished.err
    origin = recording.began.origin_ns
    lines = [line.split() for line in (finished.folder / "roles" / "terminal.published").read_text().splitlines()]
    events = [json.loads(line) for line in (finished.folder / "roles" / "bridge.events.jsonl").read_text().splitlines()]
    return Told(
        result=finished.result,
        history=recording.history,
        killed=next(line for line in recording.lines.of(Exited) if line.role == "terminal"),
        ticks=[Tick(channel, int(number), boot, int(t) - origin) for channel, number, boot, t in lines],
        events=[{**each, "t": each["t"] - origin} for each in events],
    )


def test_it_passes_and_leaves_nothing_behind(finished: Finished) -> None:
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    assert finished.left_behind() == []


def test_the_terminal_was_killed_and_the_bridge_was_not(told: Told) -> None:
    assert (told.killed.code, told.killed.expected) == (-9, True)
    assert len(told.boots) == 2
    assert len(told.event("listening")) == 1, "one life of the bridge"


def test_no_client_was_cut_off_by_the_bridges_own_log(told: Told) -> None:
    accounts = {each["account"] for each in told.events if each["event"] == "subscribed"} - {"prober"}
    assert len(accounts) == CLIENTS
    before_the_end = [
        each for each in told.events if each["event"] == "closed" and each["t"] < told.history.load_stopped
    ]
    assert [each for each in before_the_end if each["account"] in accounts] == []
    clients = told.result["clients"]
    assert (clients["unexpected_disconnects"], clients["reconnects"], clients["by_cause"]) == (0, 0, {})
    assert told.result["recovery"]["affected_clients"] == 0, "everybody's requests were answered all the time"


def test_ticks_stopped_with_the_kill_and_none_came_before_the_terminal_was_back(told: Told) -> None:
    first, second = told.boots
    last_old, first_new = told.of_boot(first)[-1].t, told.of_boot(second)[0].t
    called = told.history.called[0].t
    assert called - NOISE_NS <= last_old <= told.killed.t
    assert told.killed.t + 2_000 * MS <= first_new, "restart: after: 2s"
    between = [push.at for push in told.history.pushes if last_old + NOISE_NS < push.at < first_new]
    assert between == []


def test_the_impact_is_the_feeds_and_no_earlier_than_the_call(told: Told) -> None:
    recovery = told.result["recovery"]
    assert recovery["impact_by"] == "accounts.pushes"
    assert recovery["recovered_by"] == "accounts.pushes"
    assert recovery["impact_s"] == pytest.approx(told.history.called[0].t / 1e9)
    [stale] = told.result["detection_s"]["client"].items()
    assert (stale[0], stale[1]["count"]) == ("stale", CLIENTS)


def test_recovery_is_the_first_fresh_tick_of_the_last_client(told: Told) -> None:
    """1% of 20 clients is none: all must have one. By the raw rows exactly, by the terminal's log within the error."""
    recovery, called = told.result["recovery"], told.history.called[0].t
    receipts = told.receipts(told.boots[1])
    assert len(receipts) == CLIENTS
    assert called + recovery["ttr_s"] * 1e9 == pytest.approx(max(times[0] for times in receipts.values()), abs=MS)
    linked = [t for t in told.event("terminal_up") if t > called]
    assert len(linked) == 1
    channels = {tick.channel for tick in told.ticks}
    firsts = [
        next(tick.t for tick in told.of_boot(told.boots[1]) if tick.channel == each and tick.t >= linked[0] - MS)
        for each in channels
    ]
    truth = max(firsts) - called
    assert truth - MS <= recovery["ttr_s"] * 1e9 <= truth + recovery["error_s"] * 1e9 + NOISE_NS


def test_the_largest_age_is_from_the_stamp_of_the_last_tick_to_the_receipt_of_the_next(told: Told) -> None:
    stamps: dict[tuple[int, str], int] = {}
    for push in told.history.pushes:
        stream = told.history.streams[push.sid]
        if stream.epoch == told.boots[0]:
            assert push.sent_at is not None
            stamps[stream.c, stream.channel] = push.sent_at
    back = told.receipts(told.boots[1])
    worst = max(back[key][0] - stamp for key, stamp in stamps.items())
    [criterion] = [each for each in told.result["criteria"] if each["metric"] == "push_age_max"]
    assert criterion["value"] * 1e9 == pytest.approx(worst, abs=MS)
    assert criterion["value"] > 2.0


def test_losses_are_the_published_set_less_what_clients_received_id_by_id(told: Told) -> None:
    """Plain sets from the terminal's file and the raw rows: of the first boot all above the head that was told, of the
    second all from 1 to the last high-water mark."""
    published: dict[tuple[str, str], set[int]] = defaultdict(set)
    for tick in told.ticks:
        published[tick.channel, tick.boot].add(tick.number)
    received: dict[tuple[int, str, str], set[int]] = defaultdict(set)
    for push in told.history.pushes:
        stream = told.history.streams[push.sid]
        received[stream.c, stream.channel, str(stream.epoch)].add(push.first)
    marks = {head.channel: head.seq for head in told.history.heads if head.epoch == told.boots[1]}
    first, second = told.boots
    missing = 0
    for line in told.history.subscribed:
        assert line.head is not None and line.epoch == first
        old = {number for number in published[line.channel, first] if number > line.head}
        new = {number for number in published[line.channel, second] if number <= marks[line.channel]}
        missing += len(old - received[line.c, line.channel, first]) + len(new - received[line.c, line.channel, second])
    push = told.result["messages"]["push"]
    assert push["lost_connected"] + push["tail"] == missing
    assert push["missed_disconnected"] == 0
    assert push["accountable"], push["why"]
