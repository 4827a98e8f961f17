"""Both transports, fed any bytes by a real server: one end with one known cause, whole messages only, and no complaint
of the loop, which would end a run."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

import pytest
from hostile_service import Client as Peer
from hostile_service import frame
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_handler import Recorder
from transports_under_test import Client, every_client

from chaosrun.load.route import Refusal
from chaosrun.load.transport import CAUSES

MAX_SIZE = 300

raw = st.binary(max_size=80)
odd_frame = st.builds(
    lambda first, flag, length, data: bytes([first, flag]) + length + data,
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from([b"", struct.pack("!H", 126), struct.pack("!H", 3), struct.pack("!Q", 1 << 63),
                     struct.pack("!Q", 65536), struct.pack("!Q", 5)]),
    raw,
)  # fmt: skip
good_frame = st.builds(
    lambda opcode, data, fin: frame(opcode, data, fin=fin),
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.binary(max_size=MAX_SIZE + 20),
    st.booleans(),
)
stream = st.lists(odd_frame | good_frame | raw, max_size=6)


def feed(client: Client, after_handshake: bool, pieces: list[bytes]) -> None:
    async def scenario() -> Any:
        served = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # RuntimeError: what uvloop has to say of a connection that the peer has ended meanwhile.
            with contextlib.suppress(OSError, RuntimeError):
                if after_handshake:
                    await Peer(reader, writer).accept()
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                writer.write_eof()
                while await reader.read(1 << 16):
                    pass
            writer.transport.abort()
            served.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            seen = Recorder()
            try:
                await client.connect(url, seen, max_size=MAX_SIZE, close_timeout_s=0.05, open_timeout_s=30)
            except Refusal as refusal:
                assert not after_handshake
                await asyncio.wait_for(served.wait(), 30)
                return refusal.why
            assert after_handshake
            await asyncio.wait_for(seen.ended.wait(), 30)
            await asyncio.wait_for(served.wait(), 30)
            assert len(seen.ends) == 1
            cause, code = seen.ends[0]
            assert cause in CAUSES
            assert code is None or 1000 <= code < 5000
            assert all(len(data) <= MAX_SIZE for data, _ in seen.messages)
            return cause

    client.run(scenario)


def fuzz(client: Client, examples: int) -> None:
    @settings(max_examples=examples)
    @given(stream)
    def after_the_handshake(pieces: list[bytes]) -> None:
        feed(client, True, pieces)

    @settings(max_examples=examples)
    @given(st.lists(raw | st.sampled_from([b"HTTP/1.1 101 Fine\r\n", b"Upgrade: websocket\r\n", b"\r\n"]), max_size=6))
    def in_its_place(pieces: list[bytes]) -> None:
        feed(client, False, pieces)

    after_the_handshake()
    in_its_place()


@every_client
def test_any_bytes_have_one_end(client: Client) -> None:
    fuzz(client, 15)


@pytest.mark.slow
@every_client
def test_any_of_many_more_bytes_have_one_end(client: Client) -> None:
    fuzz(client, 400)
