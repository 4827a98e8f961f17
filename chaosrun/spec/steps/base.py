"""What every step of a method may carry, and who starts again what a fault has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from chaosrun.spec.base import Broken, Duration, Later, Model, Span
from chaosrun.spec.protocol import SECOND


class PauseStep(Model):
    """Wait, with whatever faults are in effect."""

    pause: Span
    name: str | None = None


class FaultStep(Model):
    """What every fault's step may carry."""

    fault: str
    name: str | None = None
    at: Later = None
    for_: Annotated[Later, Field(alias="for")] = None
    probe: Later = None

    def target_role(self) -> str | None:
        """The role that it acts on, if it acts on one."""
        return None

    def is_sustained(self) -> bool:
        """Its effect lasts until it is removed."""
        return False

    def lasts_ns(self) -> int:
        """How long the step holds up the method when all goes as planned."""
        return 0


class SustainedStep(FaultStep):
    """A fault whose effect lasts until it is removed."""

    def is_sustained(self) -> bool:
        return True


class OtherFaultStep(FaultStep):
    """A fault of a kind that an installed package adds; its own keys are checked by the package's `Spec`."""

    model_config = ConfigDict(extra="allow")

    def keys_of_its_own(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def target_role(self) -> str | None:
        role = self.keys_of_its_own().get("role")
        return role if isinstance(role, str) else None


class ParallelStep(Model):
    parallel: Later


class Restart(Model):
    """Who starts the role again: chaosrun `after` a while, or its own supervisor, waited for `within` a limit."""

    by: Literal["chaosrun", "supervisor"] = "chaosrun"
    after: Duration = 0
    within: Span = 60 * SECOND

    def rules(self) -> Iterator[Broken]:
        if self.by == "chaosrun" and "within" in self.model_fields_set:
            yield Broken("`within` goes with `by: supervisor`; a restart by chaosrun has `after`", ("by", "within"))
        if self.by == "supervisor" and "after" in self.model_fields_set:
            yield Broken("`after` goes with `by: chaosrun`; a supervisor's restart has `within`", ("by", "after"))

    def lasts_ns(self) -> int:
        """How long it is waited for at most."""
        return self.after if self.by == "chaosrun" else self.within
