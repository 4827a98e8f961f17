"""Faults by somebody else's means: a switch of the service, a program, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Json, Many, Model, Span, Text
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.steps.base import FaultStep


class NoopStep(FaultStep):
    """The control experiment: nothing happens."""

    fault: Literal["noop"]


class HttpCall(Model):
    """One request to the service's switch."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[str, Field(pattern=r"^/")]
    json_: Annotated[Json, Field(alias="json")] = None


class HttpStep(FaultStep):
    """A switch that the service itself offers."""

    fault: Literal["http"]
    role: str
    send: HttpCall
    undo: HttpCall

    def target_role(self) -> str | None:
        return self.role

    def is_sustained(self) -> bool:
        return True


class CommandStep(FaultStep):
    """Any program, and the one that takes back what it did."""

    fault: Literal["command"]
    run: Many[Text]
    undo: Many[Text] = ()
    permanent: bool = False
    """What it does needs no undo."""
    timeout: Span = 30 * SECOND

    def rules(self) -> Iterator[Broken]:
        if not self.undo and not self.permanent:
            yield Broken("needs `undo`, or `permanent: true` if there is nothing to take back", ("undo", "permanent"))

    def is_sustained(self) -> bool:
        return not self.permanent
