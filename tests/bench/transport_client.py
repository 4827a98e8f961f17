"""chaosrun's picows transport alone, with the accounting of bare_client.py: what is left to the worker above it.

usage: transport_client.py PORT CLIENTS. Prints "connected" once all are, and ends with its stdin.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import msgspec
import uvloop

from chaosrun.load.transport import Options, transport
from chaosrun.scoring.histogram import bucket_of


class Tick(msgspec.Struct, gc=False):
    type: str
    seq: int = 0
    ts: float = 0.0


decode = msgspec.json.Decoder(Tick).decode


class Account:
    def __init__(self) -> None:
        self.histogram: dict[int, int] = {}
        self.messages = 0
        self.gaps = 0


class Client:
    __slots__ = ("account", "seq")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.seq = 0

    def on_message(self, data: memoryview | bytes, binary: bool) -> None:
        tick = decode(data)
        if tick.type != "tick":
            return
        account = self.account
        if self.seq and tick.seq != self.seq + 1:
            account.gaps += 1
        self.seq = tick.seq
        bucket = bucket_of(max(0, time.time_ns() - int(tick.ts * 1e6)))
        account.histogram[bucket] = account.histogram.get(bucket, 0) + 1
        account.messages += 1

    def on_closed(self, cause: str, code: int | None) -> None:
        print("closed", cause, code, file=sys.stderr)


async def main(port: int, clients: int) -> None:
    account = Account()
    connections = []
    for _ in range(clients):
        connection = await transport("picows")(f"ws://127.0.0.1:{port}/ws", Client(account), Options())
        connection.send(b'{"type":"auth","account":"1","token":""}')
        connection.send(b'{"type":"subscribe","channels":["EURUSD"]}')
        connections.append(connection)
    gc.collect()
    gc.freeze()
    print("connected", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print("messages", account.messages, "gaps", account.gaps)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
