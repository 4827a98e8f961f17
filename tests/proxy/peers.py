"""Both ends of a proxied connection in the hands of a test: plain blocking sockets with a time-out."""

from __future__ import annotations

import contextlib
import socket
import struct
from types import TracebackType

PATIENCE_S = 30.0
"""No test waits for longer; a busy machine is no failure."""


class Peer:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes; fewer if the connection ends before, in whatever way."""
        got = bytearray()
        with contextlib.suppress(ConnectionError):
            while len(got) < size and (data := self.sock.recv(size - len(got))):
                got += data
        return bytes(got)

    def end(self) -> str:
        """How the connection ends: `fin` or `rst`; what still comes before is read."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except ConnectionResetError:
            return "rst"
        return "fin"

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes, neither data nor an end, for so long."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE_S)
        return False

    def half_close(self) -> None:
        """Ends what it sends; it may still receive."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Closes with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


class Service:
    """What listens behind the proxy."""

    def __init__(self, host: str) -> None:
        self._sock = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._sock.settimeout(PATIENCE_S)
        self._peers: list[Peer] = []
        port = self._sock.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def accept(self) -> Peer:
        sock, _ = self._sock.accept()
        self._peers.append(Peer(sock))
        return self._peers[-1]

    def pair(self, where: tuple[str, int]) -> tuple[Peer, Peer]:
        """A new connection through the proxy at `where`: the client's end and the service's."""
        client = Peer(socket.create_connection(where, timeout=PATIENCE_S))
        self._peers.append(client)
        return client, self.accept()

    def close(self) -> None:
        """Nobody is let in any more; the connections stay."""
        self._sock.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
        for peer in self._peers:
            peer.close()
