"""When a role is ready: an HTTP status, an open port, a WebSocket handshake or a line of output, within a time.

An error tells what was tried, how often, what came of it last, and the last lines of the role's output.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import tenacity
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from chaosrun import asking
from chaosrun.errors import Unavailable
from chaosrun.foreign import brief
from chaosrun.spec.userinfo import authorized
from chaosrun.targets.output import Output, Watch

_EVERY_S = 0.02
"""Between two tries; the error of a readiness time."""

_TRY_S = 2.0
"""Longest single try: a server may accept and then say nothing, or drip its answer in byte by byte."""

_LEAVE_S = 0.2
"""Longest polite end of a handshake that was tried."""


@dataclass(frozen=True)
class Ready:
    """`how` http: the URL `what` answers with 2xx; tcp: HOST:PORT accepts; websocket: the URL shakes hands; log: a line
    of output matches the regular expression `what`."""

    how: Literal["http", "tcp", "websocket", "log"]
    what: str
    within_s: float = 30.0

    def __str__(self) -> str:
        return f"{self.how} {self.what}"


class NotYet(Exception):
    """One try failed."""


class _Ended(Exception):
    """The process that was waited for is gone."""


async def wait_ready(
    role: str,
    ready: Ready,
    *,
    is_alive: Callable[[], bool],
    output: Output | None = None,
    watch: Watch | None = None,
) -> int:
    """Tries until `ready` holds; the ns from the call to the first success.

    For `log`, `watch` is what `watch_for` gave and has been looking since the start. Otherwise as `wait_until`.
    """
    return await wait_until(
        role, str(ready), _check(ready, watch), within_s=ready.within_s, is_alive=is_alive, output=output
    )


async def wait_until(
    role: str,
    what: str,
    check: Callable[[], Awaitable[None]],
    *,
    within_s: float,
    is_alive: Callable[[], bool] = lambda: True,
    output: Output | None = None,
) -> int:
    """Calls `check` until it no longer raises `NotYet`; the ns from the call to the first success.

    `is_alive` is asked before every try. Raises `Unavailable` when the time is over or the role is no longer alive.
    """
    began = time.monotonic_ns()
    tries = 0
    last = "nothing was tried"

    async def once() -> None:
        nonlocal tries, last
        if not is_alive():
            raise _Ended
        tries += 1
        try:
            await asyncio.wait_for(check(), min(_TRY_S, within_s))
        except TimeoutError as error:
            last = "no answer"
            raise NotYet(last) from error
        except NotYet as error:
            last = str(error)
            raise
        # Whoever answered, it was not the role if that is gone: its port may be somebody else's.
        if not is_alive():
            raise _Ended

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(NotYet),
        wait=tenacity.wait_fixed(_EVERY_S),
        stop=tenacity.stop_after_delay(within_s),
        reraise=True,
    )
    try:
        await retrying(once)
    except NotYet as error:
        why = f"is not ready within {within_s:g} s: {what}: {last} ({tries} tries)"
        raise Unavailable(_explain(role, why, output)) from error
    except _Ended as error:
        after_s = (time.monotonic_ns() - began) / 1e9
        if output is not None:
            await asyncio.to_thread(output.settle)
        raise Unavailable(_explain(role, f"ended after {after_s:.1f} s, before {what} was there", output)) from error
    return time.monotonic_ns() - began


async def look(ready: Ready, watch: Watch | None = None) -> str | None:
    """One try: why `ready` does not hold now; None: it does."""
    try:
        await asyncio.wait_for(_check(ready, watch)(), _TRY_S)
    except TimeoutError:
        return "no answer"
    except NotYet as error:
        return str(error)
    return None


def watch_for(ready: Ready | None) -> Watch | None:
    """What is to look at the output of the next start, for a `log` condition; None for the others."""
    return Watch(ready.what) if ready is not None and ready.how == "log" else None


def _explain(role: str, why: str, output: Output | None) -> str:
    if output is None:
        return f"role {role} {why}"
    tail = output.tail()
    said = f"its last output ({output.path}):\n{tail}" if tail else "it has written nothing"
    return f"role {role} {why}; {said}"


class _Straight(connect):
    """Follows no redirect: it could lead to a machine that nobody has named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _check(ready: Ready, watch: Watch | None) -> Callable[[], Awaitable[None]]:
    async def http_check() -> None:
        await asyncio.to_thread(_get, ready.what)

    async def tcp_check() -> None:
        host, _, port = ready.what.rpartition(":")
        try:
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError as error:
            raise NotYet(error.strerror or str(error)) from error
        writer.close()

    async def websocket_check() -> None:
        try:
            opened = await _Straight(
                ready.what, proxy=None, open_timeout=_TRY_S, ping_interval=None, compression=None, max_queue=1
            )
        except (OSError, WebSocketException) as error:
            raise NotYet(brief(str(error))) from error
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(opened.close(), _LEAVE_S)
        finally:
            opened.transport.abort()

    async def log_check() -> None:
        if watch is None or not watch.seen:
            raise NotYet("no such line in its output")

    return {"http": http_check, "tcp": tcp_check, "websocket": websocket_check, "log": log_check}[ready.how]


def _get(url: str) -> None:
    """Raises `NotYet` unless the URL answers with 2xx."""
    try:
        address, headers = authorized(url, ())
        status = asking.ask("GET", address, within_s=_TRY_S, headers=dict(headers)).status
    except (OSError, ValueError) as error:
        raise NotYet(brief(str(error))) from error
    if not 200 <= status < 300:
        raise NotYet(f"status {status}")
