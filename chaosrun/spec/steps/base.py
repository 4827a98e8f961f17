"""What every step of a method may carry, and who starts again what a fault has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from chaosrun.spec import units
from chaosrun.spec.base import Broken, Duration, Model, Span, problem
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.ready import Probe
from chaosrun.spec.stages import At


def some_of(things: str) -> Callable[[Any], int | float]:
    """Reads a whole number of things, or a share of them."""

    def some(value: Any) -> int | float:
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        try:
            share = units.ratio(value)
        except units.UnitError:
            share = 0.0
        if not 0 < share <= 1:
            raise problem(things, f"{value!r} is no number of {things}; write 30, or a share of them such as 10%")
        return share

    return some


SOME_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$", "examples": ["10%"]},
        ]
    }
)


class PauseStep(Model):
    """Wait, with whatever faults are in effect."""

    pause: Span
    name: str | None = None


class FaultStep(Model):
    """What every fault's step may carry."""

    fault: str
    name: str | None = None
    at: At | None = None
    """Not before so long after the method began, or not before a time within a stage of the load."""
    for_: Annotated[Span | None, Field(alias="for")] = None
    """So long after its injection the fault is undone; None: when the method ends."""
    probe: Probe | None = None
    """How its effect is confirmed, in place of the fault's own way."""

    def target_role(self) -> str | None:
        """The role that it acts on, if it acts on one."""
        return None

    def is_sustained(self) -> bool:
        """Its effect lasts until it is removed."""
        return False

    def lasts_ns(self) -> int:
        """How long the step holds up the method when all goes as planned."""
        return 0

    def repeats(self) -> tuple[int, int]:
        """How often it is injected, and how long (ns) after one another."""
        return 1, 0

    def delay_ns(self) -> int | None:
        """By how much every round trip is to grow; None: that is not what the fault does."""
        return None


class SustainedStep(FaultStep):
    """A fault whose effect lasts until it is removed."""

    def is_sustained(self) -> bool:
        return True


class RoleStep(FaultStep):
    """A fault of one role."""

    role: str

    def target_role(self) -> str | None:
        return self.role


class OtherFaultStep(FaultStep):
    """A fault of a kind that an installed package adds; its own keys are checked by the package's `Spec`."""

    model_config = ConfigDict(extra="allow")

    def keys_of_its_own(self) -> dict[str, Any]:
        return dict(self.model_extra or {})

    def target_role(self) -> str | None:
        role = self.keys_of_its_own().get("role")
        return role if isinstance(role, str) else None


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


class EndingStep(RoleStep):
    """Ends a role."""

    restart: Restart | None = None
    """None: the role stays down until the fault is undone."""

    def is_sustained(self) -> bool:
        return self.restart is None

    def lasts_ns(self) -> int:
        return 0 if self.restart is None else self.restart.lasts_ns()
