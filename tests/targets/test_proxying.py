"""The Toxiproxy of a run: which it is, its links, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from websockets.asyncio.client import connect

from chaosrun import proxy
from chaosrun.errors import Unavailable, UsageError
from chaosrun.identity import Identity, is_alive, send_signal
from chaosrun.processes import RUN_TAG, environment
from chaosrun.targets.own import OwnTarget
from chaosrun.targets.ports import ephemeral_range, free_port
from chaosrun.targets.proxied import ProxiedTarget, Wanted, address_of
from chaosrun.targets.proxying import Choice, Proxying, choose
from chaosrun.targets.reference import ReferenceTarget
from chaosrun.toxics import Link, ProxyState, Server

EMBEDDED = Choice("embedded", sys.executable)


class Events:
    """What was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.processes: list[Identity] = []

    def spawned(self, role: str, identity: Identity) -> None:
        self.processes.append(identity)
        self.told.append(f"spawned {role}")

    def exited(self, role: str, identity: Identity, code: int | None, expected: bool) -> None:
        self.told.append(f"exited {role} {'expected' if expected else 'by itself'}")

    def led(self, link: Link) -> None:
        assert Server(link.api).proxy(link.proxy) is None, "it must be known before it is there"
        self.told.append(f"led {link.name}")

    def unled(self, link: Link, error: str) -> None:
        self.told.append(f"unled {link.name} {error}".rstrip())


def proxying(tmp_path: Path, events: Events, choice: Choice = EMBEDDED, **more: object) -> Proxying:
    return Proxying(choice, run=str(tmp_path), directory=tmp_path, events=events, **more)  # type: ignore[arg-type]


