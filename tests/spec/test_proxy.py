"""A target's proxy and the toxics of a method: what is right, and what is refused with the remedy."""

from __future__ import annotations

import pytest

from chaosrun.spec.steps import ToxiproxyStep

BASE = """\
title: t
steady_state: {load: {accounts: {protocol: mt5, clients: 300, requests: 1/s}}}
"""
PROXIED = BASE + "target: {reference: mt5-bridge, proxy: {}}\n"
DOWN = "method: [{fault: toxiproxy, toxic: down}]\n"


def step(**keys: object) -> ToxiproxyStep:
    return ToxiproxyStep.model_validate({"fault": "toxiproxy", **keys})


def test_the_defaults_are_auto_and_the_clients_way_in(load) -> None:
    proxy = load(DOWN, base=PROXIED).experiment.target.proxy
    assert proxy is not None
    assert (proxy.toxiproxy, [link.role for link in proxy.all_links()]) == ("auto", ["server"])


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"toxic": "latency", "attributes": {"latency": "1.5s", "jitter": "20ms"}}, {"latency": 1500, "jitter": 20}),
        ({"toxic": "timeout"}, {}),
        ({"toxic": "reset_peer", "attributes": {"timeout": "0s"}}, {"timeout": 0}),
        ({"toxic": "bandwidth", "attributes": {"rate": "64KiB/s"}}, {"rate": 66}),
        ({"toxic": "slow_close", "attributes": {"delay": "1m"}}, {"delay": 60_000}),
        (
            {"toxic": "slicer", "attributes": {"average_size": "64B", "size_variation": "32B", "delay": "1500us"}},
            {"average_size": 64, "size_variation": 32, "delay": 1500},
        ),
        ({"toxic": "limit_data", "attributes": {"bytes": "1kB"}}, {"bytes": 1000}),
    ],
)
def test_attributes_are_told_in_the_units_of_the_api(keys: dict[str, object], told: dict[str, int]) -> None:
    assert step(**keys).told() == told


def test_a_round_trip_grows_by_the_latency_where_every_connection_has_it() -> None:
    latency = {"toxic": "latency", "attributes": {"latency": "100ms"}}
    assert step(**latency).delay_ns() == 100_000_000
    assert step(**latency, toxicity="50%").delay_ns() is None
    assert step(toxic="down").delay_ns() is None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("toxic: latency", "latency needs `attributes: {latency: ...}`"),
        ("toxic: latency, attributes: {latency: 1500us}", "counts `latency` in whole milliseconds"),
        ("toxic: latency, attributes: {latency: 1ms, jitter: 2ms}", "would be a negative delay"),
        (
            "toxic: latency, attributes: {latency: 1ms, rate: 1kB/s}",
            "takes no attribute 'rate'; it takes `latency`, `jitter`",
        ),
        ("toxic: slicer, attributes: {average_size: 64B}", "slicer needs `attributes: {delay: ...}`"),
        (
            "toxic: slicer, attributes: {average_size: 8B, size_variation: 8B, delay: 1ms}",
            "must be below `average_size`",
        ),
        ("toxic: bandwidth, attributes: {rate: 64kB}", "is not a data rate; write 64kB/s"),
        ("toxic: bandwidth, attributes: {rate: 999B/s}", "less than Toxiproxy can count"),
        ("toxic: down, attributes: {timeout: 1s}", "down takes no attribute 'timeout'; it takes none"),
        ("toxic: down, stream: upstream", "take `stream` out"),
        ("toxic: timeout, toxicity: 0%", "does nothing"),
        ("toxic: down, proxy: sever", "no link 'sever'; did you mean 'server'?"),
    ],
)
def test_a_toxic_that_cannot_be_is_refused(problems, keys: str, told: str) -> None:
    found = problems(f"method: [{{fault: toxiproxy, {keys}}}]\n", base=PROXIED)
    assert len(found) == 1, found
    assert told in found[0]


def test_without_a_proxy_the_target_is_told_what_it_lacks(problems) -> None:
    (told,) = problems(DOWN, base=BASE + "target: {reference: mt5-bridge}\n")
    assert "add to the target `proxy: {toxiproxy: auto, links: [server]}`" in told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("reference: mt5-bridge, proxy: {toxiproxy: fast}", "target.proxy.toxiproxy"),
        ("reference: mt5-bridge, proxy: {links: []}", "target.proxy.links"),
        ("reference: mt5-bridge, proxy: {links: [server, {role: server}]}", "two links lead to 'server'"),
        ("reference: mt5-bridge, proxy: {links: [sever]}", "no role 'sever'"),
        ('reference: mt5-bridge, proxy: {toxiproxy: "http://toxi:8474"}', "allow: [toxi]"),
        (
            'reference: mt5-bridge, allow: [toxi], proxy: {toxiproxy: "http://toxi:8474"}',
            "give the link an `upstream` as the proxy sees it",
        ),
        ('reference: mt5-bridge, proxy: {links: [{role: terminal, listen: "127.0.0.1:1"}]}', "talk on loopback"),
        ('url: "ws://127.0.0.1:1", proxy: {links: [{role: server, upstream: "bridge:1"}]}', "allow: [bridge]"),
        (
            'url: "ws://127.0.0.1:1", roles: {worker: {process: w}}, proxy: {links: [worker]}',
            "only the clients' way in",
        ),
        ('url: "ws://127.0.0.1:1", roles: {toxiproxy: {process: w}}, proxy: {}', "give the role another name"),
    ],
)
def test_a_proxy_that_leads_nowhere_is_refused(problems, target: str, told: str) -> None:
    found = problems(base=BASE + f"target: {{{target}}}\n")
    assert len(found) == 1, found
    assert told in found[0]


@pytest.mark.parametrize(
    "target",
    [
        "reference: mt5-bridge, proxy: {toxiproxy: embedded, links: [server, terminal]}",
        'url: "wss://staging.example/ws", allow: [staging.example], proxy: {toxiproxy: binary}',
        'url: "ws://127.0.0.1:9101/ws", allow: [bridge], proxy: {toxiproxy: "http://127.0.0.1:8474", '
        'links: [{role: server, listen: "0.0.0.0:19101", upstream: "bridge:9101"}]}',
    ],
)
def test_proxies_that_are_right(problems, target: str) -> None:
    assert problems(base=BASE + f"target: {{{target}}}\n") == ()
