"""One simulated client that asks by HTTP: its connections, what waits for one of them, and how each exchange ended.

It keeps a connection as a user's program does, and takes a second one where a request is due while the one before is
unanswered. Every request leaves exactly one row, however often it was written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaosrun.cutting import How
from chaosrun.foreign import brief
from chaosrun.load.http_link import Answer, End, HttpLink
from chaosrun.load.requests import Requests
from chaosrun.load.route import Refusal
from chaosrun.load.severing import Severed
from chaosrun.protocols._base import ClientIdentity
from chaosrun.protocols._polling import Question, Unaskable
from chaosrun.records import Kind, Status

if TYPE_CHECKING:
    from chaosrun.load.http_group import HttpGroup

MOST_CONNECTIONS: Final = 6
"""Of one client at a time, as browsers have it for one host. What is due beyond that waits its turn."""
_MAY_BE_AGAIN: Final = ("fin", "rst")


@dataclass(slots=True, eq=False)
class _Exchange:
    token: int
    which: int
    question: Question
    again: bool = False
    """It was written a second time."""
    written: bool = False


class Poller:
    __slots__ = (
        "_busy",
        "_connecting",
        "_group",
        "_idle",
        "_open",
        "_waiting",
        "asker",
        "c",
        "grace_until",
        "requests",
        "wanted",
        "wanted_since",
    )  # fmt: skip

    def __init__(self, group: HttpGroup, c: int, identity: ClientIdentity) -> None:
        self.c = c
        self.requests = Requests(group, c)
        self.wanted = False
        self.wanted_since = 0
        self.grace_until = 0
        self.asker = group.asker(identity)
        self._group = group
        self._open: dict[int, _Exchange] = {}
        """Exchanges that are under way, by token."""
        self._busy: dict[HttpLink, _Exchange] = {}
        self._idle: list[HttpLink] = []
        self._connecting = 0
        self._waiting: deque[_Exchange] = deque()

    @property
    def is_open(self) -> bool:
        """It needs no session: it can always ask."""
        return True

    @property
    def is_connected(self) -> bool:
        return bool(self._busy or self._idle)

    # ---- its group speaks

    def come(self, now: int) -> None:
        """A planned life begins; it connects when its first request is due."""
        self.wanted, self.wanted_since = True, now

    def go(self, by: int) -> None:  # noqa: ARG002 - its requests have time-outs of their own
        """A planned life ends: what is under way is waited for, and each connection ended after it."""
        self.wanted = False
        for link in list(self._idle):
            link.close()

    def slot(self, due: int, kind: Kind, k: int) -> None:
        """A slot or sentinel is due, or has been for a while: ask, or record why not."""
        group = self._group
        now = group.now()
        which = group.pick(self.c, k)
        if group.period_ns is not None and now - due > group.period_ns:
            self.requests.skip(due, Status.SKIPPED_OBSERVER, kind, which, 0)
            return
        token = self.requests.put_down(due, now, kind, which, 0)
        try:
            question = group.polling.ask(which, self.asker, token, now)
        except Unaskable as error:
            group.note(which, "unaskable", None, self._told(str(error)))
            self.requests.broken(token)
            return
        exchange = self._open[token] = _Exchange(token, which, question)
        group.give_up_after(due, self, token)
        self._begin(exchange)

    def give_up(self, token: int) -> None:
        """The reply time-out of a request is over."""
        exchange = self._open.pop(token, None)
        if exchange is None:
            return
        if exchange.written:
            self._group.note(exchange.which, "no answer", None, "")
            self.requests.unanswered(token)
        else:
            self._group.note(exchange.which, "no connection", None, "")
            self.requests.broken(token)
        for link, held in list(self._busy.items()):
            if held is exchange:
                link.close()
        if exchange in self._waiting:
            self._waiting.remove(exchange)

    def leave(self) -> None:
        self.cut()

    def cut(self) -> None:
        self._waiting.clear()
        for link in (*self._busy, *self._idle):
            link.close()

    def sever(self, how: How, code: int | None, due: int) -> Severed | None:  # noqa: ARG002 - no frame that has one
        """A fault ends all of its connections; None: it has none."""
        links = (*self._idle, *self._busy)
        if not links:
            return None
        severed = Severed(self.c, links[0], due)
        for link in links:
            link.reset() if how == "rst" else link.fin()
        severed.ended(self._group.now())
        return severed

    # ---- its connections speak

    def on_answer(self, link: HttpLink, answer: Answer) -> None:
        group = self._group
        now = group.now()
        exchange = self._busy.pop(link)
        if answer.set_cookies:
            group.keep_cookies(self, exchange.question.path, answer.set_cookies)
        if self._open.pop(exchange.token, None) is not None:
            wrong = group.polling.wrong(exchange.which, answer.status, answer.body, answer.encoding)
            if wrong is not None:
                status = answer.status if wrong.how == "status" else None
                group.note(exchange.which, wrong.how, status, self._told(wrong.detail))
            self.requests.replied(exchange.token, now, ok=wrong is None)
        self._rest(link)

    def on_end(self, link: HttpLink, end: End) -> None:
        if link in self._idle:
            self._idle.remove(link)
        exchange = self._busy.pop(link, None)
        if exchange is not None and exchange.token in self._open and end.how != "ours":
            self._broke(exchange, link, end)
        self._serve_waiting()

    def _broke(self, exchange: _Exchange, link: HttpLink, end: End) -> None:
        group = self._group
        if (
            end.how in _MAY_BE_AGAIN
            and link.answers
            and link.is_unheard
            and exchange.question.repeatable
            and not exchange.again
        ):
            # RFC 9112 9.3.1: a server may close a kept connection while we write to it; nobody knows if it heard.
            group.note(exchange.which, "asked again", None, "")
            exchange.again, exchange.written = True, False
            self._connect(exchange)
            return
        del self._open[exchange.token]
        if end.is_answer:
            detail = group.too_large if end.how == "too_large" else self._told(end.detail)
            group.note(exchange.which, end.how, None, detail)
            self.requests.replied(exchange.token, group.now(), ok=False)
        else:
            group.note(exchange.which, end.how, None, "")
            self.requests.broken(exchange.token)

    # ---- inside

    def _begin(self, exchange: _Exchange) -> None:
        if self._idle:
            self._write(exchange, self._idle.pop())
        elif len(self._busy) + self._connecting < MOST_CONNECTIONS:
            self._connect(exchange)
        else:
            self._waiting.append(exchange)

    def _write(self, exchange: _Exchange, link: HttpLink) -> None:
        self._busy[link] = exchange
        exchange.written = True
        link.ask(exchange.question, wants_body=self._group.polling.needs_body(exchange.which))

    def _connect(self, exchange: _Exchange) -> None:
        self._connecting += 1
        self._group.background(self._connected(exchange))

    async def _connected(self, exchange: _Exchange) -> None:
        group = self._group
        link = None
        try:
            link = await group.connect(self)
        except Refusal as refusal:
            if self._open.pop(exchange.token, None) is not None:
                group.note(exchange.which, refusal.why, refusal.status, self._told(refusal.detail))
                self.requests.broken(exchange.token)
        finally:
            self._connecting -= 1
        if link is not None and exchange.token in self._open:
            self._write(exchange, link)
        elif link is not None:
            self._rest(link)
            return
        self._serve_waiting()

    def _rest(self, link: HttpLink) -> None:
        """Nothing is asked on a connection now: what waits goes first; a client that has gone keeps none."""
        if link.is_open:
            self._idle.append(link)
        self._serve_waiting()
        if not self.wanted and link in self._idle:
            link.close()

    def _serve_waiting(self) -> None:
        while self._waiting and (self._idle or len(self._busy) + self._connecting < MOST_CONNECTIONS):
            self._begin(self._waiting.popleft())

    def _told(self, text: str) -> str:
        """Masked before it is cut: half of a secret would not be found any more."""
        return brief(self._group.recorder.told(text, self.asker.identity.account))
