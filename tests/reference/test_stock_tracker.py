"""The stock tracker's own ways: it throttles, drops the oldest of a full queue, limits addresses, answers REST."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from mt5_programs import Launch, eventually
from talking import Served, client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chaosrun.reference._published import read_published
from chaosrun.reference.stock_tracker import QUEUE

MARKET_KEYS = {"quotes", "indices", "foreign", "derivatives", "prices"}


def tracker(launch: Launch, directory: Path, *args: object, env: dict[str, str] | None = None) -> Served:
    return Served(launch, "stock_tracker", directory, *args, env=env)


async def stay(served: Served, count: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(client(served.url("/ws/market")))


def test_a_market_message_has_its_keys_and_a_status_comes_first(launch: Launch, tmp_path: Path) -> None:
    served = tracker(launch, tmp_path, "--throttle-ms", 20)

    async def scenario() -> None:
        async with client(served.url("/ws/market")) as user:
            pushed = await user.hear("market")
            assert pushed.keys() >= MARKET_KEYS
            assert len(pushed["quotes"]) == 30
            assert user.heard[0]["type"] == "status"
            assert not user.heard[0].keys() & MARKET_KEYS
        async with client(served.url("/ws/foreign")) as user:
            assert {"summary", "stocks"} <= (await user.hear("foreign")).keys()
        async with client(served.url("/ws/alerts")) as user:
            assert (await user.hear("alerts"))["alerts"]

    asyncio.run(scenario())


def test_pushes_of_a_channel_are_a_throttle_apart_and_tell_the_end_of_it(launch: Launch, tmp_path: Path) -> None:
    served = tracker(launch, tmp_path, "--throttle-ms", 100, "--rate", 500)

    async def volumes() -> list[int]:
        async with client(served.url("/ws/market")) as user:
            told = [await user.hear("market") for _ in range(5)]
        return [sum(quote["volume"] for quote in each["quotes"].values()) for each in told]

    sold = asyncio.run(volumes())
    assert sold == sorted(set(sold)), "each push has the trades since the one before"
    at = [each.t for each in read_published(served.log) if each.channel == "market"]
    assert len(at) >= 5
    assert min(later - sooner for sooner, later in itertools.pairwise(at)) >= 99_000_000


def test_who_does_not_read_loses_the_oldest_of_a_full_queue_and_stays(launch: Launch, tmp_path: Path) -> None:
    served = tracker(launch, tmp_path, "--throttle-ms", 2, "--rate", 2000, "--send-buffer", 4096)

    async def scenario() -> None:
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", served.port))
        async with connect(served.url("/ws/market"), sock=small, max_queue=1, close_timeout=0.1) as slow:
            assert await asyncio.to_thread(eventually, lambda: served.count("stock_tracker_dropped_total") > 2 * QUEUE)
            seqs: list[int] = []
            while not gaps_in(seqs):
                message = json.loads(await asyncio.wait_for(slow.recv(), 60))
                seqs += [message["seq"]] if message["type"] == "market" else []
            assert seqs == sorted(set(seqs)), "in order, each once"
            assert sum(gaps_in(seqs)) <= served.count("stock_tracker_dropped_total")
            async with client(served.url("/ws/market")) as quick:
                mine = [(await quick.hear("market"))["seq"] for _ in range(10)]
                assert mine == list(range(mine[0], mine[0] + 10)), "nobody else is held up"

    asyncio.run(scenario())
    assert eventually(lambda: any(each["event"] == "closed" for each in served.events()))
    dropping = [each for each in served.events() if each["event"] == "dropping"]
    (slow_one,) = {each["conn"] for each in dropping}
    assert next(each["lost"] for each in served.events() if each["event"] == "closed" and each["conn"] == slow_one) > 0


def gaps_in(seqs: list[int]) -> list[int]:
    """How many numbers are missing, gap by gap."""
    return [b - a - 1 for a, b in itertools.pairwise(seqs) if b != a + 1]


@pytest.mark.parametrize(
    ("args", "env", "limit"),
    [((), {}, 5), (("--max-connections-per-ip", 2), {}, 2), ((), {"WS_MAX_CONNECTIONS_PER_IP": "3"}, 3)],
)
def test_an_address_has_so_many_connections_and_its_next_is_refused_with_429(
    launch: Launch, tmp_path: Path, args: tuple[object, ...], env: dict[str, str], limit: int
) -> None:
    served = tracker(launch, tmp_path, *args, env=env)
    asyncio.run(stay(served, limit))
    assert eventually(lambda: served.count("stock_tracker_connections") == 0)
    with pytest.raises(InvalidStatus, match="429"):
        asyncio.run(stay(served, limit + 1))
    assert served.count('stock_tracker_refused_total{why="limit"}') == 1


def test_with_0_an_address_has_no_limit(launch: Launch, tmp_path: Path) -> None:
    asyncio.run(stay(tracker(launch, tmp_path, "--max-connections-per-ip", 0), 12))


def test_a_wrong_token_is_refused_with_401_and_the_right_one_is_not(launch: Launch, tmp_path: Path) -> None:
    served = tracker(launch, tmp_path, env={"CHAOSRUN_TOKEN": "right"})

    async def scenario() -> None:
        for query in ("", "?token=wrong", "?tokens=right"):
            with pytest.raises(InvalidStatus, match="401"):
                async with client(served.url("/ws/market" + query)):
                    pass
        async with client(served.url("/ws/market?token=right")) as user:
            await user.hear("status")

    asyncio.run(scenario())
    assert "right" not in served.events_file.read_text()


def test_rest_has_the_keys_that_its_pollers_look_for(launch: Launch, tmp_path: Path) -> None:
    served = tracker(launch, tmp_path, "--throttle-ms", 20, "--rate", 1000)
    assert eventually(lambda: served.get("/api/market/alerts")[1]["count"] > 3)
    status, snapshot = served.get("/api/market/snapshot")
    assert status == 200
    assert snapshot.keys() >= MARKET_KEYS
    detail = served.get("/api/market/foreign-detail")[1]
    assert detail["summary"]["net"] == detail["summary"]["bought"] - detail["summary"]["sold"]
    assert len(detail["stocks"]) == 30
    assert served.get("/api/vn30-components")[1]["count"] == 30
    newest = served.get("/api/market/alerts?limit=3")[1]["alerts"]
    assert [alert["number"] for alert in newest] == list(range(newest[0]["number"], newest[0]["number"] - 3, -1))
    for limit in ("0", "-1", "many", "201", ""):
        assert served.get(f"/api/market/alerts?limit={limit}")[0] == (200 if not limit else 422)
    assert served.get("/api/market/elsewhere")[0] == 404
    served.turn(refuse=503)
    assert served.get("/api/market/snapshot")[0] == 503
    assert served.get("/healthz")[0] == 200
