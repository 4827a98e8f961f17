"""What Python itself costs: N clients on uvloop with a `BufferedProtocol` each, and the accounting of tick_client.c.

usage: bare_client.py PORT CLIENTS. Prints "connected" once all are, and ends with its stdin.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import uvloop

SUB_BITS = 7
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(payload: bytes) -> bytes:
    return bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


class Account:
    def __init__(self) -> None:
        self.histogram = [0] * (64 << SUB_BITS)
        self.messages = 0
        self.gaps = 0


class Client(asyncio.BufferedProtocol):
    __slots__ = ("account", "buffer", "held", "ready", "seq", "shaken", "transport", "view")

    def __init__(self, account: Account, ready: asyncio.Future[None]) -> None:
        self.account = account
        self.buffer = bytearray(4096)
        self.view = memoryview(self.buffer)
        self.held = 0
        self.seq = 0
        self.shaken = False
        self.ready = ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(HANDSHAKE)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view[self.held :]

    def buffer_updated(self, nbytes: int) -> None:
        self.held += nbytes
        at = 0 if self.shaken else self._shake()
        buffer, held = self.buffer, self.held
        while held - at >= 2:
            size, head = buffer[at + 1] & 0x7F, 2
            if size == 126:
                if held - at < 4:
                    break
                size, head = buffer[at + 2] << 8 | buffer[at + 3], 4
            end = at + head + size
            if held < end:
                break
            if buffer[at] == 0x81:
                self._take(at + head, end)
            at = end
        if at:
            self.held = held - at
            buffer[: self.held] = buffer[at:held]

    def _shake(self) -> int:
        end = self.buffer.find(b"\r\n\r\n", 0, self.held)
        if end < 0:
            return 0
        self.shaken = True
        self.transport.write(masked(b'{"type":"auth","account":"1","token":""}'))
        self.transport.write(masked(b'{"type":"subscribe","channels":["EURUSD"]}'))
        self.ready.set_result(None)
        return end + 4

    def _take(self, start: int, end: int) -> None:
        buffer = self.buffer
        seq_at = buffer.find(b'"seq":', start, end)
        if seq_at < 0:
            return
        seq = int(buffer[seq_at + 6 : buffer.find(b",", seq_at, end)])
        ts_at = buffer.find(b'"ts":', seq_at, end) + 5
        latency = max(0, time.time_ns() - int(float(buffer[ts_at : buffer.find(b",", ts_at, end)]) * 1e6))
        account = self.account
        if self.seq and seq != self.seq + 1:
            account.gaps += 1
        self.seq = seq
        shift = max(0, latency.bit_length() - SUB_BITS - 1)
        account.histogram[(shift << SUB_BITS) + (latency >> shift)] += 1
        account.messages += 1


async def main(port: int, clients: int) -> None:
    loop = asyncio.get_running_loop()
    account = Account()
    for _ in range(clients):
        ready = loop.create_future()
        await loop.create_connection(lambda ready=ready: Client(account, ready), "127.0.0.1", port)
        await ready
    gc.collect()
    gc.freeze()
    print("connected", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print("messages", account.messages, "gaps", account.gaps)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
