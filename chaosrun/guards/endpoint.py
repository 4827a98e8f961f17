"""An outside guard: one HTTP address is asked again and again, in order, each time for a bounded time."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from http import HTTPStatus
from typing import Final, NamedTuple

from chaosrun.asking import Answer, NoAnswer, NobodyThere, ask
from chaosrun.guards.guard import Endpoint
from chaosrun.guards.sight import Reading

LONGEST_ANSWER: Final = 65_536
"""Bytes of a body; a longer one is no right answer, since what it lacks cannot be told."""

_OURS: Final = frozenset(
    (
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EPERM,
    )
)
"""What keeps this machine from asking, and says nothing about who would be asked."""


class Look(NamedTuple):
    """What came of asking once."""

    holds: bool | None
    """None: it could not be asked, by no fault of its own."""
    why: str = ""


def look(endpoint: Endpoint) -> Look:
    """Ask once. Blocks, for about the endpoint's time-out at most. Redirects are not followed: they are a status."""
    wants_body = endpoint.contains is not None or endpoint.lacks is not None
    within_s = endpoint.timeout_ns / 1e9
    try:
        answer = ask(
            "GET",
            endpoint.url,
            within_s=within_s,
            headers=endpoint.headers,
            longest=LONGEST_ANSWER if wants_body else 0,
        )
    except NobodyThere as error:
        return Look(None if _is_ours(error.__cause__) else False, str(error))
    except NoAnswer as error:
        return Look(False, str(error))
    except ValueError as error:  # there is no way to ask it
        return Look(None, str(error))
    return _judged(answer, endpoint)


def _judged(answer: Answer, endpoint: Endpoint) -> Look:
    if not _is_right(answer.status, endpoint.statuses):
        return Look(False, f"status {answer.status}")
    if endpoint.contains is not None and endpoint.contains.encode() not in answer.body:
        return Look(False, f"its answer does not contain {endpoint.contains!r}")
    if endpoint.lacks is not None and endpoint.lacks.encode() in answer.body:
        return Look(False, f"its answer contains {endpoint.lacks!r}")
    return Look(True)


def _is_right(status: int, wanted: tuple[int, ...]) -> bool:
    return status in wanted if wanted else HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _is_ours(cause: BaseException | None) -> bool:
    """A name that cannot be looked up says nothing about its owner either."""
    return isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in _OURS)


class Asking:
    """Follows one endpoint. `reading` has how often in a row it was not as it should be."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._in_a_row = 0
        self.reading = Reading(blind="it has not answered yet")

    async def go_on(self) -> None:
        """Ask until cancelled, never twice at once."""
        while True:
            began = time.monotonic_ns()
            self.hear(await asyncio.to_thread(look, self._endpoint))
            await asyncio.sleep(max(0, self._endpoint.every_ns - (time.monotonic_ns() - began)) / 1e9)

    def hear(self, seen: Look) -> None:
        """Take in what came of asking once. What could not be asked neither breaks a row of failures nor adds to it."""
        if seen.holds is None:
            self.reading = Reading(blind=f"it could not be asked: {seen.why}")
            return
        self._in_a_row = 0 if seen.holds else self._in_a_row + 1
        self.reading = Reading(float(self._in_a_row), note=seen.why)
