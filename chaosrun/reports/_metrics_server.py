"""The HTTP server of `/metrics`: in threads of its own, on loopback unless another address was named.

A scrape takes the engine's process some milliseconds; load and prober are other processes. Who connects and says
nothing is left after a while, and only so many are heard at a time.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from ipaddress import ip_address
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from chaosrun.errors import Unavailable, UsageError
from chaosrun.reports._live_metrics import LiveMetrics

_MOST: Final = 8
"""Scrapes at a time."""
_PATIENCE_S: Final = 5.0
"""For a request to be said, and for its answer to be read."""
_GOODBYE_S: Final = 2.0


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def metrics_address(port: int | None, named: str | None) -> Address | None:
    """Where `--metrics-port` or `--metrics` wants it; None: nowhere.

    Raises:
        UsageError: both are there, or it is no address.
    """
    if named is None:
        return None if port is None else Address("127.0.0.1", port)
    if port is not None:
        raise UsageError("--metrics-port and --metrics say the same; give one of them")
    host, _, number = named.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        address = ip_address(host)
        if not number.isdecimal() or int(number) > 65_535:
            raise ValueError(number)
    except ValueError as error:
        raise UsageError(f"--metrics {named!r}: say an address and a port, as in 127.0.0.1:9464") from error
    return Address(str(address), int(number))


@contextlib.contextmanager
def serving(address: Address, secrets: Collection[str], tell: Callable[[str], None]) -> Iterator[LiveMetrics]:
    """Something for the engine to tell of its run, which answers scrapes as long as the context lasts.

    Args:
        tell: is told where it can be scraped.

    Raises:
        Unavailable: nothing can be bound there.
    """
    metrics = LiveMetrics(secrets)
    registry = CollectorRegistry()
    registry.register(metrics)
    try:
        server = _Server(address)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise Unavailable(
            f"metrics at {address}: {why}; name another port by --metrics-port, or 0 for one that is free"
        ) from error
    server.set_app(_only_metrics(make_wsgi_app(registry)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="metrics")
    thread.start()
    tell(f"metrics at http://{Address(address.host, server.server_port)}/metrics")
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_GOODBYE_S)


App = Callable[..., Any]


def _only_metrics(app: App) -> App:
    """prometheus-client answers on every path; a misspelt one is told here."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/metrics":
            return app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the metrics are at /metrics\n"]

    return answer


class _Quiet(WSGIRequestHandler):
    timeout = _PATIENCE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error is for the run."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: Address) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._free = threading.BoundedSemaphore(_MOST)
        super().__init__(address, _Quiet)

    def server_bind(self) -> None:
        """Without asking a name server for our own name, which may take long."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks and goes away, or never says what for, is no trouble of the run."""
