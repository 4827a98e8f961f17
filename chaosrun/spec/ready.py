"""How something shows from outside: that a role is ready, that a fault took effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator

from chaosrun.spec.base import Broken, Later, Line, MayHideSecret, Model, Span, problem
from chaosrun.spec.expression import wrong_expression
from chaosrun.spec.protocol import SECOND


def _expression(text: str) -> str:
    wrong = wrong_expression(text)
    if wrong is not None:
        raise problem("expression", wrong)
    return text


class Sign(Model):
    """Exactly one of an HTTP 2xx, a TCP connect, a WebSocket handshake, or a line of output."""

    http: Annotated[Line, MayHideSecret] | None = None
    """URL that must answer with 2xx."""
    tcp: Line | None = None
    """HOST:PORT that must accept."""
    websocket: Annotated[Line, MayHideSecret] | None = None
    """URL whose handshake must succeed."""
    log: Annotated[str, AfterValidator(_expression)] | None = None
    """Regular expression that a line of the process's output must match."""
    metric: Later = None

    def rules(self) -> Iterator[Broken]:
        ways = ("http", "tcp", "websocket", "log")
        if sum(getattr(self, key) is not None for key in ways) != 1:
            yield Broken("needs exactly one of `http`, `tcp`, `websocket` and `log`", ways)


class Ready(Sign):
    """How readiness shows."""

    within: Span = 30 * SECOND


class Probe(Sign):
    """How the effect of a fault shows, in place of the fault's own way to confirm it.

    A path alone, such as `/healthz`, in place of a URL is of the target's own address.
    """

    expect: Literal["up", "down"] = "up"
    """`down`: the effect is that this no longer works."""
    within: Span = 10 * SECOND

    def rules(self) -> Iterator[Broken]:
        yield from super().rules()
        if self.log is not None and self.expect == "down":
            yield Broken(
                "a line that is missing shows nothing; `expect: down` goes with http, tcp or websocket",
                ("log", "expect"),
            )
