"""A group whose clients hold WebSocket connections: how they connect, and what they are asked at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from chaosrun.errors import UsageError
from chaosrun.load.agenda import Agenda
from chaosrun.load.client import Client, State
from chaosrun.load.config import GroupLoad
from chaosrun.load.cookies import Cookies, with_cookies
from chaosrun.load.dialling import address_of
from chaosrun.load.gate import Gate
from chaosrun.load.group import Group
from chaosrun.load.recorder import Recorder
from chaosrun.load.route import Refusal
from chaosrun.load.transport import Connection, Options, transport
from chaosrun.load.ways import Ways, route_of
from chaosrun.protocols import find
from chaosrun.protocols._base import ClientIdentity, Clocks, Handshake
from chaosrun.spec.userinfo import authorized

STALE_AFTER_NS: Final = 5_000_000_000
"""For the live display, where the plan leaves it to the longest gap of the baseline: that is not known yet."""


class WebSocketGroup(Group):
    def __init__(
        self,
        load: GroupLoad,
        *,
        shard: int,
        shards: int,
        clocks: Clocks,
        agenda: Agenda,
        gate: Gate,
        recorder: Recorder,
    ) -> None:
        """Raises UsageError: the protocol cannot be found, or has no requests where the plan wants some, or a file of
        `tls` cannot be used."""
        super().__init__(load, shard=shard, shards=shards, agenda=agenda, recorder=recorder)
        self.clocks = clocks
        self.gate = gate
        self.reconnect = load.reconnect
        self.protocol = find(load.protocol)
        self.pick = self.protocol.pick
        self.push = recorder.push
        if self.asks and not self.protocol.requests:
            raise UsageError(
                f"group {load.plan.name!r} should send requests, and its protocol has none; leave `requests` out"
            )
        self.heads_are_own = any(stream.scope != "channel" for stream in self.protocol.streams)
        self.connecting = True
        """Clients without a connection go on trying to get one."""
        self.read_every_s = None if load.read_every_ns is None else load.read_every_ns / 1e9
        self._connect = transport(load.transport)
        self._last_address: tuple[Handshake, str, tuple[tuple[str, str], ...], Options] | None = None
        self._ways = Ways(route_of(load.tls, load.via, load.http_proxy), load.source_addresses)
        self._cookies = Cookies(load.cookies)
        self._asked_head: set[int] = set()
        streams = load.plan.streams
        self._stale_after_ns = max((stream.stale_after_ns or STALE_AFTER_NS for stream in streams), default=None)
        self._clients = [Client(self, c, load.identity(c)) for c in range(shard, load.plan.clients, shards)]
        self._excused = set(self._clients)

    @property
    def clients(self) -> list[Client]:
        return self._clients

    # ---- orders of the engine

    def stop(self, at: int) -> int:
        """As any group; and from then on nobody connects any more."""
        stop_at = super().stop(at)
        self.agenda.at(stop_at, self._stop_connecting, None)
        return stop_at

    def catch_up(self) -> None:
        for client in self._clients:
            client.read_freely()

    def ask_heads(self) -> None:
        """Ask for the newest numbers: once per channel, or every client where each has numbers of its own."""
        if not self.protocol.has_heads:
            return
        covered: set[str] = set()
        for client in self._clients:
            channels = set(self._load.identity(client.c).channels) or {""}
            if client.state is State.OPEN and (self.heads_are_own or not channels <= covered):
                covered |= channels
                self._asked_head.add(client.c)
                client.ask_head()

    def heard_head(self, c: int) -> None:
        self._asked_head.discard(c)

    def cut(self) -> None:
        self.connecting = False
        super().cut()

    @property
    def heads_owed(self) -> int:
        return len(self._asked_head)

    # ---- what a client needs of its group

    async def dial(self, client: Client, identity: ClientIdentity) -> Connection:
        """Connect `client`.

        Raises:
            Refusal: whatever went wrong.
        """
        try:
            url, headers, options = self._address(self.protocol.handshake(identity))
            address = address_of(url)
            headers = with_cookies(headers, self._cookies.header(client.c, address))
            options = replace(options, headers=headers, route=self._ways.of(client.c))
            connection = await self._connect(url, client, options)
            self._cookies.take(client.c, connection.set_cookies, address)
            return connection
        except (Refusal, asyncio.CancelledError):
            raise
        except Exception as error:
            raise Refusal("other", None, f"{type(error).__name__}: {error}") from error

    # ---- live

    @property
    def _open(self) -> int:
        return self.counts.open

    def _stale(self, now: int) -> int:
        if self._stale_after_ns is None:
            return 0
        before = now - self._stale_after_ns
        return sum(client.state is State.OPEN and client.pushed_at < before for client in self._clients)

    # ---- inside

    def _stop_connecting(self, _: None) -> None:
        self.connecting = False
        self.gate.clear()

    def _address(self, shake: Handshake) -> tuple[str, tuple[tuple[str, str], ...], Options]:
        """Where and how to connect: worked out anew only for a handshake unlike the one before; most are alike."""
        if self._last_address is None or shake != self._last_address[0]:
            load = self._load
            url, headers = authorized(shake.url(load.url), (*load.headers.items(), *shake.headers.items()))
            options = Options(
                subprotocols=shake.subprotocols,
                open_timeout_s=load.open_timeout_s,
                max_size=load.max_size,
                heartbeat_every_s=load.heartbeat_every_s,
                heartbeat_timeout_s=load.heartbeat_timeout_s,
            )
            self._last_address = shake, url, headers, options
        return self._last_address[1:]
