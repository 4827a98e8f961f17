"""Toxics on a link: seen by a fresh client, taken off from data alone, on the embedded proxy and on the real one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from toxic_stage import World, link_to, service, started

from chaosrun.errors import Dirty, Unavailable
from chaosrun.faults import toxiproxy
from chaosrun.faults._base import Confirmation
from chaosrun.faults._sight import Look, Sight, see
from chaosrun.identity import Identity
from chaosrun.records import Undo
from chaosrun.spec.steps import ToxiproxyStep
from chaosrun.toxics import Link, Server, Toxic

EITHER = [
    pytest.param("embedded"),
    pytest.param("real", marks=pytest.mark.live),
]
TOXICS: dict[str, dict[str, Any]] = {
    "latency": {"toxic": "latency", "attributes": {"latency": "150ms"}},
    "latency upstream": {
        "toxic": "latency",
        "attributes": {"latency": "150ms", "jitter": "20ms"},
        "stream": "upstream",
    },
    "timeout": {"toxic": "timeout", "attributes": {"timeout": "200ms"}},
    "timeout for ever": {"toxic": "timeout"},
    "reset_peer": {"toxic": "reset_peer"},
    "reset_peer later": {"toxic": "reset_peer", "attributes": {"timeout": "200ms"}, "stream": "upstream"},
    "bandwidth": {"toxic": "bandwidth", "attributes": {"rate": "20kB/s"}},
    "bandwidth of a modem": {"toxic": "bandwidth", "attributes": {"rate": "1kB/s"}, "stream": "upstream"},
    "slow_close": {"toxic": "slow_close", "attributes": {"delay": "300ms"}},
    "slicer": {"toxic": "slicer", "attributes": {"average_size": "64B", "size_variation": "16B", "delay": "5ms"}},
    "slicer upstream": {
        "toxic": "slicer",
        "attributes": {"average_size": "1kB", "delay": "10ms"},
        "stream": "upstream",
    },
    "slicer of few": {"toxic": "slicer", "attributes": {"average_size": "64B", "delay": "200ms"}},
    "limit_data": {"toxic": "limit_data", "attributes": {"bytes": "1kB"}},
    "down": {"toxic": "down"},
    "half of the connections": {"toxic": "latency", "attributes": {"latency": "150ms"}, "toxicity": "50%"},
}
CERTIFICATE = Path(__file__).parents[1] / "load" / "tls" / "localhost.pem"
"""Key and self-signed certificate of localhost, for tests only."""
UNTOUCHED = Look(patience_s=30)


def fault(**keys: Any) -> toxiproxy.Toxiproxy:
    made = toxiproxy.make(ToxiproxyStep.model_validate({"fault": "toxiproxy", **keys}))
    assert isinstance(made, toxiproxy.Toxiproxy)
    return made


@pytest.fixture(scope="module")
def embedded() -> Iterator[tuple[Server, Identity]]:
    with started("embedded") as server:
        yield server


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[Server, Identity]]:
    with started("real") as server:
        yield server


@pytest.fixture(params=EITHER)
def server(request: pytest.FixtureRequest) -> Server:
    found: tuple[Server, Identity] = request.getfixturevalue(request.param)
    return found[0]


@asynccontextmanager
async def linked(server: Server, **more: Any) -> AsyncIterator[Link]:
    async with service() as port:
        link = link_to(server, port, **more)
        try:
            yield link
        finally:
            server.remove(link.proxy)


async def injected(keys: dict[str, Any], world: World, identifier: str = "fault-1") -> tuple[Undo, Confirmation]:
    """The fault as the engine takes it through; the record and what was seen."""
    one = fault(**keys)
    record = one.plan(world, identifier)
    await one.prepare(world)
    await one.inject(world)
    return record, await one.confirm(world)


async def undone(record: Undo) -> bool:
    await asyncio.to_thread(toxiproxy.undo, record)
    return await asyncio.to_thread(toxiproxy.verify, record)


async def answers(link: Link) -> bool:
    """Whether a fresh client is answered, in its time."""
    sight = await see(link, UNTOUCHED)
    return sight.answered is not None


# ---- every toxic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOXICS)
def test_a_fresh_client_sees_it_and_after_the_undo_no_more(server: Server, name: str) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            world = World(link)
            record, seen = await injected(TOXICS[name], world)
            assert seen.verified, seen.how
            assert seen.at is not None
            assert seen.at < world.now()
            assert not await asyncio.to_thread(toxiproxy.verify, record), "it stands"
            assert await undone(record)
            assert await undone(record), "and a second time"
            assert await answers(link)

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["latency", "timeout", "reset_peer", "bandwidth", "slow_close", "limit_data", "down"])
def test_what_does_nothing_is_not_confirmed(
    embedded: tuple[Server, Identity], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toxiproxy, "_EFFECT_WITHIN_S", 0.0)

    async def scenario() -> Confirmation:
        async with linked(embedded[0]) as link:
            one = fault(**TOXICS[name])
            one.plan(World(link), "fault-1")
            await one.prepare(World(link))
            return await one.confirm(World(link))

    seen = asyncio.run(scenario())
    assert not seen.verified
    assert "without the toxic" in seen.how


def test_a_service_that_speaks_first_needs_no_handshake(embedded: tuple[Server, Identity]) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")

    async def scenario() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as greeter:
            link = link_to(embedded[0], greeter.sockets[0].getsockname()[1], url="")
            record, seen = await injected(TOXICS["latency"], World(link))
            assert seen.verified, seen.how
            assert await undone(record)
            embedded[0].remove(link.proxy)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["latency", "slow_close", "bandwidth"])
def test_it_is_seen_through_tls_as_well(embedded: tuple[Server, Identity], name: str) -> None:
    async def scenario() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        async with service(context) as port:
            link = link_to(embedded[0], port, url=f"wss://localhost:{port}/")
            record, seen = await injected(TOXICS[name], World(link))
            assert seen.verified, seen.how
            assert await undone(record)
            embedded[0].remove(link.proxy)

    asyncio.run(scenario())


def test_a_link_that_was_dead_before_confirms_nothing(embedded: tuple[Server, Identity]) -> None:
    async def scenario() -> None:
        async with linked(embedded[0]) as link:
            pass
        # The service is gone, and the link leads nowhere.
        embedded[0].create(link.proxy, listen=link.bind, upstream=link.upstream)
        record, seen = await injected(TOXICS["timeout"], World(link))
        assert not seen.verified
        assert seen.how.startswith("nothing can be told of the link")
        assert await undone(record)
        embedded[0].remove(link.proxy)

    asyncio.run(scenario())


# ---- what is planned -------------------------------------------------------------------------------------------------


def test_a_link_that_there_is_not_is_refused_with_the_remedy() -> None:
    with pytest.raises(Unavailable, match=r"toxiproxy: auto, links: \[terminal\]"):
        fault(toxic="down", proxy="terminal").plan(World(), "fault-1")


def test_a_proxy_that_is_off_or_gone_is_refused_before_the_load(embedded: tuple[Server, Identity]) -> None:
    async def scenario() -> None:
        async with linked(embedded[0]) as link:
            one = fault(**TOXICS["latency"])
            await one.check(World(link))
            embedded[0].switch(link.proxy, on=False)
            with pytest.raises(Unavailable, match="is switched off"):
                await one.check(World(link))
            embedded[0].remove(link.proxy)
            with pytest.raises(Unavailable, match="is not there"):
                await one.check(World(link))
            with pytest.raises(Unavailable, match="goes through no proxy"):
                await one.check(World())

    asyncio.run(scenario())


def test_two_toxics_stand_together_and_go_one_by_one(server: Server) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            slow, _ = await injected(TOXICS["latency"], World(link), "fault-1")
            narrow, _ = await injected(TOXICS["bandwidth"], World(link), "fault-2")
            assert await undone(narrow)
            state = server.proxy(link.proxy)
            assert state is not None
            assert [toxic.type for toxic in state.toxics] == ["latency"], "the other one's"
            assert await undone(slow)
            state = server.proxy(link.proxy)
            assert state is not None
            assert state.toxics == []

    asyncio.run(scenario())


def test_toxics_of_others_are_left_alone(server: Server) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            server.add(link.proxy, Toxic(name="theirs", type="latency", attributes={"latency": 1}))
            record, seen = await injected(TOXICS["latency"], World(link))
            assert seen.verified, seen.how
            assert await undone(record)
            state = server.proxy(link.proxy)
            assert state is not None
            assert [toxic.name for toxic in state.toxics] == ["theirs"]

    asyncio.run(scenario())


def test_a_proxy_that_is_gone_is_refused_at_the_injection(embedded: tuple[Server, Identity]) -> None:
    async def scenario() -> None:
        async with linked(embedded[0]) as link:
            embedded[0].remove(link.proxy)
            one = fault(**TOXICS["latency"])
            one.plan(World(link), "fault-1")
            with pytest.raises(Unavailable, match="404"):
                await one.inject(World(link))

    asyncio.run(scenario())


def test_who_is_stopped_in_the_injection_waits_until_the_undo_can_see_it(
    embedded: tuple[Server, Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    put = toxiproxy._put

    def slowly(link: Link, toxic: Toxic) -> None:
        asked.set()
        assert go_on.wait(30)
        put(link, toxic)

    monkeypatch.setattr(toxiproxy, "_put", slowly)

    async def scenario() -> None:
        async with linked(embedded[0]) as link:
            one = fault(**TOXICS["latency"])
            record = one.plan(World(link), "fault-1")
            injection = asyncio.create_task(one.inject(World(link)))
            await asyncio.to_thread(asked.wait, 30)
            injection.cancel()
            await asyncio.sleep(0)
            assert not injection.done()
            go_on.set()
            await asyncio.wait([injection])
            assert injection.cancelled()
            state = embedded[0].proxy(link.proxy)
            assert state is not None
            assert len(state.toxics) == 1, "it had been asked for, and came before the undo"
            assert await undone(record)

    asyncio.run(scenario())


# ---- the undo from data alone ----------------------------------------------------------------------------------------

ALONE = """
import sys, msgspec
from chaosrun.faults import toxiproxy
from chaosrun.records import Undo
record = msgspec.json.decode(sys.stdin.buffer.read(), type=Undo)
toxiproxy.undo(record)
sys.exit(0 if toxiproxy.verify(record) else 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["latency", "down"])
def test_another_process_can_undo_it(server: Server, name: str) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            record, _ = await injected(TOXICS[name], World(link))
            # A proxy in the environment is none of ours, not even for loopback.
            env = {**os.environ, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
            data = msgspec.json.encode(record)
            await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", ALONE], input=data, check=True, timeout=60, env=env
            )
            assert await answers(link)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["latency", "down"])
