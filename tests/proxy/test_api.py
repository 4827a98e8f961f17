"""The HTTP API: each claim is made of the embedded proxy and of the original."""

from __future__ import annotations

import socket

import pytest
from peers import Service
from proxy_servers import Server, address

NOWHERE = "127.0.0.1:1"


def test_a_server_without_proxies_lists_none(server: Server) -> None:
    assert server.ask("GET", "/proxies").json == {}


def test_the_version_is_json(server: Server) -> None:
    answer = server.ask("GET", "/version")
    assert answer.status == 200
    assert answer.content_type.startswith("application/json")
    assert isinstance(answer.json["version"], str)


def test_a_created_proxy_tells_the_port_it_was_given(server: Server) -> None:
    answer = server.ask("POST", "/proxies", {"name": "p", "listen": "localhost:0", "upstream": NOWHERE})
    assert (answer.status, answer.content_type) == (201, "application/json")
    host, port = address(answer.json.pop("listen"))
    assert (host, port > 0) == ("127.0.0.1", True)
    answer.json.pop("Logger", None)  # a slip of the original
    shown = server.ask("GET", "/proxies/p").json
    assert {key: shown[key] for key in ("name", "upstream", "enabled", "toxics")} == {
        "name": "p",
        "upstream": NOWHERE,
        "enabled": True,
        "toxics": [],
    }


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"listen": "127.0.0.1:0", "upstream": NOWHERE}, 400, "missing required field: name"),
        ({"name": "p", "listen": "127.0.0.1:0"}, 400, "missing required field: upstream"),
        ({"name": "", "upstream": ""}, 400, "missing required field: name"),
        (b"", 400, "bad request body: EOF"),
        (b"nonsense", 400, "bad request body: "),
        ({"name": 1}, 400, "bad request body: "),
        ({"name": "p", "listen": "nonsense", "upstream": NOWHERE}, 500, "listen tcp: address nonsense: missing port"),
    ],
    ids=["no name", "no upstream", "blank name", "no body", "no JSON", "a wrong type", "a bad address"],
)
def test_a_proxy_that_cannot_be_is_refused_with_the_reason(
    server: Server, body: object, status: int, reason: str
) -> None:
    answer = server.ask("POST", "/proxies", body)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.json["error"].startswith(reason)
    assert answer.content_type == "text/plain; charset=utf-8"
    assert server.ask("GET", "/proxies").json == {}


def test_a_name_and_a_port_can_be_had_once(server: Server) -> None:
    host, port = server.proxy(NOWHERE, "p")
    again = server.ask("POST", "/proxies", {"name": "p", "listen": "127.0.0.1:0", "upstream": NOWHERE})
    assert (again.status, again.json["error"]) == (409, "proxy already exists")
    taken = server.ask("POST", "/proxies", {"name": "q", "listen": f"{host}:{port}", "upstream": NOWHERE})
    assert taken.status == 500
    assert taken.json["error"] == f"listen tcp {host}:{port}: bind: address already in use"
    assert server.ask("DELETE", "/proxies/p").status == 204
    freed = server.ask("POST", "/proxies", {"name": "q", "listen": f"{host}:{port}", "upstream": NOWHERE})
    assert freed.status == 201


def test_what_is_not_there_is_not_found(server: Server) -> None:
    server.proxy(NOWHERE)
    for method, path, body, reason in (
        ("GET", "/proxies/none", None, "proxy not found"),
        ("PATCH", "/proxies/none", {}, "proxy not found"),
        ("DELETE", "/proxies/none", None, "proxy not found"),
        ("GET", "/proxies/none/toxics", None, "proxy not found"),
        ("POST", "/proxies/none/toxics", {"type": "latency"}, "proxy not found"),
        ("GET", "/proxies/p/toxics/none", None, "toxic not found"),
        ("POST", "/proxies/p/toxics/none", {}, "toxic not found"),
        ("DELETE", "/proxies/p/toxics/none", None, "toxic not found"),
    ):
        answer = server.ask(method, path, body)
        assert (answer.status, answer.json) == (404, {"error": reason, "status": 404}), (method, path)
    assert server.ask("GET", "/nothing").status == 404
    assert server.ask("DELETE", "/proxies").status == 405


