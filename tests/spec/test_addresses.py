"""Which machines an experiment may reach: loopback, and what `allow` names, whatever key names the machine."""

from __future__ import annotations

import pytest

from chaosrun.spec.hosts import is_loopback, why_not

OWN = 'target: {url: "ws://127.0.0.1:9/", roles: {server: {command: [x]}}%s}\n'
STEADY = "title: t\nsteady_state: {load: {a: {protocol: mt5, clients: 1}}}\n"
STRANGER = "10.9.8.7"

WAYS = {
    "target.url": f'target: {{url: "ws://{STRANGER}/"%s}}\n',
    "target.ready.http": OWN.replace("%s", f', ready: {{http: "http://{STRANGER}/"}}%s'),
    "target.ready.tcp": OWN.replace("%s", f', ready: {{tcp: "{STRANGER}:1"}}%s'),
    "target.ready.websocket": OWN.replace("%s", f', ready: {{websocket: "ws://{STRANGER}/"}}%s'),
    "target.roles.server.ready.tcp": OWN.replace("[x]", f'[x], ready: {{tcp: "{STRANGER}:1"}}'),
    "target.roles.server.admin": OWN.replace("[x]", f'[x], admin: "https://{STRANGER}"'),
    "target.proxy.toxiproxy": OWN.replace(
        "%s", f', proxy: {{toxiproxy: "http://{STRANGER}:8474", links: [{{role: server, upstream: "127.0.0.1:9"}}]}}%s'
    ),
    "target.proxy.links.0.listen": OWN.replace(
        "%s", f', proxy: {{links: [{{role: server, listen: "{STRANGER}:1"}}]}}%s'
    ),
    "target.proxy.links.0.upstream": OWN.replace(
        "%s", f', proxy: {{links: [{{role: server, upstream: "{STRANGER}:1"}}]}}%s'
    ),
    "method.0.probe.http": OWN + f'method: [{{fault: noop, probe: {{http: "http://{STRANGER}/"}}}}]\n',
    "method.0.probe.websocket": OWN + f'method: [{{fault: noop, probe: {{websocket: "wss://{STRANGER}/"}}}}]\n',
    "method.0.parallel.0.probe.tcp": OWN
    + f'method: [{{parallel: [{{fault: noop, probe: {{tcp: "{STRANGER}:1"}}}}]}}]\n',
    "method.0.send.url": OWN
    + f'method: [{{fault: http, send: {{url: "http://{STRANGER}/"}}, undo: {{url: "http://localhost/"}}}}]\n',
    "method.0.undo.url": OWN + f'method: [{{fault: http, send: {{path: /x}}, undo: {{url: "http://{STRANGER}/"}}}}]\n',
    "rollbacks.0.send.url": OWN
    + "method: [{fault: noop}]\n"
    + f'rollbacks: [{{fault: http, send: {{url: "http://{STRANGER}/"}}, permanent: true}}]\n',
    "stop_when.0.http": OWN + f'stop_when: [{{http: "http://{STRANGER}/healthy"}}]\n',
}


@pytest.mark.parametrize(("key", "text"), WAYS.items(), ids=WAYS)
def test_a_machine_beyond_loopback_is_refused_by_place_and_with_the_line_that_allows_it(
    problems, key: str, text: str
) -> None:
    (found,) = problems(base=STEADY + text % "")
    place, told = found.split(f": {key}: ")
    assert place.startswith("e.yaml:")
    assert place.count(":") == 2
    assert f"{STRANGER} is not loopback" in told
    assert f"`allow: [{STRANGER}]`" in told
    assert problems(base=STEADY + text % f", allow: [{STRANGER}]") == ()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('url: "ws://127.0.0.1:9/", ready: {http: /healthz}', "names no host; write http://HOST:PORT"),
        ('url: "ws://127.0.0.1:9/", ready: {tcp: "9000"}', "names no host; write HOST:PORT"),
        ('url: "ws://127.0.0.1:9/", ready: {tcp: "127.0.0.1:80@10.9.8.7:1"}', "names no host; write HOST:PORT"),
        ('url: "ws://127.0.0.1:9/", ready: {websocket: "ws:///x"}', "names no host; write ws://HOST:PORT/PATH"),
        ('url: "ws://127.0.0.1:x/"', "names no host"),
    ],
)
def test_what_names_no_host_is_refused(problems, key: str, told: str) -> None:
    assert told in problems(base=STEADY + f"target: {{{key}}}\n")[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ws://127.0.0.1@evil.example/", "evil.example"),
        ("ws://localhost:80@evil.example:443/", "evil.example"),
        ("ws://127.0.0.1\\\\@evil.example/", "evil.example"),
        ("ws://127.0.0.1.evil.example/", "127.0.0.1.evil.example"),
        ("ws://localhost.evil.example/", "localhost.evil.example"),
        ("ws://[::ffff:10.9.8.7]/", "::ffff:10.9.8.7"),
        ("ws://[fd00::1]/", "fd00::1"),
        ("ws://0.0.0.0/", "0.0.0.0"),
        ("ws://[::]/", "::"),
    ],
)
def test_the_host_that_is_judged_is_the_one_that_is_called(problems, url: str, host: str) -> None:
    (found,) = problems(base=STEADY + f'target: {{url: "{url}"}}\n')
    assert f"{host} is not loopback" in found


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.1.", "10.9.8"])
def test_a_number_that_programs_read_differently_is_no_address_even_if_it_is_allowed(problems, host: str) -> None:
    (found,) = problems(base=STEADY + f'target: {{url: "ws://{host}/", allow: ["{host}"]}}\n')
    assert f"target.url: {host} is no way to write an address; write its four numbers" in found


@pytest.mark.parametrize("entry", ["10.9.8.7:80", "ws://10.9.8.7", "10.9.8.7/", "u@10.9.8.7", "*", "*.example", ""])
def test_what_allow_names_is_one_host(problems, entry: str) -> None:
    found = problems(base=STEADY + f'target: {{url: "ws://127.0.0.1/", allow: ["{entry}"]}}\n')
    assert [f"target.allow.0: {entry!r} is no host" in each for each in found] == [True]


def test_a_host_is_allowed_in_whichever_spelling_it_is_called() -> None:
    assert why_not("staging.example", ["Staging.EXAMPLE"], "so") is None
    assert why_not("fd00::1", ["fd00:0::1"], "so") is None
    assert why_not("::ffff:10.0.0.1", ["10.0.0.1"], "so") is None
    assert why_not("10.0.0.2", ["10.0.0.1"], "so") == "10.0.0.2 is not loopback; if so: `allow: [10.0.0.2]`"
    assert '`allow: ["fd00::2"]`' in str(why_not("fd00::2", [], "so")), "as YAML has it"


def test_loopback_is_known_in_each_of_its_spellings() -> None:
    assert all(map(is_loopback, ("LOCALHOST", "a.Localhost", "127.255.0.1", "::1", "::ffff:127.0.0.1")))


def test_a_proxy_may_listen_everywhere_and_a_path_is_of_the_target(problems) -> None:
    proxy = 'proxy: {links: [{role: server, listen: "0.0.0.0:19101"}]}'
    method = "method: [{fault: noop, probe: {http: /healthz}}, {fault: noop, probe: {websocket: /ws}}]\n"
    assert problems(base=STEADY + OWN % f", {proxy}" + method) == ()
