"""A WebSocket service written with FastAPI, knowing nothing of chaosrun: orders are confirmed, prices are pushed.

Run with `uvicorn app:app`. What it pushed is appended to the file named by SHOP_LOG, one "boot item number" a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

BOOT = uuid.uuid4().hex[:8]
ITEMS = ("apple", "pear")
EVERY_S = 0.2

watchers: dict[str, set[WebSocket]] = {item: set() for item in ITEMS}
published = dict.fromkeys(ITEMS, 0)


async def publish() -> None:
    with Path(os.environ.get("SHOP_LOG", os.devnull)).open("a", buffering=1) as log:
        while True:
            await asyncio.sleep(EVERY_S)
            for item in ITEMS:
                published[item] += 1
                log.write(f"{BOOT} {item} {published[item]}\n")
                price = {"kind": "price", "item": item, "n": published[item], "boot": BOOT, "cents": 199}
                for socket in tuple(watchers[item]):
                    with contextlib.suppress(Exception):
                        await socket.send_json(price)


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(publish())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.websocket("/shop")
async def shop(socket: WebSocket) -> None:
    await socket.accept()
    try:
        hello = await socket.receive_json()
        await socket.send_json({"kind": "welcome", "who": hello["who"]})
        while True:
            message = await socket.receive_json()
            if message["kind"] == "watch":
                item = message["item"]
                # In this order, and with no await between the two, every number above `at` reaches this socket.
                watchers[item].add(socket)
                await socket.send_json({"kind": "watching", "item": item, "at": published[item], "boot": BOOT})
            elif message["kind"] == "order":
                await socket.send_json({"kind": "confirmed", "order": message["order"]})
            elif message["kind"] == "where":
                item = message["item"]
                await socket.send_json({"kind": "here", "item": item, "at": published[item], "boot": BOOT})
    except WebSocketDisconnect:
        pass
    finally:
        for sockets in watchers.values():
            sockets.discard(socket)