def test_a_browser_is_kept_out(server: Server) -> None:
    assert server.ask("GET", "/proxies", headers={"User-Agent": "Mozilla/5.0"}).status == 403


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_proxy_is_disabled_and_enabled_on_the_same_port_with_its_toxics(
    server: Server, service: Service, method: str
) -> None:
    where = server.proxy(service.address)
    server.toxic("latency", latency=1)
    client, upstream = service.pair(where)
    off = server.ask(method, "/proxies/p", {"enabled": False})
    assert (off.status, off.json["enabled"]) == (200, False)
    assert client.receive(1) == upstream.receive(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where)
    on = server.ask(method, "/proxies/p", {"enabled": True})
    assert (on.json["enabled"], address(on.json["listen"])) == (True, where)
    assert [toxic["name"] for toxic in on.json["toxics"]] == ["latency_downstream"]
    client, upstream = service.pair(where)
    client.send(b"x")
    assert upstream.receive(1) == b"x"


def test_a_new_upstream_ends_the_connections_and_takes_the_next(server: Server, service: Service) -> None:
    where = server.proxy(service.address)
    client, _ = service.pair(where)
    with Service("127.0.0.1") as other:
        changed = server.ask("POST", "/proxies/p", {"upstream": other.address})
        assert (changed.json["upstream"], changed.json["enabled"]) == (other.address, True)
        assert client.receive(1) == b""
        client, upstream = other.pair(where)
        client.send(b"x")
        assert upstream.receive(1) == b"x"


def test_an_update_that_changes_nothing_ends_no_connection(server: Server, service: Service) -> None:
    where = server.proxy(service.address)
    client, upstream = service.pair(where)
    same = server.ask("POST", "/proxies/p", {"listen": f"localhost:{where[1]}", "upstream": service.address})
    assert same.status == 200
    client.send(b"x")
    assert upstream.receive(1) == b"x"


def test_a_toxic_gets_a_name_a_direction_and_its_attributes(server: Server) -> None:
    server.proxy(NOWHERE)
    answer = server.ask("POST", "/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 5}})
    expected = {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
        "attributes": {"latency": 5, "jitter": 0},
    }
    assert (answer.status, answer.content_type, answer.json) == (200, "application/json", expected)
    assert server.ask("GET", "/proxies/p/toxics").json == [expected]
    assert server.ask("GET", "/proxies/p/toxics/latency_downstream").json == expected


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 1, "jitter": 2}),
        ("bandwidth", {"rate": 3}),
        ("slow_close", {"delay": 4}),
        ("timeout", {"timeout": 5}),
        ("reset_peer", {"timeout": 6}),
        ("slicer", {"average_size": 7, "size_variation": 8, "delay": 9}),
        ("limit_data", {"bytes": 10}),
        ("noop", {}),
    ],
)
def test_every_toxic_takes_its_attributes_and_has_zero_for_others(
    server: Server, kind: str, attributes: dict[str, int]
) -> None:
    server.proxy(NOWHERE)
    given = server.ask("POST", "/proxies/p/toxics", {"type": kind, "name": "a", "attributes": attributes})
    assert given.json["attributes"] == attributes
    bare = server.ask("POST", "/proxies/p/toxics", {"type": kind, "name": "b", "attributes": None})
    assert bare.json["attributes"] == dict.fromkeys(attributes, 0)