@contextmanager
def somebody_elses() -> Iterator[Server]:
    port = free_port()
    with subprocess.Popen([*proxy.argv(port=port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield Server(f"http://127.0.0.1:{port}")
        finally:
            process.kill()


# ---- which one -------------------------------------------------------------------------------------------------------


def test_auto_takes_what_is_configured_then_what_is_installed_then_its_own(tmp_path: Path) -> None:
    program = tmp_path / "toxiproxy-server"
    program.write_text("")
    program.chmod(0o755)
    here = {"PATH": str(tmp_path)}
    assert choose("auto", here | {"TOXIPROXY_URL": "http://127.0.0.1:8474/"}) == Choice(
        "server", "http://127.0.0.1:8474"
    )
    assert choose("auto", here) == Choice("binary", str(program))
    assert choose("auto", {"PATH": ""}) == EMBEDDED


def test_what_is_named_is_taken_and_nothing_else(tmp_path: Path) -> None:
    configured = {"PATH": "", "TOXIPROXY_URL": "http://127.0.0.1:8474"}
    assert choose("embedded", configured) == EMBEDDED
    assert choose("http://127.0.0.1:1/", configured) == Choice("server", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match=r"no toxiproxy-server is on PATH; .*`toxiproxy: embedded`"):
        choose("binary", configured)


def test_a_server_of_a_stranger_is_refused(tmp_path: Path) -> None:
    choice = Choice("server", "http://toxiproxy.example:8474")
    with pytest.raises(UsageError, match=r"allow: \[toxiproxy.example\]"):
        proxying(tmp_path, Events(), choice)
    proxying(tmp_path, Events(), choice, allow=("toxiproxy.example",))


class Quiet(Events):
    """Does not look whether the proxy is there already: a liar would say so."""

    def led(self, link: Link) -> None:
        self.told.append(f"led {link.name}")


class Liar(BaseHTTPRequestHandler):
    """A Toxiproxy that takes every proxy, keeps none, and says that each listens on another machine."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        name = self.path.removeprefix("/proxies/")
        proxy = {"name": name, "listen": "192.0.2.1:9", "upstream": "127.0.0.1:9", "enabled": True, "toxics": []}
        told: dict[str, object] = {"/version": {"version": "2.12.0"}, "/proxies": {}}.get(self.path, proxy)
        self._say(200 if f"DELETE {self.path}" not in self.asked else 404, told)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(201, {"name": "x", "listen": "192.0.2.1:9", "upstream": "127.0.0.1:9", "enabled": True})

    def do_DELETE(self) -> None:
        self.asked.append(f"DELETE {self.path}")
        self._say(204, None)

    def _say(self, status: int, told: object) -> None:
        body = b"" if told is None else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_says_it_listens_elsewhere_is_not_followed_there(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        choice = Choice("server", f"http://127.0.0.1:{server.server_port}")

        async def story() -> None:
            through = proxying(tmp_path, Quiet(), choice)
            try:
                await through.start()
                with pytest.raises(
                    Unavailable, match=r"listens on 192\.0\.2\.1:9, which is neither loopback nor allowed"
                ):
                    await through.lead("server", upstream="127.0.0.1:9")
            finally:
                await through.stop()

        asyncio.run(story())
        server.shutdown()
    assert Liar.asked[-2].startswith("DELETE /proxies/chaosrun-"), "the link is taken away again"


def test_a_server_that_is_not_there_is_refused_before_anything_else(tmp_path: Path) -> None:
    one = proxying(tmp_path, Events(), Choice("server", f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable, match=r"no Toxiproxy listens at .*; start a Toxiproxy there, or .* embedded"):
        asyncio.run(one.start())


# ---- ours, and somebody else's ---------------------------------------------------------------------------------------


def test_one_of_ours_is_written_down_and_ends_with_the_run(tmp_path: Path) -> None:
    events = Events()

    async def scenario() -> None:
        one = proxying(tmp_path, events)
        took_ns = await one.start()
        assert took_ns["toxiproxy"] > 0
        assert one.version
        link = await one.lead("server", upstream="127.0.0.1:9", url="ws://127.0.0.1:9/")
        assert link.process == events.processes[0]
        assert link.api == one.url
        low, high = ephemeral_range()
        assert not low <= int(link.listen.rpartition(":")[2]) <= high, "it must get its port back after it was off"
        await one.stop()

    asyncio.run(scenario())
    assert not is_alive(events.processes[0])
    assert events.told == ["spawned toxiproxy", "exited toxiproxy expected"], "no undo for what ends with the run"


def test_one_of_ours_is_started_with_what_it_needs_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "s3cret in the environment")
    monkeypatch.setenv("CHAOSRUN_TOKEN", "a secret of this run")
    events = Events()

    async def scenario() -> dict[str, str]:
        one = proxying(tmp_path, events, hidden={"CHAOSRUN_TOKEN"})
        await one.start()
        started_with = environment(events.processes[0].pid)
        await one.stop()
        return started_with

    started_with = asyncio.run(scenario())
    assert started_with["PATH"] == os.environ["PATH"] and started_with[RUN_TAG] == str(tmp_path)
    assert not {"PLANTED", "CHAOSRUN_TOKEN"} & set(started_with)


def test_at_somebody_elses_every_link_is_told_before_it_is_made_and_taken_away_again(tmp_path: Path) -> None:
    events = Events()
    with somebody_elses() as server:
        server.create("theirs", listen="127.0.0.1:0", upstream="127.0.0.1:9")

        async def scenario() -> Link:
            one = proxying(tmp_path, events, Choice("server", server.url))
            assert await one.start() == {}
            link = await one.lead("server", upstream="127.0.0.1:9")
            assert link.process is None
            assert server.proxy(link.proxy) is not None
            await one.stop()
            return link

        link = asyncio.run(scenario())
        assert server.proxy(link.proxy) is None
        assert server.proxy("theirs") is not None
    assert events.told == ["led server", "unled server"]


def test_who_is_stopped_while_a_link_is_made_still_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = threading.Event(), threading.Event()
    create = Server.create

    def slowly(server: Server, name: str, *, listen: str, upstream: str) -> ProxyState:
        asked.set()
        assert go_on.wait(30)
        return create(server, name, listen=listen, upstream=upstream)

    events = Events()
    with somebody_elses() as server:

        async def scenario() -> None:
            one = proxying(tmp_path, events, Choice("server", server.url))
            await one.start()
            leading = asyncio.create_task(one.lead("server", upstream="127.0.0.1:9"))
            await asyncio.to_thread(asked.wait, 30)
            leading.cancel()
            go_on.set()
            await asyncio.wait([leading])
            assert leading.cancelled()
            await one.stop()

        monkeypatch.setattr(Server, "create", slowly)
        asyncio.run(scenario())
        assert server.ask("GET", "/proxies").json() == {}
    assert events.told == ["led server", "unled server"]


def test_a_link_that_cannot_be_taken_away_is_told_with_the_reason(tmp_path: Path) -> None:
    events = Events()

    async def scenario() -> None:
        with somebody_elses() as server:
            one = proxying(tmp_path, events, Choice("server", server.url))
            await one.start()
            await one.lead("server", upstream="127.0.0.1:9")
        await one.stop()

    asyncio.run(scenario())
    assert events.told[1].startswith("unled server no Toxiproxy listens at")


def test_a_port_that_is_taken_is_the_servers_to_refuse(tmp_path: Path) -> None:
    async def scenario() -> None:
        one = proxying(tmp_path, Events())
        await one.start()
        try:
            first = await one.lead("server", upstream="127.0.0.1:9")
            with pytest.raises(Unavailable, match="answered POST /proxies"):
                await one.lead("terminal", upstream="127.0.0.1:9", listen=first.listen)
        finally:
            await one.stop()

    asyncio.run(scenario())


def test_one_that_ends_by_itself_is_told_as_such(tmp_path: Path) -> None:
    events = Events()

    async def scenario() -> None:
        one = proxying(tmp_path, events)
        await one.start()
        send_signal(events.processes[0], signal.SIGKILL)
        while len(events.told) < 2:
            await asyncio.sleep(0.01)
        await one.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert events.told[1] == "exited toxiproxy by itself"


# ---- the way to a reference service ----------------------------------------------------------------------------------


def test_clients_and_bridge_both_go_through_their_links(tmp_path: Path) -> None:
    async def scenario() -> None:
        one = proxying(tmp_path, Events())
        inner = ReferenceTarget("mt5-bridge", run=str(tmp_path), directory=tmp_path, observer=Events())
        target = ProxiedTarget(inner, one, [Wanted("server"), Wanted("terminal")])
        took_ns = await target.start()
        try:
            assert list(took_ns) == ["toxiproxy", "terminal", "server"]
            assert list(target.roles) == ["toxiproxy", "terminal", "server"]
            assert target.url == inner.url
            assert target.via == target.links["server"].listen != f"127.0.0.1:{inner.ports['server']}"
            told = target.links["terminal"].listen
            assert told in inner.roles["server"].argv
            assert str(inner.ports["terminal"]) in inner.roles["terminal"].argv
            host, _, port = str(target.via).rpartition(":")
            async with connect(target.url, host=host, port=int(port), proxy=None):
                pass
            proxied = target.proxied()
            assert proxied is not None
            assert proxied.kind == "embedded"
            assert proxied.links["server"] == f"{target.via} -> 127.0.0.1:{inner.ports['server']}"
        finally:
            await target.stop()

    asyncio.run(scenario())


def test_the_folder_names_the_log_of_the_server(tmp_path: Path) -> None:
    proxying(tmp_path, Events())
    assert "toxiproxy.log" in os.listdir(tmp_path)  # noqa: PTH208 - a name is all that is asked


# ---- the way to a service of one's own -------------------------------------------------------------------------------


def test_clients_of_a_url_go_through_the_link_and_other_connections_do_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        one = proxying(tmp_path, Events())
        target = ProxiedTarget(OwnTarget("ws://127.0.0.1:9/ws?token=1", {}), one, [Wanted("server")])
        await target.start()
        try:
            link = target.links["server"]
            assert target.url == link.url == "ws://127.0.0.1:9/ws?token=1"
            assert target.via == link.listen
            assert link.upstream == "127.0.0.1:9"
            proxied = target.proxied()
            assert proxied is not None
            assert "token" not in str(proxied), "a URL may hold a secret, and this goes to the journal"
        finally:
            await target.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("wss://staging.example/ws", "staging.example:443"),
        ("ws://staging.example", "staging.example:80"),
        ("ws://[::1]:9101/ws", "[::1]:9101"),
    ],
)
def test_a_link_leads_to_where_the_url_says(url: str, upstream: str) -> None:
    assert address_of(url) == upstream


def test_a_link_may_lead_where_only_the_proxy_can_go(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"

    async def scenario() -> None:
        one = proxying(tmp_path, Events())
        wanted = Wanted("server", listen=listen, upstream="bridge:9101")
        target = ProxiedTarget(OwnTarget("ws://127.0.0.1:9101/ws", {}), one, [wanted])
        await target.start()
        try:
            assert (target.via, target.links["server"].upstream) == (listen, "bridge:9101")
        finally:
            await target.stop()

    asyncio.run(scenario())


def test_a_password_in_the_environments_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="TOXIPROXY_URL holds a user or a password") as caught:
        choose("auto", {"TOXIPROXY_URL": "http://me:hunter2@127.0.0.1:8474"})
    assert "hunter2" not in str(caught.value)
