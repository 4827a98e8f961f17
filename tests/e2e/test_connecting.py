"""Clients with certificates, cookies and addresses of their own behind a proxy, of a service that is killed: what the
service and the proxy saw, and that no file has the proxy's password."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections import Counter
from pathlib import Path

import pytest
from certificates import certificates
from connect_proxy import ConnectProxy
from e2e_running import Finished, conclusive, free_port

from chaosrun.recorded import read_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVICE = Path(__file__).with_name("secure_service.py")
PASSWORD = "pr0xy-passw0rd"
CLIENTS = 6
EXPERIMENT = """\
title: Clients behind a proxy are served again
secrets: {password: {env: SECRET_OF_LOAD}}
steady_state:
  load:
    users:
      protocol: {request: {send: {id: "{id}"}, reply: {id: "{id}"}}}
      clients: 6
      requests: 10/s
      ramp: {over: 500ms, start: 2}
      tls: &tls {ca: certificates/ca.pem, cert: certificates/cert.pem, key: certificates/key.pem}
      cookies: {team: blue}
      http_proxy: "http://load:${secret.password}@127.0.0.1:WAY"
      source_addresses: 127.0.0.2-127.0.0.4
    slow:
      protocol: {path: /feed, stream: {match: {type: tick}, seq: seq, scope: connection}}
      clients: 2
      ramp: {over: 500ms}
      tls: *tls
      source_addresses: 127.0.0.9
      read: 10/s
  hypothesis:
    - {metric: usable, min: 100%, group: users}
target:
  url: "wss://127.0.0.1:PORT/ws"
  roles:
    server: {command: COMMAND, ready: {tcp: "127.0.0.1:PORT"}}
  ready: {tcp: "127.0.0.1:PORT"}
method:
  - {name: crash the server, fault: process_kill, role: server, restart: {by: chaosrun, after: 500ms}}
recovery: {within: 15s, stable_for: 2s, tolerate: {requests: 10%}}
timing: {warmup: 500ms, baseline: 4s, recovery_timeout: 20s, after: 3s, verify: 2s}
"""


class Seen:
    def __init__(self, folder: Path) -> None:
        self.log = folder / "handshakes.log"
        self.proxy = ConnectProxy()
        certificates_of = folder / "certificates"
        certificates_of.mkdir()
        certificates().write(certificates_of)
        certificates().service.private_key_and_cert_chain_pem.write_to_path(certificates_of / "service.pem")
        with self.proxy.serving():
            port = free_port()
            command = json.dumps([sys.executable, str(SERVICE), str(port), str(certificates_of), str(self.log)])
            text = EXPERIMENT.replace("PORT", str(port)).replace("COMMAND", command)
            experiment = folder / "experiment.yaml"
            experiment.write_text(text.replace("WAY", str(self.proxy.port)))
            self.port = port
            self.finished: Finished = conclusive(
                experiment,
                "--format",
                "json",
                reports=folder / "reports",
                env={"SECRET_OF_LOAD": PASSWORD},
                before_each=self.forget,
            )

    def forget(self) -> None:
        self.log.unlink(missing_ok=True)
        self.proxy.requests.clear()
        self.proxy.sources.clear()

    @property
    def handshakes(self) -> Counter[tuple[str, str]]:
        """By where they came from, through the proxy or not, and by their cookies."""
        return Counter(tuple(line.split(" ", 1)) for line in self.log.read_text().splitlines())  # type: ignore[misc]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return Seen(tmp_path_factory.mktemp("secure"))


def test_it_passes_and_leaves_nothing_behind(seen: Seen) -> None:
    assert seen.finished.code == 0, seen.finished.err + seen.finished.out
    assert seen.finished.left_behind() == []


def test_the_proxy_was_asked_for_the_service_from_each_address_by_who_may(seen: Seen) -> None:
    said = b64encode(f"load:{PASSWORD}".encode()).decode()
    assert seen.proxy.requests
    for request in seen.proxy.requests:
        assert request.startswith(f"CONNECT 127.0.0.1:{seen.port} HTTP/1.1\r\n")
        assert f"Proxy-Authorization: Basic {said}\r\n" in request
    # The prober goes through the proxy as the clients do, from an address that the system chooses.
    assert set(seen.proxy.sources) == {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}


def test_who_came_back_was_known_by_the_cookie_that_the_service_had_set(seen: Seen) -> None:
    by_cookies: Counter[str] = Counter()
    for (source, cookies), count in seen.handshakes.items():
        if source == "127.0.0.1":
            by_cookies[cookies] += count
    assert by_cookies["team=blue; instance=i-1"] == CLIENTS
    assert set(by_cookies) == {"team=blue", "team=blue; instance=i-1"}
    assert {cookies for source, cookies in seen.handshakes if source == "127.0.0.9"} == {"none"}


def test_slow_readers_took_ten_messages_a_second_of_a_dozen(seen: Seen) -> None:
    assert seen.finished.folder is not None
    history = read_run(seen.finished.folder).history
    slow = [group.name for group in history.plan.groups].index("slow")
    opened = {(line.c, line.conn): line.t for line in history.opened if line.g == slow}
    end = next(phase.t for phase in history.phases if phase.name == "drain")
    by_connection: Counter[tuple[int, int]] = Counter()
    for push in history.pushes:
        stream = history.streams[push.sid]
        if stream.g == slow and push.at < end:
            by_connection[stream.c, stream.conn] += 1
    closed = {(line.c, line.conn): line.t for line in history.closed if line.g == slow}
    assert set(by_connection) == set(opened) == {(c, conn) for c in range(2) for conn in range(2)}
    for key, taken in by_connection.items():
        lasted_s = (min(closed.get(key, end), end) - opened[key]) / 1e9
        assert taken <= 10 * lasted_s + 2
        assert taken >= 5, "it reads"


def test_no_file_of_the_run_has_the_password_of_the_proxy_or_the_clients_key(seen: Seen) -> None:
    assert seen.finished.folder is not None
    key = certificates().client.private_key_pem.bytes().splitlines()[1]
    needles = (PASSWORD.encode(), b64encode(f"load:{PASSWORD}".encode())[6:-4], key)
    files = [file for file in seen.finished.folder.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if any(needle in file.read_bytes() for needle in needles)] == []
