"""Cutting clients off, in a real load against a real server: exactly who was meant, and as the server's socket says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fleet_stage import MS, SECOND, Bridge, Run, play
from websockets.asyncio.server import ServerConnection

from chaosrun.cutting import CutOrder, How, chosen
from chaosrun.faults._base import Confirmation, Fault
from chaosrun.faults.client_disconnect import ClientDisconnect, UndoArgs, make, undo, verify
from chaosrun.identity import identify, is_alive
from chaosrun.journal import Journal
from chaosrun.method import Inject, Method
from chaosrun.recorded import read_lines
from chaosrun.records import Called, Confirmed, History, Kind, Removed, Silenced, Undo, Undone
from chaosrun.safety.standing import StandingFaults
from chaosrun.scoring.pacing import due_times
from chaosrun.spec.steps import ClientDisconnectStep

CLIENTS = 12
FIRST_ACCOUNT = 1001


@dataclass
class Witness(Bridge):
    """Writes down how each client left, by what its own socket reported."""

    left: list[tuple[int, str]] = field(default_factory=list)
    """Client, and `reset`, `eof` or `close CODE`."""
    _client_of: dict[ServerConnection, int] = field(default_factory=dict)

    async def _hear(self, client: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "auth":
            self._client_of[client] = int(message["account"]) - FIRST_ACCOUNT
        await super()._hear(client, message)

    async def _talk(self, client: ServerConnection) -> None:
        await super()._talk(client)
        await client.wait_closed()
        received = client.protocol.close_rcvd
        how = f"close {received.code}" if received is not None else "eof"
        if isinstance(client.connection_exc, ConnectionResetError):
            how = "reset"
        self.left.append((self._client_of.pop(client, -1), how))

    @property
    def open(self) -> int:
        return len(self._client_of)


class World:
    """Implements `chaosrun.faults._base.World`: there is nothing but the load."""

    roles: Mapping[str, Any] = {}
    links: Mapping[str, Any] = {}
    url = ""

    def __init__(self, run: Run) -> None:
        self.clients = run.fleet
        self.now = run.now


def cut(how: How = "rst", **more: Any) -> ClientDisconnect:
    return ClientDisconnect("cut them off", CutOrder(how=how, **more))


async def injected(fault: Fault, run: Run) -> Confirmation:
    world = World(run)
    fault.plan(world, "fault-1")
    await fault.inject(world)
    return await fault.confirm(world)


def conns(history: History) -> Counter[int]:
    """How often each client was connected."""
    return Counter(line.c for line in history.opened)


def assert_each_slot_has_one_row(run: Run, history: History) -> None:
    planned = {(c, due) for c in range(run.plan.clients) for due in due_times(c, run.plan, run.t0, run.stopped)}
    rows = Counter((slot.client, slot.due) for slot in history.slots if slot.kind is Kind.SLOT)
    assert set(rows) == planned
    assert set(rows.values()) == {1}
    assert history.lost_records == 0


@pytest.mark.parametrize("transport", ["picows", "websockets"])
@pytest.mark.parametrize(
    ("how", "code", "heard"), [("rst", None, "reset"), ("fin", None, "eof"), ("close", 4007, "close 4007")]
)
def test_exactly_those_who_were_chosen_are_cut_off_and_the_server_hears_how(
    tmp_path: Path, transport: str, how: How, code: int | None, heard: str
) -> None:
    server = Witness()
    order = CutOrder(how=how, code=code, clients=5, seed=7)
    victims = set(chosen(order, 0, CLIENTS))
    seen: list[Confirmation] = []

    async def during(run: Run) -> None:
        await run.all_usable()
        seen.append(await injected(ClientDisconnect("cut", order), run))
        await run.until(lambda: len(server.left) == 5)
        await run.until(lambda: server.open == CLIENTS)
        await run.all_usable()

    run, history = play(tmp_path, during, bridge=server, transport=transport, workers=2, drain_s=15)
    [(verified, told, _)] = seen
    assert verified, told
    assert told.startswith("5 of 5 connections")
    assert set(server.left[:5]) == {(victim, heard) for victim in victims}
    cuts = [line for line in history.closed if line.t < run.stopped]
    assert {(line.c, line.cause, line.planned) for line in cuts} == {(victim, "injected", True) for victim in victims}
    assert {c for c, times in conns(history).items() if times == 2} == victims
    assert max(conns(history).values()) == 2, "the others were left alone"
    assert_each_slot_has_one_row(run, history)


def test_the_effect_is_dated_by_how_late_the_latest_cut_was_and_not_by_when_it_was_looked_at(tmp_path: Path) -> None:
    times: list[int] = []

    async def during(run: Run) -> None:
        await run.all_usable()
        times.append(run.now())
        seen = await injected(cut(over_ns=600 * MS), run)
        assert seen.at is not None
        times.extend((seen.at, run.now()))

    _, history = play(tmp_path, during)
    called, at, looked = times
    cuts = sorted(line.t for line in history.closed if line.cause == "injected")
    assert len(cuts) == CLIENTS
    assert cuts[-1] - cuts[0] >= 500 * MS, "they were spread"
    assert called <= at <= looked
    assert looked - called >= 550 * MS, "it is over when the last one is cut"


def test_a_spread_cut_that_is_stopped_cuts_nobody_else(tmp_path: Path) -> None:
    async def during(run: Run) -> None:
        await run.all_usable()
        fault = cut(over_ns=3 * SECOND)
        world = World(run)
        fault.plan(world, "fault-1")
        injecting = asyncio.create_task(fault.inject(world))
        await run.until(lambda: run.group.open < CLIENTS or run.group.attempts > CLIENTS)
        injecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await injecting
        already.append(len(await run.fleet.cuts("fault-1/0")))
        await asyncio.sleep(0.5)
        already.append(len(await run.fleet.cuts("fault-1/0")))

    already: list[int] = []
    play(tmp_path, during)
    assert 1 <= already[0] < CLIENTS
    assert already[1] == already[0]


def test_who_has_no_connection_cannot_be_cut_off_and_is_not_counted(tmp_path: Path) -> None:
    server = Witness()

    async def during(run: Run) -> None:
        await run.all_usable()
        await server.kill()
        await run.until(lambda: run.group.open == 0)
        verified, told, _ = await injected(cut(), run)
        assert not verified
        assert "none of the 12 clients" in told

    play(tmp_path, during, bridge=server)


def test_a_storm_is_called_and_confirmed_wave_by_wave_and_chooses_anew(tmp_path: Path) -> None:
    server = Witness()
    order = CutOrder(clients=0.25, seed=3)

    async def during(run: Run) -> None:
        await run.all_usable()
        journal = Journal(run.run_dir, "faults")
        standing = StandingFaults(World(run), journal, lambda *_: None)  # type: ignore[arg-type]
        storm = Inject(ClientDisconnect("storm", order), "fault-1", times=2, every_ns=SECOND)
        await Method(standing, run.now, ramp=0).run([storm])
        journal.close()
        await run.until(lambda: server.open == CLIENTS)

    run, history = play(tmp_path, during, bridge=server)
    lines = read_lines(tmp_path)
    called, confirmed = lines.of(Called), lines.of(Confirmed)
    assert [line.id for line in called] == ["fault-1"] * 2
    assert [line.verified for line in confirmed] == [True] * 2
    assert called[1].t - called[0].t >= 950 * MS
    assert len(lines.of(Removed)) == len(lines.of(Undone)) == 2
    waves = [set(chosen(order, wave, CLIENTS)) for wave in range(2)]
    assert [len(wave) for wave in waves] == [3, 3]
    assert waves[0] != waves[1]
    cuts = Counter(line.c for line in history.closed if line.cause == "injected")
    assert cuts == Counter(c for wave in waves for c in wave)
    assert_each_slot_has_one_row(run, history)


# ---- half-open ------------------------------------------------------------------------------------------------------

lasting = pytest.mark.parametrize("how", ["silent", pytest.param("vanished", marks=pytest.mark.slow)])


@lasting
def test_silent_clients_wait_and_what_waited_passes_when_the_fault_is_removed(tmp_path: Path, how: How) -> None:
    server = Witness(rate=50)

    async def during(run: Run) -> None:
        await run.all_usable()
        fault = cut(how, clients=4)
        seen = await injected(fault, run)
        assert seen.verified, seen.how
        assert seen.how.startswith("4 of 4 connections silenced")
        await run.until(lambda: run.group.usable == CLIENTS - 4)
        await fault.remove(World(run))
        await run.all_usable()

    run, history = play(tmp_path, during, bridge=server, drain_s=15)
    silenced = read_lines(tmp_path).of(Silenced)
    assert {line.c for line in silenced} == set(chosen(CutOrder(clients=4), 0, CLIENTS))
    assert max(conns(history).values()) == 1, "no connection was lost"
    assert [line for line in history.closed if line.t < run.stopped] == []
    since = max(line.t for line in silenced)
    held = [slot for slot in history.slots if slot.client == silenced[0].c and since < slot.due < since + 200 * MS]
    assert held
    assert all(slot.got - slot.sent > 100 * MS for slot in held), "answered late, and not lost"
    assert_each_slot_has_one_row(run, history)


@pytest.mark.slow
@lasting
def test_silent_clients_with_a_heartbeat_come_back_and_the_server_is_left_with_the_dead(
    tmp_path: Path, how: How
) -> None:
    server = Witness(rate=50)

    async def during(run: Run) -> None:
        await run.all_usable()
        fault = cut(how, clients=4)
        seen = await injected(fault, run)
        assert seen.verified, seen.how
        await run.until(lambda: server.open == CLIENTS + 4)
        await run.all_usable()
        assert server.left == [], "it has heard of nothing"
        await fault.remove(World(run))
        await run.until(lambda: len(server.left) == 4)
        assert {what for _, what in server.left} == {"reset"}
        await run.all_usable()

    run, history = play(tmp_path, during, bridge=server, drain_s=15, heartbeat_every_s=0.3, heartbeat_timeout_s=1.0)
    victims = set(chosen(CutOrder(clients=4), 0, CLIENTS))
    closed = [line for line in history.closed if line.t < run.stopped]
    assert {(line.c, line.cause, line.planned) for line in closed} == {(c, "ping_timeout", True) for c in victims}
    since = {line.c: line.t for line in read_lines(tmp_path).of(Silenced)}
    assert {line.c: line.silent_since for line in closed} == since, "nothing passed any more since then"
    assert {c for c, times in conns(history).items() if times == 2} == victims
    assert_each_slot_has_one_row(run, history)


def test_what_is_silent_is_not_silenced_twice_and_can_be_cut_off_for_good(tmp_path: Path) -> None:
    async def during(run: Run) -> None:
        await run.all_usable()
        world = World(run)
        told: list[Confirmation] = []
        for number, fault in enumerate((cut("silent"), cut("vanished"), cut("rst"))):
            fault.plan(world, f"fault-{number}")
            await fault.inject(world)
            told.append(await fault.confirm(world))
        assert [seen.verified for seen in told] == [True, False, True], told
        assert "none of the 12 clients" in told[1].how
        assert told[2].how.startswith("12 of 12 connections reset")
        await run.all_usable()

    run, history = play(tmp_path, during, drain_s=15)
    silenced = {line.c: line.t for line in read_lines(tmp_path).of(Silenced)}
    cuts = [line for line in history.closed if line.t < run.stopped]
    assert {line.cause for line in cuts} == {"injected"}
    assert {line.c: line.silent_since for line in cuts} == silenced
    assert_each_slot_has_one_row(run, history)


def test_what_is_still_silent_when_the_load_stops_holds_nothing_up(tmp_path: Path) -> None:
    async def during(run: Run) -> None:
        await run.all_usable()
        assert (await injected(cut("silent"), run)).verified

    run, history = play(tmp_path, during, drain_s=15)
    assert history.lost_records == 0
    assert {line.cause for line in history.closed} == {"ours"}
    assert_each_slot_has_one_row(run, history)


# ---- the record -----------------------------------------------------------------------------------------------------


def lasting_record(run: subprocess.Popen[bytes], load: subprocess.Popen[bytes]) -> Undo:
    args = UndoArgs(identify(run.pid), tuple(each for each in [identify(load.pid)] if each is not None))
    raw = msgspec.Raw(msgspec.json.encode(args))
    return Undo(id="f", kind="client_disconnect", what="", identity={}, args=raw)


def test_with_its_run_gone_the_record_ends_the_load_and_with_it_what_is_silent() -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleeper) as run, subprocess.Popen(sleeper) as load:
        record = lasting_record(run, load)
        assert verify(record), "the run goes on, and sees to it"
        undo(record)
        assert load.poll() is None
        run.kill()
        run.wait()
        assert not verify(record)
        undo(record)
        assert load.wait(10) == -9
        assert verify(record)
        undo(record)


def test_who_comes_back_by_itself_needs_no_undo(tmp_path: Path) -> None:
    async def during(run: Run) -> None:
        record = msgspec.json.decode(msgspec.json.encode(cut().plan(World(run), "fault-1")), type=Undo)
        assert verify(record), "valid though nothing was injected"
        undo(record)
        assert all(map(is_alive, run.fleet.processes))
        assert run.fleet.processes

    play(tmp_path, during, clients=1)


# ---- what is meant --------------------------------------------------------------------------------------------------


def test_a_share_is_rounded_up_and_the_choice_is_the_seeds() -> None:
    assert len(chosen(CutOrder(clients=0.01), 0, 300)) == 3
    assert len(chosen(CutOrder(clients=0.01), 0, 20)) == 1
    assert len(chosen(CutOrder(clients=7), 0, 20)) == 7
    assert sorted(chosen(CutOrder(), 0, 20)) == list(range(20))
    assert chosen(CutOrder(seed=5), 0, 20) == chosen(CutOrder(seed=5), 0, 20)
    assert chosen(CutOrder(seed=5), 0, 20) != chosen(CutOrder(seed=6), 0, 20)
    assert chosen(CutOrder(seed=5), 0, 20) != chosen(CutOrder(seed=5), 1, 20)


def test_a_step_says_who_is_cut_off_and_how() -> None:
    step = ClientDisconnectStep.model_validate(
        {"fault": "client_disconnect", "clients": 3, "how": {"close": 1013}, "over": "2s", "seed": 9}
    )
    fault = make(step)
    assert (fault.name, fault.sustained) == ("client_disconnect", False)
    assert make(ClientDisconnectStep(fault="client_disconnect", how="silent")).sustained
    assert step.lasts_ns() == 2 * SECOND
    assert isinstance(step.clients, int)
    share = ClientDisconnectStep.model_validate({"fault": "client_disconnect", "clients": "1%"})
    assert share.clients == 0.01
