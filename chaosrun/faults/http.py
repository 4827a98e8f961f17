"""Turn a switch that the service itself offers over HTTP, and turn it back.

One request each way, to loopback unless the target allows the host; redirects are not followed and no proxy is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chaosrun import asking
from chaosrun.errors import Dirty
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.records import Undo
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.steps import HttpStep
from chaosrun.spec.steps.service import HttpCall

_ANSWER_WITHIN_S = 5.0
"""Longest that a connection, and then the whole answer, may take."""


class Request(msgspec.Struct, frozen=True):
    """One request, whole."""

    method: str
    url: str
    body: str | None = None
    headers: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    def send(self) -> int:
        """The status of the answer. Blocks.

        Raises:
            OSError: there was none.
            ValueError: it cannot be sent.
        """
        body = None if self.body is None else self.body.encode()
        return asking.ask(self.method, self.url, within_s=_ANSWER_WITHIN_S, headers=self.headers, body=body).status


class Http(Fault):
    kind = "http"
    sign = "the service answers the request with 2xx"

    def __init__(self, name: str, *, send: HttpCall, undo: HttpCall | None = None, role: str | None = None) -> None:
        """With `undo` it is sustained, without it what it does is to stay."""
        super().__init__(name, role=role, sustained=undo is not None)
        self._send = send
        self._undo = undo
        self._seen: Confirmation | None = None

    def plan(self, world: World, identifier: str) -> Undo:
        back = None if self._undo is None else self._request(self._undo, world)
        stays = f"nothing: what {self._request(self._send, world)} does is to stay"
        return Undo(
            id=identifier,
            kind=self.kind,
            what=stays if back is None else f"send {back}",
            identity={"url": None if back is None else back.url},
            args=msgspec.Raw(msgspec.json.encode(back)),
        )

    def aim(self, world: World) -> Sequence[str]:
        return [world.mask(str(self._request(self._send, world)))]

    async def inject(self, world: World) -> None:
        request = self._request(self._send, world)
        try:
            status = await asyncio.to_thread(request.send)
        except (OSError, ValueError) as error:
            self._seen = Confirmation(False, f"{request} was not answered: {error}")
        else:
            self._seen = Confirmation(_is_done(status), f"{request} was answered with {status}")

    async def confirm(self, world: World) -> Confirmation:
        """By the service's own answer; a `probe` sees more."""
        assert self._seen is not None
        return self._seen

    def _request(self, call: HttpCall, world: World) -> Request:
        headers = {name: reveal(text) for name, text in call.headers.items()}
        body = None if call.json_ is None else msgspec.json.encode(_plain(call.json_)).decode()
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        url = reveal(call.url) if call.url is not None else world.address(self.role) + reveal(call.path or "")
        return Request(call.method, url, body, headers)


def _plain(value: Any) -> Any:
    """A value of the YAML with its secrets in clear."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return reveal(value) if isinstance(value, Secret) else value


def _is_done(status: int) -> bool:
    return 200 <= status < 300


def make(step: HttpStep) -> Fault:
    """The fault that a step of the method describes."""
    name = step.name or (f"{step.fault} {step.role}" if step.role else step.fault)
    return Http(name, send=step.send, undo=step.undo, role=step.role)


def undo(record: Undo) -> None:
    """Send the request that takes it back.

    Raises:
        Dirty: it was not answered with 2xx.
    """
    request = msgspec.json.decode(record.args, type=Request | None)
    if request is None:
        return
    try:
        status = request.send()
    except (OSError, ValueError) as error:
        raise Dirty(f"{request} was not answered: {error}") from error
    if not _is_done(status):
        raise Dirty(f"{request} was answered with {status}")


def verify(record: Undo) -> bool:
    """The service's answer to the undo has told; there is nothing else to read back."""
    return True
