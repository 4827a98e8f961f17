"""What pollers send and how each exchange is recorded, against a real server that does as it is told."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections import Counter

import pytest
from poll_stage import FOUND, MS, Asked, HangUp, Shop, poll

from chaosrun.load.wire import Account, Cut
from chaosrun.plan import StagePlan
from chaosrun.records import NONE, Kind, Status
from chaosrun.scoring.requests import Requests, violations


def ledger(polled):
    return Requests.of(polled.history, 0).ledger


def some(many):
    async def during(run):
        await run.served(many)

    return during


def answering(data: bytes):
    async def answer(asked: Asked) -> bytes:
        return data

    return answer


def test_every_slot_has_one_row_and_every_row_was_one_request_to_the_server(tmp_path):
    polled = poll(tmp_path, some(30))
    rows = polled.history.slots
    assert Counter(row.status for row in rows) == {Status.SENT: len(polled.shop.asked)}
    assert all(row.due <= row.sent <= row.got for row in rows)
    assert ledger(polled).replied_in_time == len(rows) >= 30
    assert not polled.endings


def test_a_client_keeps_its_connection(tmp_path):
    polled = poll(tmp_path, some(30), clients=3)
    # A request that is due while the one before is unanswered goes on a further one, which is kept, too.
    assert 3 <= polled.shop.connections <= len(polled.shop.asked) // 3


def test_requests_come_in_the_proportion_of_their_weights(tmp_path):
    mix = [{"path": "/a", "weight": 5}, {"path": "/b", "weight": 3}, {"path": "/c", "weight": 2}]
    polled = poll(tmp_path, some(60), *mix, clients=1, period_ns=20 * MS)
    rows = sorted(polled.history.slots)
    assert Counter(row.request for row in rows[:50]) == {0: 25, 1: 15, 2: 10}  # those left out by us have their turn
    paths = Counter(asked.line.split()[1] for asked in polled.shop.asked)
    assert Counter(["/a", "/b", "/c"][row.request] for row in rows if row.sent != NONE) == paths


def test_what_a_client_says_is_put_in_place_of_placeholders(tmp_path):
    asks = {
        "path": "/clients/{client}/of {group}",
        "method": "POST",
        "query": {"n": "{index}", "q": "a&b"},
        "headers": {"X-Token": "{account.token}", "accept": "text/csv"},
        "json": {"id": "{id}", "at": "{unix_ms}", "text": "no {index}"},
    }
    accounts = ({"token": "t0"}, {"token": "t1"})
    polled = poll(tmp_path, some(4), asks, clients=2, accounts=accounts, headers={"X-All": "yes", "X-Token": "group"})
    (asked,) = [each for each in polled.shop.asked if "pollers-1" in each.line][:1]
    assert asked.line == "POST /clients/pollers-1/of%20pollers?n=1&q=a%26b HTTP/1.1"
    assert (asked.headers["X-Token"], asked.headers["X-All"], asked.headers["accept"]) == ("t1", "yes", "text/csv")
    assert asked.headers["Content-Type"] == "application/json"
    said = json.loads(asked.body)
    assert (said["id"], said["text"]) == (1, "no 1")
    assert isinstance(said["at"], int)


def test_an_account_cannot_end_a_header_and_begin_another_one(tmp_path):
    asks = {"path": "/", "headers": {"X-Token": "{account.token}"}}
    polled = poll(tmp_path, some(3), asks, {"path": "/good"}, clients=1, accounts=({"token": "a\r\nX-Evil: 1"},))
    assert {asked.line.split()[1] for asked in polled.shop.asked} == {"/good"}
    assert polled.endings[("unaskable", None)] == ledger(polled).lost_at_break > 0
    assert "X-Evil" not in str(polled.history.exchanges)


@pytest.mark.parametrize(
    ("expect", "data", "how", "detail"),
    [
        ({}, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", ("status", 503), "status 503, not 2xx"),
        ({}, b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", ("status", 302), "status 302"),
        ({"status": [200, 503]}, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ("status", 404), "not 200, 503"),
        ({"keys": ["stocks", "summary.day"]}, FOUND, ("body", None), "the body has no 'summary.day'"),
        ({"keys": ["0.id"]}, FOUND, ("body", None), "the body has no '0.id'"),
        ({"match": {"stocks": [2]}}, FOUND, ("body", None), "does not match"),
        ({"keys": ["a"]}, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]", ("body", None), "not JSON"),
        (
            {"keys": ["a"]},
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
            ("body", None),
            "'br'",
        ),
        ({}, b"SSH-2.0-OpenSSH\r\n\r\n", ("malformed", None), "not HTTP"),
        ({}, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 3000, ("too_large", None), "max_message"),
        ({}, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, ("malformed", None), "256 KiB"),
        (
            {},
            b"HTTP/1.1 101 Now\r\nUpgrade: tea\r\nConnection: upgrade\r\n\r\n",
            ("malformed", None),
            "another protocol",
        ),
    ],
    ids=[
        "busy",
        "moved",
        "not-listed",
        "no-key",
        "no-index",
        "no-match",
        "no-json",
        "brotli",
        "no-http",
        "too-large",
        "long-head",
        "upgrade",
    ],
)
def test_an_answer_that_is_not_as_expected_is_an_error_reply(tmp_path, expect, data, how, detail):
    polled = poll(tmp_path, some(4), {"path": "/", "expect": expect}, shop=Shop(answering(data)), max_size=2048)
    assert ledger(polled).replied_error == ledger(polled).sent == polled.endings[how] >= 4
    assert all(row.status == Status.ERROR and row.got != NONE for row in polled.history.slots)
    assert detail in polled.history.exchanges[0].detail


@pytest.mark.parametrize(
    ("asks", "data"),
    [
        ({"expect": {"keys": ["stocks.0"], "match": {"stocks": [1]}}}, FOUND),
        ({}, b"HTTP/1.1 204 Nothing\r\n\r\n"),
        ({"expect": {"status": 304}}, b"HTTP/1.1 304 Same\r\nContent-Length: 99\r\n\r\n"),
        ({"method": "HEAD"}, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        ({}, b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Go on\r\n\r\n" + FOUND),
        (
            {"expect": {"match": {"a": True}}},
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n6\r\n: true\r\n1\r\n}\r\n0\r\n\r\n',
        ),
    ],
    ids=["keys", "204", "304", "head", "interim", "chunked"],
)
def test_what_http_allows_is_an_answer_and_the_connection_is_kept(tmp_path, asks, data):
    polled = poll(tmp_path, some(12), {"path": "/", **asks}, shop=Shop(answering(data)), clients=2)
    assert ledger(polled).replied_in_time == ledger(polled).sent >= 12
    assert polled.shop.connections <= len(polled.shop.asked) // 3


def packed(coding: str, body: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding.encode(), len(body)) + body
    )


def test_a_packed_body_is_looked_into_and_one_that_unpacks_to_too_much_is_not(tmp_path):
    small = packed("gzip", gzip.compress(b'{"stocks": []}'))
    bomb = packed("gzip", gzip.compress(b"[" * (65 << 20), 9))
    sizes = iter([small, bomb])

    async def answer(asked: Asked) -> bytes:
        return next(sizes, small)

    polled = poll(tmp_path, some(4), {"path": "/", "expect": {"keys": ["stocks"]}}, shop=Shop(answer), clients=1)
    assert polled.endings == {("body", None): 1}
    assert "64 MiB" in polled.history.exchanges[0].detail


def test_a_body_that_ends_with_its_connection_is_whole_and_one_with_a_length_is_not(tmp_path):
    async def answer(asked: Asked) -> bytes:
        if asked.line.split()[1] == "/open":
            return b"HTTP/1.1 200 OK\r\n\r\n{}"
        return b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"

    shop = Shop(answer, closes=True)
    polled = poll(tmp_path, some(6), {"path": "/open"}, {"path": "/short"}, shop=shop, clients=2)
    by_request = {which: [r for r in polled.history.slots if r.request == which] for which in (0, 1)}
    assert {row.status for row in by_request[0]} == {Status.SENT}
    assert {(row.status, row.got) for row in by_request[1]} == {(Status.ERROR, NONE)}
    assert polled.endings == {("fin", None): len(by_request[1])}


def test_a_server_that_ends_every_connection_is_asked_on_a_new_one_each_time(tmp_path):
    data = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    polled = poll(tmp_path, some(6), shop=Shop(answering(data), closes=True), clients=2)
    assert ledger(polled).replied_in_time == polled.shop.connections == len(polled.shop.asked)


def test_a_request_that_met_the_end_of_a_kept_connection_is_asked_once_more_unless_it_may_change_something(tmp_path):
    async def answer(asked: Asked) -> bytes:
        if seen.setdefault(asked.connection, asked) is not asked:
            raise HangUp  # of every connection, the second request meets its end
        return FOUND

    seen: dict[int, Asked] = {}
    get, post = {"path": "/get"}, {"path": "/post", "method": "POST", "text": "{client}"}
    (tmp_path / "get").mkdir()
    polled = poll(tmp_path / "get", some(12), get, shop=Shop(answer), clients=1)
    assert ledger(polled).replied_in_time == ledger(polled).sent
    assert polled.endings[("asked again", None)] >= 3
    seen.clear()
    (tmp_path / "post").mkdir()
    polled = poll(tmp_path / "post", some(12), post, shop=Shop(answer), clients=1)
    assert ledger(polled).lost_at_break == polled.endings[("fin", None)] >= 3
    assert ("asked again", None) not in polled.endings


def test_a_new_connection_that_ends_without_an_answer_is_not_asked_again(tmp_path):
    async def answer(asked: Asked) -> bytes:
        raise HangUp

    polled = poll(tmp_path, some(4), shop=Shop(answer), clients=2)
    assert ledger(polled).lost_at_break == len(polled.shop.asked) == polled.endings[("fin", None)]


def test_slots_go_on_while_an_answer_is_slow_on_further_connections_up_to_six(tmp_path):
    async def answer(asked: Asked) -> bytes:
        waiting.append(asked)
        await release.wait()
        return FOUND

    async def during(run):
        await run.until(lambda: len(waiting) == 6)
        await run.until(lambda: run.group is not None and run.group.in_flight >= 9)
        assert run.shop.connections == 6
        release.set()
        await run.until(lambda: run.group.replies >= 9)

    waiting: list[Asked] = []
    release = asyncio.Event()
    polled = poll(tmp_path, during, shop=Shop(answer), clients=1)
    assert polled.shop.connections == 6
    rows = polled.history.slots
    assert ledger(polled).late_observer == 0  # to wait for one's turn is the service's doing, not the observer's
    assert all(row.got >= row.sent for row in rows)
    assert len(rows) == len(polled.shop.asked)


def test_no_answer_by_the_reply_timeout_is_lost_and_its_connection_with_it(tmp_path):
    async def answer(asked: Asked) -> bytes:
        await asyncio.sleep(30)
        return FOUND

    async def during(run):
        await run.until(lambda: run.group is not None and run.group.unanswered >= 8)

    polled = poll(
        tmp_path,
        during,
        shop=Shop(answer),
        clients=1,
        period_ns=100 * MS,
        latency_limit_ns=50 * MS,
        reply_timeout_ns=300 * MS,
    )
    counts = ledger(polled)
    assert counts.lost_connected >= 8
    assert counts.lost_connected == polled.endings[("no answer", None)]


def test_a_service_that_is_gone_loses_every_exchange_and_is_asked_again_when_it_is_back(tmp_path):
    async def during(run):
        await run.served(6)
        await run.shop.kill()
        await run.until(lambda: run.group.errors.get("refused", 0) >= 6)
        assert run.group.usable < 3
        await run.shop.start()
        await run.served(6)
        await run.until(lambda: run.group.usable == 3)

    polled = poll(tmp_path, during)
    counts = ledger(polled)
    assert counts.replied_in_time == len(polled.shop.asked)
    assert counts.lost_at_break == counts.sent - counts.replied_in_time >= 6
    assert counts.skipped_disconnected == 0
    assert polled.endings[("refused", None)] == counts.lost_at_break


def test_the_whole_of_a_run_is_counted_alike_by_the_live_picture_and_by_the_score(tmp_path):
    polled = poll(tmp_path, some(20), {"path": "/a"}, {"path": "/b", "expect": {"status": 404}}, watched=True)
    counts, live = ledger(polled), polled.live
    assert (live.due, live.good, live.bad) == (counts.due, counts.good, counts.bad)
    assert live.errors == {"status 200": counts.replied_error}
    assert (live.in_flight, live.overdue, live.open) == (0, 0, 0)


def test_sentinels_are_further_requests_beside_the_slots(tmp_path):
    polled = poll(tmp_path, some(20), clients=2, period_ns=200 * MS, sentinel_period_ns=20 * MS)
    kinds = Counter(row.kind for row in polled.history.slots)
    assert kinds[Kind.SENTINEL] > kinds[Kind.SLOT] > 0
    assert kinds.total() == len(polled.shop.asked)
    assert ledger(polled).due == kinds[Kind.SLOT]


def test_a_fault_ends_all_connections_of_a_client_and_what_is_under_way_is_lost(tmp_path):
    async def answer(asked: Asked) -> bytes:
        if slow.is_set():
            await asyncio.sleep(30)
        return FOUND

    async def during(run):
        await run.served(6)
        slow.set()
        await run.until(lambda: run.group.in_flight >= 2)
        now = run.now()
        await run.order(Cut(id="one", group=0, how="rst", clients=((0, now), (1, now))))
        slow.clear()
        await run.until(lambda: run.group.errors.get("injected", 0) >= 2)
        cuts = (await run.order(Account(id="one"))).cuts
        assert {cut.client for cut in cuts if cut.at is not None} == {0, 1}
        await run.served(6)

    slow = asyncio.Event()
    polled = poll(tmp_path, during, shop=Shop(answer), clients=2)
    lost = polled.endings[("injected", None)]
    assert ledger(polled).lost_at_break == lost >= 2
    assert ("asked again", None) not in polled.endings


def test_clients_that_stages_send_away_end_their_connections_and_owe_nothing(tmp_path):
    async def during(run):
        await run.until(lambda: run.group is not None and run.group.usable == 4)
        await run.until(lambda: run.group.planned == 1 and run.group.open == 1)
        await run.served(4)

    up = StagePlan(name="up", length_ns=100 * MS, clients=4)
    hold = StagePlan(name="hold", length_ns=600 * MS, clients=4)
    down = StagePlan(name="down", length_ns=100 * MS, clients=1)
    polled = poll(tmp_path, during, clients=4, stages=(up, hold, down))
    assert violations(polled.history, 0, ledger(polled)) == []
    assert ledger(polled).replied_in_time == ledger(polled).sent == len(polled.shop.asked)


def test_whatever_a_service_answers_every_request_has_one_row_and_the_load_goes_on(tmp_path):
    dice = random.Random(7)
    right = [FOUND, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]

    async def answer(asked: Asked) -> bytes:
        data = bytearray(dice.choice(right))
        for _ in range(dice.randrange(4)):
            place = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[place] = dice.randrange(256)
                case 1:
                    del data[place : place + dice.randrange(8)]
                case 2:
                    data[place:place] = bytes(data[place : place + 20])
                case _:
                    data[place:place] = dice.randbytes(dice.randrange(6))
        if dice.random() < 0.2:
            raise HangUp
        return bytes(data)

    polled = poll(
        tmp_path,
        some(250),
        {"path": "/", "expect": {"keys": ["stocks"]}},
        shop=Shop(answer),
        clients=5,
        period_ns=40 * MS,
        reply_timeout_ns=300 * MS,
        latency_limit_ns=100 * MS,
    )
    counts = ledger(polled)
    assert violations(polled.history, 0, counts) == []
    assert counts.replied_in_time + counts.replied_late > 0
    assert counts.replied_error > 0
    failed = counts.replied_error + counts.lost_at_break + counts.lost_connected
    assert sum(count for (how, _), count in polled.endings.items() if how != "asked again") >= failed
