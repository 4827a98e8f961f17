"""A group whose clients ask by HTTP: where, how long each is waited for, and what became of exchanges that failed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from chaosrun.load.agenda import Agenda
from chaosrun.load.config import GroupLoad
from chaosrun.load.cookies import Cookies
from chaosrun.load.dialling import address_of
from chaosrun.load.group import Group
from chaosrun.load.http_link import HttpLink, connect
from chaosrun.load.poller import Poller
from chaosrun.load.recorder import Recorder
from chaosrun.load.ways import Ways, route_of
from chaosrun.protocols._base import ClientIdentity, Clocks
from chaosrun.protocols._polling import Asker, Polling
from chaosrun.records import Exchanges
from chaosrun.spec.userinfo import authorized

_SECOND: Final = 1_000_000_000


class HttpGroup(Group):
    def __init__(
        self, load: GroupLoad, *, shard: int, shards: int, clocks: Clocks, agenda: Agenda, recorder: Recorder
    ) -> None:
        super().__init__(load, shard=shard, shards=shards, agenda=agenda, recorder=recorder)
        assert load.http is not None
        self.polling = Polling.from_wire(load.http)
        self.pick = self.polling.pick
        self._clocks = clocks
        self._url, self._headers = authorized(load.url, load.headers.items())
        self._address = address_of(self._url)
        self._ways = Ways(route_of(load.tls, load.via, load.http_proxy), load.source_addresses)
        self._cookies = Cookies(load.cookies)
        self._reply_timeout_ns = load.plan.reply_timeout_ns
        self._connect_within_s = min(load.open_timeout_s, load.plan.reply_timeout_ns / _SECOND)
        self._patience: deque[tuple[int, Poller, int]] = deque()
        """When each request is given up, in the order in which they were due."""
        self._endings: Counter[tuple[int, str, int | None]] = Counter()
        """Since they were last recorded: of which request, how, with which status."""
        self._first: dict[tuple[int, str, int | None], str] = {}
        self._clients = [Poller(self, c, load.identity(c)) for c in range(shard, load.plan.clients, shards)]
        self._excused = set(self._clients)

    @property
    def clients(self) -> list[Poller]:
        return self._clients

    @property
    def _open(self) -> int:
        return sum(client.is_connected for client in self._clients)

    def flush(self) -> None:
        now = self.now()
        for (which, how, status), count in self._endings.items():
            detail = self._first[which, how, status]
            self.recorder.append(
                Exchanges(t=now, g=self.index, request=which, how=how, status=status, count=count, detail=detail)
            )
        self._endings.clear()
        self._first.clear()

    # ---- what a client needs of its group

    def asker(self, identity: ClientIdentity) -> Asker:
        cookies = None if self._load.cookies is None else partial(self._cookies_for, identity.index)
        return Asker(identity, self._clocks, self._url, self._headers, cookies)

    def _cookies_for(self, c: int, path: str) -> str:
        return self._cookies.header(c, self._address._replace(resource=path))

    def keep_cookies(self, client: Poller, path: str, lines: Sequence[str]) -> None:
        """The service has set cookies in its answer to a request for `path`."""
        self._cookies.take(client.c, lines, self._address._replace(resource=path))

    async def connect(self, client: Poller) -> HttpLink:
        """Raises Refusal: whatever went wrong."""
        way, most = self._ways.of(client.c), self._load.max_size
        return await connect(self._address, way, lambda: HttpLink(client, most), self._connect_within_s)

    def note(self, which: int, how: str, status: int | None, detail: str) -> None:
        """An exchange had an ending that its row does not tell."""
        key = which, how, status
        self._endings[key] += 1
        self._first.setdefault(key, detail)
        self.counts.errors[how if status is None else f"{how} {status}"] += 1

    def give_up_after(self, due: int, client: Poller, token: int) -> None:
        """Have the client give a request up when its reply time-out is over."""
        if not self._patience:
            self.agenda.at(due + self._reply_timeout_ns, self._give_up, None)
        self._patience.append((due + self._reply_timeout_ns, client, token))

    def _give_up(self, _nothing: None) -> None:
        now = self.now()
        while self._patience and self._patience[0][0] <= now:
            _, client, token = self._patience.popleft()
            client.give_up(token)
        if self._patience:
            self.agenda.at(self._patience[0][0], self._give_up, None)
