"""An HTTP/1.1 server for the API, on h11: one request after the other on connections that stay open.

Nobody keeps others from the API, by which toxics are taken off: clients are few, each takes up bounded memory, and one
that is silent for long, or is one too many, is closed.
"""

from __future__ import annotations

import asyncio
import secrets
from http import HTTPStatus
from typing import cast

import h11

from chaosrun.proxy.api import TEXT, Answer, Api

_LONGEST = 1 << 20
"""Bytes of a request's body; the longest is a list of proxies."""

_MOST = 32
"""Clients at once; one more, and the one that has said nothing for the longest time is closed."""

_PATIENCE_S = 60.0
"""How long a client may take for a request, or to read an answer, or between the two."""


class HttpClient(asyncio.Protocol):
    """Whoever asks, on one connection."""

    def __init__(self, api: Api, others: dict[HttpClient, None]) -> None:
        """`others` are the clients that there are, who was heard of last at the end."""
        self._api = api
        self._others = others
        self._clogged = False
        self._patience: asyncio.TimerHandle | None = None
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if len(self._others) >= _MOST:
            idle = next((other for other in self._others if other._answering is None), next(iter(self._others)))
            idle._give_up()
        self._heard()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it was lost
        """An answer that is being made is made to its end: a proxy must not be half changed."""
        self._others.pop(self, None)
        if self._patience is not None:
            self._patience.cancel()

    def _heard(self) -> None:
        """It has done what it was waited for."""
        self._others.pop(self, None)
        self._others[self] = None
        if self._patience is not None:
            self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_later(_PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self._others.pop(self, None)
        self._transport.abort()

    def pause_writing(self) -> None:
        """It does not read its answers: it gets no others until it does."""
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        self._http.receive_data(b"")
        self._read()
        return True  # an answer may still be on its way; `_read` closes

    def _read(self) -> None:
        try:
            while self._answering is None and not self._clogged:
                event = self._http.next_event()
                if isinstance(event, h11.Request):
                    self._request = event
                    self._body.clear()
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > _LONGEST:
                        raise h11.RemoteProtocolError("request too long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                elif isinstance(event, h11.EndOfMessage):
                    self._transport.pause_reading()  # or requests would heap up while one is answered
                    self._heard()
                    self._answering = asyncio.get_running_loop().create_task(self._answer())
                elif isinstance(event, h11.ConnectionClosed):
                    self._transport.close()
                    return
                else:
                    break  # NEED_DATA: not all is here yet
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
        except h11.RemoteProtocolError as error:
            self._send(Answer(error.error_status_hint, f"{error}\n".encode(), TEXT))
            self._transport.close()

    async def _answer(self) -> None:
        request = self._request
        assert request is not None
        agent = dict(request.headers).get(b"user-agent", b"").decode("latin-1")
        method, path = request.method.decode("ascii"), request.target.decode("ascii")
        try:
            answer = await self._api.answer(method, path, bytes(self._body), agent)
        except Exception as error:
            context = {"message": f"a request could not be answered: {method} {path!r}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"a defect of the proxy; its output tells more\n", TEXT)
        self._send(answer)
        self._answering = None
        if self._http.our_state is h11.MUST_CLOSE or self._transport.is_closing():
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, if the last answer is on its way."""
        if self._answering is None and not self._clogged and not self._transport.is_closing():
            self._transport.resume_reading()
            self._read()

    def _send(self, answer: Answer) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("X-Toxiproxy-Request-Id", secrets.token_hex(10))]
        if answer.status != HTTPStatus.NO_CONTENT:
            headers += [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        self._write(h11.Response(status_code=answer.status, headers=headers))
        self._write(h11.Data(data=answer.body))
        self._write(h11.EndOfMessage())

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data and not self._transport.is_closing():
            self._transport.write(data)
