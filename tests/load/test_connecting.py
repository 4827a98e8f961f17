"""A group's clients connect as they are told to: TLS, cookies, a proxy, source addresses; with real load processes."""

from __future__ import annotations

from collections import Counter

import pytest
from certificates import certificates
from connect_proxy import ConnectProxy
from fleet_stage import Bridge, play
from poll_stage import FOUND, Shop, poll

from chaosrun.errors import ChaosrunError, Unavailable
from chaosrun.load.limits import Comers, busiest, local_ports, not_ours, too_few_ports
from chaosrun.spec.tls import TlsFiles


async def usable(run):
    await run.all_usable()


def test_clients_show_their_certificate_to_a_service_of_their_own_ca_from_addresses_dealt_round(tmp_path):
    bridge = Bridge(tls=certificates().server(asks=True))
    sources = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    files = TlsFiles(**certificates().write(tmp_path))
    _, history = play(tmp_path, usable, bridge=bridge, clients=6, scheme="wss", tls=files, source_addresses=sources)
    assert Counter(address for address, _ in bridge.shakes) == dict.fromkeys(sources, 2)
    assert not history.refused


def test_a_certificate_of_nobody_known_is_refused_unless_it_is_not_looked_at(tmp_path):
    bridge = Bridge(tls=certificates().server())

    async def refused(run):
        await run.until(lambda: run.group is not None and run.group.refused > 0)

    (tmp_path / "strict").mkdir()
    (tmp_path / "lax").mkdir()
    _, history = play(tmp_path / "strict", refused, bridge=bridge, clients=1, scheme="wss")
    assert {line.why for line in history.refused} == {"tls"}
    _, history = play(tmp_path / "lax", usable, bridge=bridge, clients=1, scheme="wss", tls=TlsFiles(verify=False))
    assert not history.refused


def test_a_client_that_comes_back_sends_the_cookie_that_the_service_set_for_it(tmp_path):
    bridge = Bridge(set_cookie="backend=i-7; Path=/; Max-Age=600")

    async def cut_off(run):
        await run.all_usable()
        await bridge.kill()
        await bridge.start()
        await run.until(lambda: len(bridge.shakes) >= 6)
        await run.all_usable()

    play(tmp_path, cut_off, bridge=bridge, clients=3, cookies={"team": "blue"}, headers={"Cookie": "first=1"})
    said = [cookies for _, cookies in bridge.shakes]
    assert said[:3] == ["first=1; team=blue"] * 3
    assert set(said[3:]) == {"first=1; team=blue; backend=i-7"}


def test_a_proxys_refusal_is_in_the_record_by_name(tmp_path):
    proxy = ConnectProxy(answer=b"HTTP/1.1 407 Who are you\r\n\r\n")

    async def refused(run):
        await run.until(lambda: run.group is not None and run.group.refused > 0)

    with proxy.serving():
        way = f"http://joe:hunter2@127.0.0.1:{proxy.port}"
        _, history = play(tmp_path, refused, clients=1, http_proxy=way)
    assert {(line.why, line.status) for line in history.refused} == {("proxy", 407)}
    assert "Proxy-Authorization: Basic " in proxy.requests[0]


def test_an_address_that_this_machine_does_not_have_is_one_error_before_the_load(tmp_path):
    bridge = Bridge()
    with pytest.raises(Unavailable, match=r"source address 192\.0\.2\.1 .*`ip address`"):
        play(tmp_path, usable, bridge=bridge, clients=2, source_addresses=("127.0.0.2", "192.0.2.1"))
    assert not bridge.shakes


def test_a_certificate_that_is_gone_when_the_load_starts_is_one_error(tmp_path):
    with pytest.raises(ChaosrunError, match=r"gone\.pem: there is no such file"):
        play(tmp_path, usable, clients=1, tls=TlsFiles(ca=str(tmp_path / "gone.pem")))


def test_pollers_take_the_same_ways_and_send_what_the_service_set_for_each(tmp_path):
    async def answer(asked):
        return FOUND.replace(b"\r\n\r\n", b"\r\nSet-Cookie: seen=yes\r\nSet-Cookie: aside=1; Path=/b\r\n\r\n", 1)

    async def several_each(run):
        await run.served(12)

    proxy = ConnectProxy()
    with proxy.serving():
        polled = poll(
            tmp_path,
            several_each,
            {"path": "/a/x", "headers": {"Cookie": "of=request"}},
            shop=Shop(answer),
            clients=2,
            cookies={"team": "blue"},
            http_proxy=proxy.url,
            source_addresses=("127.0.0.5", "127.0.0.6"),
        )
    assert set(proxy.sources) == {"127.0.0.5", "127.0.0.6"}
    said = [asked.headers["Cookie"] for asked in polled.shop.asked]
    assert set(said) == {"of=request; team=blue", "of=request; seen=yes; team=blue"}
    assert said[-1] == "of=request; seen=yes; team=blue"


# ---- how many there may be ------------------------------------------------------------------------------------------


def test_ports_are_counted_for_each_address_and_each_destination():
    many = [Comers(10, ("a", "b", "c")), Comers(7), Comers(5), Comers(3, ("a",)), Comers(9, ("a",), "http://proxy")]
    assert busiest(many) == 12
    assert busiest(many[:1]) == 4
    assert busiest([]) == 0


def test_more_connections_than_an_address_has_ports_are_told_with_the_remedy_and_two_addresses_are_enough():
    ports = local_ports()
    assert ports is not None
    assert too_few_ports([Comers(ports.number)]) is None
    told = too_few_ports([Comers(ports.number + 1)])
    assert told is not None
    assert f"{ports.number:,} local ports" in told
    assert "`source_addresses`" in told
    assert too_few_ports([Comers(ports.number + 1, ("127.0.0.1", "127.0.0.2"))]) is None


def test_every_address_of_loopback_is_ours_and_one_of_the_documentation_is_not():
    assert not_ours(["127.0.0.1", "127.8.9.10", "::1"]) is None
    assert "192.0.2.1" in str(not_ours(["127.0.0.1", "192.0.2.1"]))
