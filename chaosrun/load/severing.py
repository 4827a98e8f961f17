"""What faults do to the connections of one load process: who is cut off when, what became of it, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface

from chaosrun.cutting import CutOff, How
from chaosrun.load.agenda import Agenda
from chaosrun.load.wire import Account, Cut, Cuts, Done, Mend
from chaosrun.sockets import Name, Passed


class Cuttable(Interface):
    """A connection that a fault may cut off."""

    @property
    def name(self) -> Name: ...
    @property
    def passed(self) -> Passed | None: ...
    def unsilence(self) -> None: ...


class Severed:
    """A connection that a fault cut off."""

    __slots__ = ("_at", "_client", "_connection", "_due", "_name", "_passed", "silent_since")

    def __init__(self, client: int, connection: Cuttable, due: int, silent_since: int | None = None) -> None:
        self._client = client
        self._connection = connection
        self._due = due
        self._name = connection.name
        self._at: int | None = None
        self._passed: Passed | None = None
        """How much had passed when it fell silent; None: it did not."""
        self.silent_since = silent_since
        """None: it may speak."""

    def ended(self, now: int) -> None:
        """Its session is over, by the cut or in the silence after it."""
        if self._at is None:
            self._at = now

    def fell_silent(self, now: int) -> None:
        self._at = self.silent_since = now
        self._passed = self._connection.passed

    def account(self) -> CutOff:
        """What can be told of it now."""
        now = None if self._passed is None else self._connection.passed
        quiet = None if now is None else now == self._passed
        return CutOff(client=self._client, due=self._due, at=self._at, socket=self._name, quiet=quiet)

    def mend(self) -> None:
        """Let it speak again, if it is silent."""
        self.silent_since = None
        self._connection.unsilence()


class Clients(Interface):
    """Those of a group that may be cut off."""

    def sever(self, c: int, how: How, code: int | None, due: int) -> Severed | None: ...


class Severing:
    """All cuts, by the name of their order."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._cuts: dict[str, list[Severed]] = {}
        self._mended: set[str] = set()

    def obey(self, order: Cut | Account | Mend, groups: Sequence[Clients]) -> Done | Cuts:
        match order:
            case Cut():
                self._begin(order, groups[order.group])
            case Mend(id=call):
                self._mend(call)
            case Account(id=call):
                return Cuts(cuts=tuple(each.account() for each in self._cuts.get(call, ())))
        return Done()

    def mend_all(self) -> None:
        for call in self._cuts:
            self._mend(call)

    def _begin(self, cut: Cut, clients: Clients) -> None:
        self._cuts[cut.id] = []
        for c, due in cut.clients:
            self._agenda.at(due, self._sever, (cut, clients, c, due))

    def _mend(self, call: str) -> None:
        self._mended.add(call)
        for each in self._cuts.get(call, ()):
            each.mend()

    def _sever(self, what: tuple[Cut, Clients, int, int]) -> None:
        cut, clients, c, due = what
        if cut.id not in self._mended and (severed := clients.sever(c, cut.how, cut.code, due)) is not None:
            self._cuts[cut.id].append(severed)
