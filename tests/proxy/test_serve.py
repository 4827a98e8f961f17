"""`chaosrun serve proxy`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest
from peers import PATIENCE_S, Service
from proxy_servers import Server

from chaosrun.errors import Exit
from chaosrun.targets.ports import free_port

SERVE = [sys.executable, "-m", "chaosrun", "serve", "proxy"]


def test_serve_proxy_tells_its_api_and_serves_it_until_ctrl_c(service: Service) -> None:
    argv = [*SERVE, "--port", str(free_port()), "--option", "seed=7"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = re.search(r"http://127\.0\.0\.1:(\d+), seed 7;", process.stdout.readline())
        assert told is not None
        server = Server("embedded", "127.0.0.1", int(told[1]), process)
        client, upstream = service.pair(server.proxy(service.address))
        client.send(b"x")
        assert upstream.receive(1) == b"x"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("speed=1", "the proxy has host, seed and allow-remote"),
        ("seed=x", "write a whole number"),
        ("allow-remote=perhaps", "write allow-remote=yes"),
        ("host=0.0.0.0", "allow-remote"),
        ("host=no.such.host.invalid", "no.such.host.invalid"),
    ],
)
def test_serve_proxy_refuses_what_it_does_not_know(option: str, remedy: str) -> None:
    done = subprocess.run([*SERVE, "--option", option], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == Exit.USAGE
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_proxy_says_which_port_is_in_use(embedded: Server) -> None:
    done = subprocess.run(
        [*SERVE, "--port", str(embedded.port)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == Exit.UNAVAILABLE
    assert f"127.0.0.1:{embedded.port}" in done.stderr
