"""Faults of the load's own clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, PlainValidator, Tag

from chaosrun.spec.base import TAG, Broken, Count, Duration, Model, Name, Span, problem
from chaosrun.spec.steps.base import SOME_SCHEMA, FaultStep, some_of

SomeClients = Annotated[int | float, PlainValidator(some_of("clients")), SOME_SCHEMA]


def _code(code: int) -> int:
    # RFC 6455 7.4: 1005, 1006 and 1015 are never on the wire, 1004 and 1016-2999 have no meaning.
    if code not in (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)):
        raise problem("code", f"{code} is no code to close with; write 1000-1003, 1007-1014 or 3000-4999")
    return code


class CloseWith(Model):
    """A close frame with a code, and the closing handshake by the book."""

    close: Annotated[int, AfterValidator(_code)]


How = Annotated[
    Annotated[Literal["rst", "fin", "silent", "vanished"], Tag(TAG + "word")]
    | Annotated[CloseWith, Tag(TAG + "close")],
    Discriminator(lambda value: TAG + ("close" if isinstance(value, dict | CloseWith) else "word")),
]


class ClientDisconnectStep(FaultStep):
    """Cuts clients off."""

    fault: Literal["client_disconnect"]
    group: Name | None = None
    """None: the first one."""
    clients: SomeClients = 1.0
    """A whole number of clients, or a share of the group, chosen by the seed."""
    how: How = "rst"
    """`silent` and `vanished` leave the connection open, and last until the fault is removed."""
    over: Duration = 0
    """One after the other, spread evenly over this time."""
    every: Span | None = None
    times: Count = 1
    """So many times, one `every` so long: a storm."""
    seed: int = 1
    """Chooses the clients."""

    def rules(self) -> Iterator[Broken]:
        if self.times > 1 and self.every is None:
            yield Broken("`times` needs `every`", ("times", "every"))
        if self.times == 1 and self.every is not None:
            yield Broken("`every` needs `times` above 1", ("times", "every"))
        if self.every is not None and self.every <= self.over:
            yield Broken("`every` must be longer than `over`: one wave ends before the next begins", ("every", "over"))
        if self.times > 1 and self.is_sustained():
            yield Broken(f"a {self.how} client stays so; take `times` and `every` out", ("how", "times"))

    def is_sustained(self) -> bool:
        return self.how in ("silent", "vanished")

    def repeats(self) -> tuple[int, int]:
        return self.times, self.every or 0

    def lasts_ns(self) -> int:
        return self.over + (self.times - 1) * (self.every or 0)