def test_an_undo_is_right_if_the_injection_never_happened(server: Server, name: str) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            record = fault(**TOXICS[name]).plan(World(link), "fault-1")
            assert await undone(record)
            assert await answers(link)

    asyncio.run(scenario())


def test_what_was_done_to_a_server_of_the_run_is_gone_with_it() -> None:
    async def scenario() -> Undo:
        with started("embedded") as (server, process):
            async with service() as port:
                link = link_to(server, port, process=process)
                record, _ = await injected(TOXICS["latency"], World(link))
                return record

    assert asyncio.run(undone(asyncio.run(scenario())))


def test_a_server_of_somebody_else_that_is_gone_is_dirt_with_the_call_to_make_by_hand() -> None:
    async def scenario() -> Undo:
        with started("embedded") as (server, _):
            async with service() as port:
                record, _ = await injected(TOXICS["latency"], World(link_to(server, port)))
                return record

    record = asyncio.run(scenario())
    with pytest.raises(Dirty, match=r"curl -X DELETE http://127.0.0.1:[0-9]+/proxies/chaosrun-test-.*/toxics/"):
        toxiproxy.verify(record)
    with pytest.raises(Dirty, match="curl -X DELETE"):
        toxiproxy.undo(record)


def test_a_link_made_at_somebody_elses_server_has_an_undo_of_its_own(server: Server) -> None:
    async def scenario() -> None:
        async with linked(server) as link:
            record = toxiproxy.link_record(link)
            assert not await asyncio.to_thread(toxiproxy.verify, record)
            assert await undone(record)
            assert server.proxy(link.proxy) is None

    asyncio.run(scenario())


