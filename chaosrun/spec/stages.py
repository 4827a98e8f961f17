"""A load whose size changes by stages: how they are written, and when each begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, PlainSerializer, PlainValidator, Tag, WithJsonSchema

from chaosrun.plan import StagePlan
from chaosrun.spec import units
from chaosrun.spec.base import TAG, Broken, Duration, Model, Name, Span, problem


def _size(value: Any) -> int | float:
    """A number of clients, or (as a float) a share of them."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        share = units.ratio(value)
    except units.UnitError:
        share = -1.0
    if not 0 <= share <= 1:
        raise problem("clients", f"{value!r} is no number of clients; write 30, or a share of them from 0% to 100%")
    return share


LoadSize = Annotated[
    int | float,
    PlainValidator(_size),
    PlainSerializer(lambda size: f"{size:.6%}" if isinstance(size, float) else size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$", "examples": ["50%"]},
            ]
        }
    ),
]


class Stage(Model):
    """One stretch of a load: clients come or go at an even pace `over` a time until there are `to`, or all stay."""

    name: Name
    over: Duration | None = None
    to: LoadSize | None = None
    hold: Span | None = None

    def rules(self) -> Iterator[Broken]:
        if (self.over is None) != (self.to is None):
            yield Broken("`over` and `to` go together: `{over: 30s, to: 100%}`", ("over", "to"))
        if (self.over is None) == (self.hold is None) and self.to is None:
            yield Broken("a stage needs `over` and `to`, or `hold`", ("over", "hold"))
        if self.hold is not None and (self.over is not None or self.to is not None):
            yield Broken("`hold` keeps the clients that there are; take it out, or `over` and `to`", ("over", "hold"))


class StageAt(Model):
    """A time within the stages of the load."""

    stage: Name
    after: Duration = 0
    """So long after the stage began."""
    group: Name | None = None
    """Whose stage; None: that of the first group that has one of this name."""


def _at_kind(value: object) -> str:
    return TAG + ("stage" if isinstance(value, dict | StageAt) else "time")


At = Annotated[Annotated[StageAt, Tag(TAG + "stage")] | Annotated[Duration, Tag(TAG + "time")], Discriminator(_at_kind)]
"""Time since the method began, in ns, or a time within a stage."""


def stage_plans(stages: tuple[Stage, ...], clients: int) -> tuple[StagePlan, ...]:
    """The stages with their numbers of clients, where 100% are `clients`."""
    plans: list[StagePlan] = []
    for stage in stages:
        before = plans[-1].clients if plans else 0
        size = before if stage.to is None else stage.to
        number = round(size * clients) if isinstance(size, float) else size
        plans.append(StagePlan(name=stage.name, length_ns=stage.hold or stage.over or 0, clients=number))
    return tuple(plans)


def stage_problems(stages: tuple[Stage, ...], clients: int) -> Iterator[str]:
    """What is wrong with the stages of a group as a whole."""
    names = [stage.name for stage in stages]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        yield f"two stages are called {double!r}; give each a name of its own"
    plans = stage_plans(stages, clients)
    most = max(plan.clients for plan in plans)
    if most > clients:
        yield f"a stage has {most} clients, more than `clients` {clients}"
    elif most < clients:
        yield f"no stage has more than {most} of the {clients} clients; the others would never start"
    if not any(stage.hold for stage in stages):
        yield "no stage holds its clients, where the baseline begins; add one such as `{name: hold, hold: 1m}`"
    elif first_hold_ns(stages) is None:
        yield "the first stage that holds has no client to hold"


def first_hold_ns(stages: tuple[Stage, ...]) -> int | None:
    """When the first stage that holds clients begins, in ns after the ramp's start; None: none holds any.

    Where the first hold has no clients yet there is nothing to measure, and it counts as none.
    """
    plans = stage_plans(stages, 1_000_000)
    at = 0
    for stage, plan in zip(stages, plans, strict=True):
        if stage.hold is not None:
            return at if plan.clients else None
        at += plan.length_ns
    return None


def starts_ns(stages: tuple[Stage, ...]) -> dict[str, int]:
    """When each stage begins, by name, in ns after the ramp's start."""
    at, starts = 0, {}
    for stage in stages:
        starts[stage.name] = at
        at += stage.hold or stage.over or 0
    return starts
