"""A real HTTP proxy for CONNECT, of bare sockets: it makes tunnels, or answers whatever a test wants.

Differs from a proxy of the field: a thread for each tunnel, no limit, and nothing but CONNECT.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE_S = 15.0


@dataclass
class ConnectProxy:
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    """To every CONNECT; a tunnel is made if it says 200. Empty: none, and the connection is kept."""
    requests: list[str] = field(default_factory=list)
    """What it was asked, headers and all."""
    sources: list[str] = field(default_factory=list)
    """From which addresses."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[ConnectProxy]:
        threads: list[threading.Thread] = []
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        client, peer = listening.accept()
                        self.sources.append(peer[0])
                        thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                        threads.append(thread)
                        thread.start()

            acceptor = threading.Thread(target=accept, daemon=True)
            acceptor.start()
            yield self
            listening.shutdown(socket.SHUT_RDWR)
        acceptor.join(PATIENCE_S)
        for thread in threads:
            thread.join(PATIENCE_S)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.settimeout(PATIENCE_S)
            asked = b""
            while b"\r\n\r\n" not in asked:
                more = client.recv(4096)
                if not more:
                    return
                asked += more
            self.requests.append(asked.decode())
            if not self.answer:
                client.recv(1)  # until the client has had enough
                return
            client.sendall(self.answer)
            if self.answer.startswith(b"HTTP/1.1 200"):
                host, _, port = asked.split(b" ", 2)[1].decode().rpartition(":")
                with socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S) as upstream:
                    back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
                    back.start()
                    _pump(client, upstream)
                    back.join(PATIENCE_S)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
