"""What the truth server pushes: numbered messages per channel, or per client, spoilt as the script says."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from truth_log import Copy, What
from truth_script import HalfOpen, Renumber, Spoil, Stall
from truth_wire import TEXT, frame

if TYPE_CHECKING:
    from truth_server import Peer, Server

_REMEMBERED = 10_000
"""Messages kept for a replay, per stream."""


class Stream:
    """Numbers of one channel, or of one channel for one client."""

    def __init__(self) -> None:
        self.head = 0
        self.kept: deque[tuple[int, bytes]] = deque(maxlen=_REMEMBERED)


class Pushing:
    def __init__(self, server: Server) -> None:
        assert server.script.feed is not None
        self._server = server
        self._feed = server.script.feed
        self._channels = server.script.channels
        self._epoch = 100 * (server.starts + 1)
        """Grows with each start of the server and each renumbering."""
        self._told_epoch = self._epoch
        self._streams: dict[tuple[int, int], Stream] = {}
        """By channel, and client where numbers are the client's own (else -9)."""
        self._subscribers: dict[int, dict[int, Peer]] = {number: {} for number in range(len(self._channels))}
        """By channel and connection."""
        self._held: list[tuple[Peer, int, int, bytes]] = []
        """Copies held back by a stall: peer, channel, number, frame."""
        self._back: dict[tuple[int, int], tuple[int, bytes]] = {}
        """Copies that wait for their successor, by connection and channel."""
        self._joined: dict[tuple[int, int], int] = {}
        """The head when a connection subscribed to a channel."""

    def start(self) -> None:
        for channel in range(len(self._channels)):
            phase = channel / len(self._channels) / self._feed.per_s
            self._server.loop.call_later(phase, self._beat, channel, self._server.loop.time() + phase)

    def _beat(self, channel: int, due: float) -> None:
        for _ in range(self._feed.burst):
            if self._feed.scope == "channel":
                self._publish(channel, -9)
            else:
                clients = {peer.client for peer in self._subscribers[channel].values()}
                clients |= {client for number, client in self._streams if number == channel}
                for client in sorted(clients):
                    self._publish(channel, client)
        due += self._feed.burst / self._feed.per_s
        self._server.loop.call_at(due, self._beat, channel, due)

    def _publish(self, channel: int, owner: int) -> None:
        stream = self._stream(channel, owner)
        stream.head += 1
        number = stream.head
        at = self._server.log.note(What.PUBLISHED, a=number, channel=channel, client=owner, epoch=self._epoch)
        message = frame(TEXT, self._message(channel, number, at))
        stream.kept.append((number, message))
        for peer in [*self._subscribers[channel].values()]:
            if owner in (-9, peer.client):
                self._offer(peer, channel, number, message)

    def _message(self, channel: int, number: int, at: int) -> bytes:
        epoch = b',"ep":"%d"' % self._told_epoch if self._feed.epoch else b""
        return b'{"op":"push","ch":"%s","n":%d,"at":%d%s}' % (self._channels[channel].encode(), number, at, epoch)

    def _offer(self, peer: Peer, channel: int, number: int, message: bytes) -> None:
        server = self._server
        if server.acting(HalfOpen, peer.client) is not None:
            self._note(What.DROPPED, peer, channel, number)
        elif server.is_held(peer.client, "pushes"):
            self._held.append((peer, channel, number, message))
        else:
            spoil = server.acting(Spoil, peer.client)
            self._send(peer, channel, number, message, *self._fate(spoil, peer.client, channel, number))

    def _fate(self, spoil: Spoil | None, client: int, channel: int, number: int) -> tuple[bool, bool, bool]:
        """Drop it, send it twice, hold it back?"""
        if spoil is None:
            return False, False, False
        whose = "all" if spoil.everywhere else client
        draw = random.Random(f"{self._server.script.seed} {whose} {channel} {self._epoch} {number}").random
        return draw() < spoil.drop, draw() < spoil.duplicate, draw() < spoil.reorder

    def _send(
        self, peer: Peer, channel: int, number: int, message: bytes, drop: bool, twice: bool, later: bool
    ) -> None:
        key = (peer.conn, channel)
        if drop:
            self._note(What.DROPPED, peer, channel, number)
            return
        if later and key not in self._back:
            self._back[key] = (number, message)
            return
        self._copy(peer, channel, number, message, Copy.LIVE)
        if twice:
            self._copy(peer, channel, number, message, Copy.DUPLICATE)
        if key in self._back:
            before, held_back = self._back.pop(key)
            self._copy(peer, channel, before, held_back, Copy.LATE)

    def _copy(self, peer: Peer, channel: int, number: int, message: bytes, copy: Copy) -> None:
        if peer.write(message):
            self._note(What.PUSHED, peer, channel, number, copy)

    def _note(self, what: What, peer: Peer, channel: int, number: int, b: int = 0) -> None:
        self._server.log.note(
            what, a=number, b=b, conn=peer.conn, client=peer.client, channel=channel, epoch=self._epoch
        )

    # ---- the script

    def release(self, act: Stall) -> None:
        held, self._held = self._held, []
        for peer, channel, number, message in held:
            if self._server.is_held(peer.client, "pushes"):
                self._held.append((peer, channel, number, message))
            elif act.then == "answer":
                self._copy(peer, channel, number, message, Copy.LIVE)
            else:
                self._note(What.DROPPED, peer, channel, number, 1)

    def renumber(self, act: Renumber) -> None:
        self._epoch += 1
        if act.tell:
            self._told_epoch = self._epoch
        self._streams.clear()
        self._back.clear()

    # ---- clients

    def hear(self, peer: Peer, message: dict[str, Any]) -> None:
        match message["op"]:
            case "sub":
                self._subscribe(peer, self._channels.index(message["ch"]))
            case "resume":
                self._resume(peer, self._channels.index(message["ch"]), int(message["from"]))
            case "mark":
                channel = self._channels.index(message["ch"])
                head = self._stream(channel, self._owner(peer)).head
                peer.write(frame(TEXT, self._told("mark", channel, head)))
                self._note(What.MARKED, peer, channel, head)

    def gone(self, peer: Peer) -> None:
        for subscribers in self._subscribers.values():
            subscribers.pop(peer.conn, None)

    def _subscribe(self, peer: Peer, channel: int) -> None:
        head = self._stream(channel, self._owner(peer)).head
        if peer.write(frame(TEXT, self._told("subbed", channel, head if self._feed.head else None))):
            self._note(What.SUBSCRIBED, peer, channel, head)
            self._subscribers[channel][peer.conn] = peer
            self._joined[peer.conn, channel] = head

    def _resume(self, peer: Peer, channel: int, since: int) -> None:
        """What the client has missed, spoilt too; it asks after it has subscribed."""
        if not self._feed.replay:
            return
        spoil = self._server.acting(Spoil, peer.client)
        for number, message in list(self._stream(channel, self._owner(peer)).kept):
            if since < number <= self._joined[peer.conn, channel]:
                drop, twice, _ = self._fate(spoil, peer.client, channel, number)
                if drop:
                    self._note(What.DROPPED, peer, channel, number)
                    continue
                self._copy(peer, channel, number, message, Copy.REPLAY)
                if twice:
                    self._copy(peer, channel, number, message, Copy.DUPLICATE)

    def _told(self, op: str, channel: int, head: int | None) -> bytes:
        members = list(self._members(op, channel, head))
        return b"{" + b",".join(members) + b"}"

    def _members(self, op: str, channel: int, head: int | None) -> Iterator[bytes]:
        yield b'"op":"%s","ch":"%s"' % (op.encode(), self._channels[channel].encode())
        if head is not None:
            yield b'"head":%d' % head
        if self._feed.epoch:
            yield b'"ep":"%d"' % self._told_epoch

    def _owner(self, peer: Peer) -> int:
        return -9 if self._feed.scope == "channel" else peer.client

    def _stream(self, channel: int, owner: int) -> Stream:
        return self._streams.setdefault((channel, owner), Stream())
