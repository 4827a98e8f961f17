"""A bridge in the test's own process that misbehaves on demand, and a run of the real fleet against it.

Differs from the reference bridge: it numbers its ticks itself, and `rate` ticks a second go to every client alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chaosrun.journal import Journal
from chaosrun.load.config import Backoff, GroupLoad
from chaosrun.load.fleet import Fleet
from chaosrun.load.places import place_of
from chaosrun.plan import GroupPlan, Plan
from chaosrun.protocols import find
from chaosrun.recorded import read_run
from chaosrun.records import Began, Ended, History, LoadStopped
from chaosrun.spec.fleet import Ray
from chaosrun.targets.ports import free_port

MS = 1_000_000
SECOND = 1_000 * MS


@dataclass
class Bridge:
    """Speaks the MT5 bridge's format over real sockets."""

    rate: float = 0.0
    answers: bool = True
    authenticates: bool = True
    garbage: bool = False
    """Every ping is answered by nonsense first."""
    accounts: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    """Path and query of every handshake."""
    tls: ssl.SSLContext | None = None
    set_cookie: str = ""
    """In the answer to every handshake."""
    shakes: list[tuple[str, str]] = field(default_factory=list)
    """Of every handshake, the address that it came from and its cookies."""
    pings: int = 0
    seq: int = 0
    port: int = 0
    _server: Server | None = None
    _clients: set[ServerConnection] = field(default_factory=set)

    async def start(self) -> None:
        # It comes back on the same port after a kill, and its clients go on trying meanwhile.
        self.port = self.port or free_port()
        self._server = await serve(
            self._talk,
            "127.0.0.1",
            self.port,
            ping_interval=None,
            compression=None,
            close_timeout=0.2,
            ssl=self.tls,
            process_response=self._answer,
        )

    def _answer(self, client: ServerConnection, request: Request, response: Response) -> None:
        self.shakes.append((client.remote_address[0], ", ".join(request.headers.get_all("Cookie"))))
        if self.set_cookie:
            response.headers["Set-Cookie"] = self.set_cookie

    async def kill(self) -> None:
        """As SIGKILL does: nobody listens any more, every connection is reset."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for client in list(self._clients):
            client.transport.abort()
        self._clients.clear()
        await asyncio.sleep(0.01)

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(1 / self.rate)
            self.seq += 1
            tick = {"type": "tick", "symbol": "EURUSD", "seq": self.seq, "boot_id": "T1", "bid": 1.0, "ask": 1.1}
            for client in list(self._clients):
                with contextlib.suppress(ConnectionClosed):
                    await client.send(json.dumps(tick | {"ts": time.time() * 1e3}))

    async def _talk(self, client: ServerConnection) -> None:
        assert client.request is not None
        self.paths.append(client.request.path)
        with contextlib.suppress(ConnectionClosed):
            async for message in client:
                await self._hear(client, json.loads(message))
        self._clients.discard(client)

    async def _hear(self, client: ServerConnection, message: dict[str, Any]) -> None:
        heads = {"EURUSD": {"seq": self.seq, "boot_id": "T1"}}
        match message["type"]:
            case "auth" if not self.authenticates:
                await client.send('{"type":"error","error":"auth refused"}')
                await client.close(4401)
            case "auth":
                self.accounts.append(message["account"])
                await client.send(json.dumps({"type": "auth_ok", "account": message["account"]}))
            case "subscribe":
                await client.send(json.dumps({"type": "subscribed", "channels": message["channels"], "heads": heads}))
                self._clients.add(client)
            case "ping":
                self.pings += 1
                if self.garbage:
                    await client.send(b"\x00\xff")
                    await client.send('{"type":"tick","seq":"many"}')
                    await client.send("[" * 50)
                if self.answers:
                    await client.send(json.dumps({"type": "pong", "id": message["id"], "sent": message["sent"]}))
            case "head":
                await client.send(json.dumps({"type": "head", "heads": heads}))


@dataclass
class Run:
    """A fleet at work, and afterwards its history."""

    fleet: Fleet
    plan: GroupPlan
    origin_ns: int
    run_dir: Path
    t0: int = 0
    stopped: int = 0

    def now(self) -> int:
        return time.monotonic_ns() - self.origin_ns

    async def until(self, done: Callable[[], bool], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                await asyncio.sleep(0.01)

    @property
    def group(self) -> Any:
        groups = self.fleet.live.groups
        return groups[0].counts if groups else None

    async def all_usable(self) -> None:
        await self.until(lambda: self.group is not None and self.group.usable == self.plan.clients)


During = Callable[[Run], Awaitable[None]]


async def begin(
    run_dir: Path, bridge: Bridge, *, clients: int, workers: int, period_ns: int | None, load: dict[str, Any]
) -> Run:
    made = find("mt5")
    plan = GroupPlan(
        name="accounts",
        clients=clients,
        period_ns=period_ns,
        streams=load.pop("streams", made.streams),
        requests=load.pop("requests", made.requests),
        scripted=load.pop("scripted", False),
        latency_limit_ns=load.pop("latency_limit_ns", 500 * MS),
        sentinel_period_ns=load.pop("sentinel_period_ns", None),
        ramp_over_ns=load.pop("ramp_over_ns", 300 * MS),
        stages=load.pop("stages", ()),
        reply_timeout_ns=load.pop("reply_timeout_ns", 5 * SECOND),
        connect_within_ns=load.pop("connect_within_ns", 5 * SECOND),
    )
    kind, ray = load.pop("kind", "processes"), load.pop("ray", Ray())
    reconnect = load.pop("reconnect", Backoff(first_ns=50 * MS, max_ns=200 * MS))
    group = GroupLoad(
        index=0,
        plan=plan,
        url=f"{load.pop('scheme', 'ws')}://127.0.0.1:{bridge.port}",
        protocol=load.pop("protocol", "mt5"),
        channels=load.pop("channels", ("EURUSD",)),
        reconnect=reconnect,
        **load,
    )
    origin_ns = time.monotonic_ns()
    wall_offset_ns = time.time_ns()
    fleet = Fleet(
        [group],
        run_dir=run_dir,
        origin_ns=origin_ns,
        wall_offset_ns=wall_offset_ns,
        place=place_of(kind, ray, run_dir=run_dir, origin_ns=origin_ns, most=clients),
        workers=workers,
    )
    return Run(fleet, plan, origin_ns, run_dir)


def play(
    run_dir: Path,
    during: During,
    *,
    bridge: Bridge | None = None,
    clients: int = 12,
    workers: int = 1,
    period_ns: int | None = 200 * MS,
    drain_s: float = 1.0,
    **load: Any,
) -> tuple[Run, History]:
    """One run: start, ramp, whatever `during` does, stop, drain, close; then what was recorded of it."""
    stage = bridge or Bridge()

    async def act() -> Run:
        await stage.start()
        ticking = asyncio.create_task(stage.tick()) if stage.rate else None
        run = await begin(run_dir, stage, clients=clients, workers=workers, period_ns=period_ns, load=load)
        journal = Journal(run_dir, "engine")
        journal.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(run.plan,))))
        journal.flush()
        try:
            await run.fleet.start()
            run.t0 = run.now()
            await run.fleet.ramp(run.t0)
            await during(run)
            run.stopped = await run.fleet.stop()
            await run.fleet.drain(drain_s)
        finally:
            await run.fleet.close()
            if ticking is not None:
                ticking.cancel()
            await stage.kill()
        journal.append(LoadStopped(t=run.stopped))
        journal.append(Ended(t=run.now()))
        journal.close()
        return run

    run = asyncio.run(act())
    return run, read_run(run_dir).history