# ---- a server that freezes -------------------------------------------------------------------------------------------


@pytest.mark.live
@pytest.mark.parametrize("way", ["by the run", "by its undo alone"])
def test_where_the_real_server_freezes_over_a_toxic_the_link_is_made_anew_at_its_port(
    real: tuple[Server, Identity], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A client that does not read and a service that goes on sending: the server waits for the one to read, and lets
    nobody look at the proxy meanwhile."""
    monkeypatch.setattr("chaosrun.toxics._TIMEOUT_S", (1.0, 1.0))
    server, sent = real[0], list[int]()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent.append(1 << 16)

    async def scenario() -> None:
        async with await asyncio.start_server(flood, "127.0.0.1", 0) as flooding:
            link = link_to(server, flooding.sockets[0].getsockname()[1], url="")
            host, _, port = link.listen.rpartition(":")
            with socket.create_connection((host, int(port))):
                world = World(link)
                one = fault(**TOXICS["latency"])
                record = one.plan(world, "fault-1")
                await one.inject(world)
                await _until_still(sent)
                if way == "by the run":
                    await one.remove(world)
                assert await undone(record)
            told = ["froze" in note and "made anew" in note for note in world.notes]
            assert told == ([True] if way == "by the run" else [])
            state = await asyncio.to_thread(server.proxy, link.proxy)
            assert state is not None
            assert (state.listen, state.toxics) == (link.listen, [])
            assert await answers(link)
            await asyncio.to_thread(server.remove, link.proxy)

    asyncio.run(scenario())


async def _until_still(sent: list[int]) -> None:
    """Until nothing more is taken from the service for a while: all that lies between it and the client is full."""
    end, last, looks = time.monotonic() + 90, 0, 0
    while looks < 4:
        assert time.monotonic() < end, "it is taken from the service for ever"
        await asyncio.sleep(1)
        looks = looks + 1 if len(sent) == last and last else 0
        last = len(sent)


# ---- what the confirming client says ---------------------------------------------------------------------------------


def test_a_sight_says_in_words_what_was_seen() -> None:
    sight = Sight(answered=2_000_000, asked=250, echo=3_000_000, left=5_000_000, ending="closed", ended=9_000_000)
    assert str(sight) == "answered after 2.0 ms, 250 bytes given back in 3.0 ms, closed 4.0 ms after it left"
    assert str(Sight(ending="refused", ended=1_000_000)) == "no answer, refused 1.0 ms after it came"


def test_a_port_where_nobody_listens_refuses_and_one_that_says_nothing_is_given_up() -> None:
    async def scenario() -> tuple[Sight, Sight]:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            at = f"127.0.0.1:{silent.getsockname()[1]}"
            link = Link("server", "", "", at, at, at, "ws://127.0.0.1/", None)
            refused = await see(link, Look(patience_s=30))
            silent.listen()
            return refused, await see(link, Look(patience_s=0.2))

    refused, silent = asyncio.run(scenario())
    assert (refused.ending, refused.answered) == ("refused", None)
    assert (silent.ending, silent.answered) == ("", None)


def test_records_hold_nothing_but_what_the_undo_needs() -> None:
    link = Link("server", "http://127.0.0.1:1", "p", "a:1", "a:1", "b:2", "wss://h/?token=secret", None)
    record = fault(**TOXICS["latency"]).plan(World(link), "fault-1")
    assert b"secret" not in msgspec.json.encode(record)
