"""How a TCP connection is ended from this side as a fault has it, whatever runs over it; and why the other side did."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def socket_of(tcp: asyncio.Transport) -> Any:
    return tcp.get_extra_info("socket")


def reset(tcp: asyncio.Transport) -> None:
    """By a reset, with nothing more read or written."""
    socket_of(tcp).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    tcp.abort()


def end_stream(tcp: asyncio.Transport) -> None:
    """By a FIN. A close() with unread data in the kernel would send RST: this shuts down one way, and reads on."""
    if tcp.can_write_eof():
        tcp.write_eof()
    else:
        # TLS would first say goodbye and wait for the answer; a process that crashes does not.
        with socket.socket(fileno=os.dup(socket_of(tcp).fileno())) as beneath:
            beneath.shutdown(socket.SHUT_WR)


def cause_of(error: Exception | None) -> str:
    """Name the operating system's reason for a lost connection."""
    if error is None:
        return "fin"
    if isinstance(error, TimeoutError):  # ETIMEDOUT: the kernel's own deadline for an acknowledgement
        return "deadline"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "rst"
    return "other"
