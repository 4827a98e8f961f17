"""The proxy as a process of its own: options, the ready line, its end."""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import secrets
import socket
import sys
from collections.abc import Callable
from functools import partial

import msgspec

from chaosrun.errors import UsageError
from chaosrun.proxy import HOST
from chaosrun.proxy.alarm import Alarm
from chaosrun.proxy.api import Api
from chaosrun.proxy.collection import Collection
from chaosrun.proxy.http import HttpClient
from chaosrun.proxy.proxy import Surroundings
from chaosrun.reference import _program

_FILES_FOR_US = 64
"""Files kept for the loop, the listeners and the clients of the API, so that a toxic can always be taken off."""


def main() -> None:
    """`python -m chaosrun.proxy`."""
    options = _program.parser("A TCP proxy with faults, and the HTTP API of Toxiproxy 2.")
    options.add_argument("--seed", type=int, help="what all chance depends on; otherwise another each time")
    options.add_argument(
        "--allow-remote",
        action="store_true",
        help="permit addresses that other machines can reach, for the API and for proxies",
    )
    given = options.parse_args()
    try:
        serve(**vars(given), say_ready=_say_ready)
    except UsageError as error:
        options.error(str(error))


def serve(
    *,
    say_ready: Callable[[str, int, int], None],
    host: str = HOST,
    port: int = 0,
    seed: int | None = None,
    allow_remote: bool = False,
    die_with_stdin: bool = False,
) -> None:
    """Serves until SIGTERM, SIGINT, or, if asked, the end of standard input; port 0 is any free one.

    `say_ready` is told the API's host and port and the seed. Exits with `PORT_TAKEN` when the port is in use.

    Raises:
        UsageError: other machines can reach the host, and that is not allowed.
    """
    if not allow_remote and not _is_loopback(host):
        raise UsageError(f"host {host} can be reached from other machines; allow-remote permits that")
    seed = secrets.randbits(32) if seed is None else seed
    sock = _program.listening_socket(host, port)
    say = partial(say_ready, host, sock.getsockname()[1], seed)
    _program.run(_serve(sock, seed, allow_remote, die_with_stdin, say))


async def _serve(
    sock: socket.socket, seed: int, allow_remote: bool, die_with_stdin: bool, say: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    alarm = Alarm(loop)
    proxies = Collection(Surroundings(alarm, seed, allow_remote, room=_room()))
    api = Api(proxies)
    clients: dict[HttpClient, None] = {}
    server = await loop.create_server(lambda: HttpClient(api, clients), sock=sock)
    say()
    await _program.until_stopped(die_with_stdin=die_with_stdin)
    server.close()
    await proxies.close()
    alarm.close()


def _say_ready(_host: str, port: int, seed: int) -> None:
    sys.stdout.buffer.write(msgspec.json.encode({"ready": True, "port": port, "seed": seed}) + b"\n")
    sys.stdout.flush()


def _room() -> int:
    """How many clients there may be: each takes two files, and the limit that a shell sets is often 1,024."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return sys.maxsize
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (hard - _FILES_FOR_US) // 2


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"host {host}: {error.strerror}") from error
    return all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)
