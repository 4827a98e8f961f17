"""The prober, as the process it is, against a server of bare sockets that speaks the mt5 bridge's protocol."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from scripted_server import TEXT, Peer, ScriptedServer

from chaosrun.errors import ChaosrunError
from chaosrun.journal import JOURNAL, ProbeRows, read_rows
from chaosrun.load.probe_line import ProbeLine
from chaosrun.load.prober import ProberConfig
from chaosrun.load.probing import Probing
from chaosrun.load.transport import Options
from chaosrun.protocols._base import ClientIdentity, Clocks, Conversation, Data, Protocol, Sink
from chaosrun.records import NONE, Probe
from chaosrun.targets.ports import free_port

MS = 1_000_000


class Bridge:
    """A script that answers as the mt5 bridge does, until it is frozen."""

    def __init__(self) -> None:
        self.thawed = threading.Event()
        self.thawed.set()
        self.accounts: list[str] = []
        self.standing = 0
        """Echoes on connections that had one before: there is a standing connection."""

    def __call__(self, peer: Peer) -> None:
        peer.accept()
        for number in count():
            got = peer.receive()
            if got.opcode != TEXT:
                return
            self.standing += number > 2  # after auth, subscribe and the first echo
            self.thawed.wait()
            peer.send(TEXT, json.dumps(self._answer(json.loads(got.payload))).encode())

    def _answer(self, asked: dict[str, object]) -> dict[str, object]:
        match asked["type"]:
            case "auth":
                self.accounts.append(str(asked["account"]))
                return {"type": "auth_ok", "account": asked["account"]}
            case "subscribe":
                return {"type": "subscribed", "channels": asked["channels"], "heads": {}}
            case _:
                return {"type": "pong", "id": asked["id"], "sent": asked["sent"]}


def config(run_dir: Path, port: int, **changes: object) -> ProberConfig:
    settings: dict[str, object] = {
        "run_dir": str(run_dir),
        "origin_ns": time.monotonic_ns(),
        "wall_offset_ns": time.time_ns(),
        "url": f"ws://127.0.0.1:{port}",
        "protocol": "mt5",
        "account": {"account": "prober"},
        "channels": ("EURUSD",),
        "connect_every_ns": 50 * MS,
        "timeout_ns": 300 * MS,
    }
    return ProberConfig(**(settings | changes))  # type: ignore[arg-type]


def probes(run_dir: Path) -> list[Probe]:
    rows, torn = read_rows(run_dir / "samples" / "prober.probes", ProbeRows)
    assert not torn
    return [Probe(sent, got, until, bool(fresh)) for sent, got, until, fresh in zip(*[iter(rows)] * 4, strict=True)]


def run_prober(settings: ProberConfig, during: object) -> None:
    """Run the prober while `during()` runs in this thread."""

    async def scenario() -> None:
        prober = Probing(settings)
        await prober.start()
        try:
            await asyncio.to_thread(during)  # type: ignore[arg-type]
        finally:
            await prober.close()

    asyncio.run(scenario())


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 15
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def test_a_healthy_server_is_probed_by_echoes_and_by_fresh_connections(tmp_path: Path) -> None:
    bridge = Bridge()
    with ScriptedServer(bridge) as server:
        patient = config(tmp_path, server.port, timeout_ns=30_000 * MS)
        run_prober(patient, lambda: wait_for(lambda: len(bridge.accounts) >= 8 and bridge.standing >= 4))
    rows = probes(tmp_path)
    assert set(bridge.accounts) == {"prober"}
    assert sum(row.connect for row in rows) >= 3
    assert sum(not row.connect for row in rows) >= 3
    assert all(row.sent <= row.got == row.until for row in rows)
    last = json.loads((tmp_path / JOURNAL).read_text().splitlines()[-1])
    assert (last["type"], last["w"], last["probes"]) == ("ended", "prober", len(rows))


def test_modules_of_the_working_directory_are_none_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "select.py").write_text("raise SystemExit('a module of the project')")
    monkeypatch.chdir(tmp_path)
    bridge = Bridge()
    with ScriptedServer(bridge) as server:
        run_prober(config(tmp_path, server.port), lambda: wait_for(lambda: len(bridge.accounts) >= 1))


def test_an_outage_is_seen_at_once_probed_densely_and_its_end_is_a_fresh_echo(tmp_path: Path) -> None:
    bridge = Bridge()
    times: dict[str, int] = {}
    settings = config(tmp_path, 0)

    def now() -> int:
        return time.monotonic_ns() - settings.origin_ns

    first = ScriptedServer(bridge, free_port())
    settings = config(tmp_path, first.port)

    def outage() -> None:
        with first:
            wait_for(lambda: len(bridge.accounts) >= 2)
            first.kill()
        times["down"] = now()
        time.sleep(1.2)
        with ScriptedServer(bridge, first.port) as second:
            times["up"] = now()
            before = len(bridge.accounts)
            wait_for(lambda: len(bridge.accounts) >= before + 3)
            second.kill()

    run_prober(settings, outage)
    rows = probes(tmp_path)
    meanwhile = sorted(row for row in rows if times["down"] < row.sent < times["up"] - 300 * MS)
    assert len(meanwhile) >= 10
    assert all(row.got == NONE for row in meanwhile)
    # What stood may be asked once more before its reset is read, and so may what was opened in that instant; an echo
    # every 50 ms would be some twenty.
    assert sum(not row.connect for row in meanwhile) <= 2
    assert any(row.connect for row in meanwhile)
    back = [row for row in rows if row.connect and row.got > times["up"]]
    assert back
    echoes = [row for row in rows if not row.connect and row.got != NONE and row.sent > back[0].got]
    assert echoes, "the connection that found the server again became the standing one"


def test_a_connection_that_breaks_while_no_echo_is_under_way_is_an_echo_that_failed(tmp_path: Path) -> None:
    """Attempts that hang for a while and then succeed would otherwise leave no trace of it."""
    bridge = Bridge()
    broken: list[int] = []

    def once(peer: Peer) -> None:
        if not broken:
            peer.accept()
            for _ in range(3):  # auth, subscribe and the first echo; the next one is due in an hour
                peer.send(TEXT, json.dumps(bridge._answer(json.loads(peer.receive().payload))).encode())
            broken.append(time.monotonic_ns())
            peer.fin()
        else:
            bridge(peer)

    with ScriptedServer(once) as server:
        settings = config(tmp_path, server.port, every_ns=3_600_000 * MS, connect_every_ns=3_600_000 * MS)
        run_prober(settings, lambda: wait_for(lambda: len(bridge.accounts) >= 2))
    failed = [row for row in probes(tmp_path) if row.got == NONE]
    assert [row.connect for row in failed] == [False]
    assert failed[0].sent + settings.origin_ns >= broken[0]


def test_a_frozen_server_fails_echoes_by_their_timeout_and_is_found_again(tmp_path: Path) -> None:
    bridge = Bridge()
    settings = config(tmp_path, 0)
    thaw = 0
    with ScriptedServer(bridge) as server:
        settings = config(tmp_path, server.port, timeout_ns=600 * MS)

        def freeze() -> None:
            nonlocal thaw
            wait_for(lambda: bridge.standing >= 2)
            bridge.thawed.clear()
            time.sleep(1.8)
            before = len(bridge.accounts)
            thaw = time.monotonic_ns() - settings.origin_ns
            bridge.thawed.set()
            wait_for(lambda: len(bridge.accounts) >= before + 6)
            time.sleep(0.3)

        run_prober(settings, freeze)
    rows = probes(tmp_path)
    late = [row for row in rows if row.got == NONE]
    assert any(not row.connect and row.until == row.sent + settings.timeout_ns for row in late)
    assert any(row.connect for row in late)
    hung = [row for row in rows if row.connect and row.sent < thaw <= row.got]
    assert len(hung) >= 2, "attempts that hung when another was answered have their rows too"
    assert any(not row.connect and row.got != NONE and row.sent > max(one.sent for one in late) for row in rows)


def test_what_was_flushed_is_on_disk_while_it_goes_on(tmp_path: Path) -> None:
    async def scenario() -> int:
        prober = Probing(config(tmp_path, server.port))
        await prober.start()
        try:
            # That the server has seen a client does not mean that the client has its answer yet.
            async with asyncio.timeout(15):
                await prober.flush()
                while not probes(tmp_path):
                    await asyncio.sleep(0.02)
                    await prober.flush()
            return len(probes(tmp_path))
        finally:
            await prober.close()

    with ScriptedServer(Bridge()) as server:
        flushed = asyncio.run(scenario())
    assert 0 < flushed <= len(probes(tmp_path))


def test_it_ends_with_its_stdin_and_still_writes_its_last_line(tmp_path: Path) -> None:
    async def scenario() -> int:
        prober = Probing(config(tmp_path, server.port))
        await prober.start()
        process = prober._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        return await asyncio.wait_for(process.wait(), 15)

    with ScriptedServer(Bridge()) as server:
        assert asyncio.run(scenario()) == 0
    assert '"ended"' in (tmp_path / JOURNAL).read_text()


def test_an_unknown_protocol_is_said_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        prober = Probing(config(tmp_path, 1, protocol="mt6"))
        with pytest.raises(ChaosrunError, match="no protocol 'mt6'"):
            await prober.start()
        await prober.close()

    asyncio.run(scenario())


def test_a_stream_without_requests_is_proved_by_its_first_message() -> None:
    class Ticker(Conversation):
        def start(self, now: int) -> None:
            self.sink.opened()

        def receive(self, data: Data, binary: bool, now: int) -> None:
            self.sink.pushed("c", 1, 1, None, None, "stream")

        def request(self, token: int, which: int, now: int) -> bool:
            raise AssertionError("nothing can be asked")

    class OnlyPushes(Protocol):
        requests = ()

        def conversation(
            self, identity: ClientIdentity, sink: Sink, clocks: Clocks, previous: Conversation | None = None
        ) -> Conversation:
            return Ticker(identity, sink, clocks)

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(TEXT, b"tick")
        peer.end()

    async def scenario() -> None:
        clocks = Clocks(time.monotonic_ns())
        line = ProbeLine(OnlyPushes(), ClientIdentity("p", 0, "p"), clocks, lambda *_: None, lambda _: None)
        assert 0 < await line.open(server.url, Options()) <= line.now()
        assert not line.outstanding
        line.close()
        await asyncio.sleep(0.05)

    with ScriptedServer(script) as server:
        asyncio.run(scenario())