def test_toxics_are_listed_in_the_order_of_their_chains(server: Server) -> None:
    server.proxy(NOWHERE)
    for name, stream in (("a", "downstream"), ("b", "upstream"), ("c", "downstream"), ("d", "upstream")):
        body = {"type": "latency", "name": name, "stream": stream}
        assert server.ask("POST", "/proxies/p/toxics", body).status == 200
    assert [toxic["name"] for toxic in server.ask("GET", "/proxies/p").json["toxics"]] == ["b", "d", "a", "c"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"type": "nonsense"}, 400, "invalid toxic type"),
        ({"type": "latency", "stream": "sideways"}, 400, "stream was invalid, can be either upstream or downstream"),
        ({"type": "latency", "attributes": {"latency": "1"}}, 400, "bad request body: "),
        ({"type": "latency", "attributes": {"latency": 1.5}}, 400, "bad request body: "),
        ({"type": "latency", "toxicity": "1"}, 400, "bad request body: "),
        ({"type": "slow_close", "name": "taken"}, 409, "toxic already exists"),
        ({"type": "latency", "name": "taken", "stream": "upstream"}, 409, "toxic already exists"),
    ],
)
def test_a_toxic_that_cannot_be_is_refused_with_the_reason(
    server: Server, body: object, status: int, reason: str
) -> None:
    server.proxy(NOWHERE)
    assert server.ask("POST", "/proxies/p/toxics", {"type": "latency", "name": "taken"}).status == 200
    answer = server.ask("POST", "/proxies/p/toxics", body)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.json["error"].startswith(reason)
    assert len(server.ask("GET", "/proxies/p/toxics").json) == 1


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_update_of_a_toxic_changes_what_it_names_and_no_more(server: Server, method: str) -> None:
    server.proxy(NOWHERE)
    server.toxic("latency", latency=100, jitter=10)
    path = "/proxies/p/toxics/latency_downstream"
    one = server.ask(method, path, {"attributes": {"latency": 1000}, "name": "other", "stream": "upstream"})
    assert (one.status, one.json["name"], one.json["stream"]) == (200, "latency_downstream", "downstream")
    assert (one.json["attributes"], one.json["toxicity"]) == ({"latency": 1000, "jitter": 10}, 1)
    two = server.ask(method, path, {"toxicity": 0.5})
    assert (two.json["attributes"], two.json["toxicity"]) == ({"latency": 1000, "jitter": 10}, 0.5)
    wrong = server.ask(method, path, {"attributes": {"latency": "soon"}})
    assert wrong.status == 400
    assert server.ask("GET", path).json["attributes"] == {"latency": 1000, "jitter": 10}


def test_a_removed_toxic_is_gone_and_its_name_is_free(server: Server) -> None:
    server.proxy(NOWHERE)
    server.remove(server.toxic("latency"))
    assert server.ask("GET", "/proxies/p/toxics").json == []
    server.toxic("latency")


def test_reset_enables_everything_and_takes_the_toxics_away(server: Server) -> None:
    where = server.proxy(NOWHERE)
    server.toxic("latency")
    server.toxic("timeout", "upstream")
    server.ask("PATCH", "/proxies/p", {"enabled": False})
    answer = server.ask("POST", "/reset")
    assert (answer.status, answer.text) == (204, "")
    shown = server.ask("GET", "/proxies/p").json
    assert (shown["enabled"], shown["toxics"], address(shown["listen"])) == (True, [], where)


def test_populate_creates_replaces_and_leaves_alone(server: Server) -> None:
    host, port = server.proxy(NOWHERE, "same")
    server.toxic("latency", proxy="same")
    server.proxy(NOWHERE, "other")
    server.toxic("latency", proxy="other")
    answer = server.ask(
        "POST",
        "/populate",
        [
            {"name": "same", "listen": f"localhost:{port}", "upstream": NOWHERE},
            {"name": "other", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:2"},
            {"name": "new", "listen": "127.0.0.1:0", "upstream": NOWHERE, "enabled": False},
        ],
    )
    assert answer.status == 201
    proxies = answer.json["proxies"]
    assert [(it["name"], it["enabled"], len(it["toxics"])) for it in proxies] == [
        ("same", True, 1),
        ("other", True, 0),
        ("new", False, 0),
    ]
    assert proxies[0]["listen"] == f"{host}:{port}"
    assert set(server.ask("GET", "/proxies").json) == {"same", "other", "new"}


def test_populate_tells_what_is_missing_and_creates_nothing(server: Server) -> None:
    body = [{"name": "one", "listen": "127.0.0.1:0", "upstream": NOWHERE}, {"upstream": NOWHERE}]
    answer = server.ask("POST", "/populate", body)
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert answer.json == {"error": "missing required field: name at proxy 2", "status": 400, "proxies": None}
    assert server.ask("GET", "/proxies").json == {}


def test_populate_keeps_what_came_before_a_proxy_that_cannot_be(server: Server) -> None:
    body = [
        {"name": name, "listen": listen, "upstream": NOWHERE}
        for name, listen in (("one", "127.0.0.1:0"), ("two", "nonsense"), ("three", "127.0.0.1:0"))
    ]
    answer = server.ask("POST", "/populate", body)
    assert answer.status == answer.json["status"] == 500
    assert [each["name"] for each in answer.json["proxies"]] == ["one"]
    assert set(server.ask("GET", "/proxies").json) == {"one"}
