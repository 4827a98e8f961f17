"""The types of what a scripted user does once its session is open, in steps of its own or as captured in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Count, Duration, Json, Line, Many, Model, Name, Span

WITHIN_NS = 5_000_000_000

Then = Literal["stay", "close", "reconnect"]


class Turn(Model):
    """One step of a script: something is said, and its answer awaited; either may stand alone."""

    name: Name = "step"
    send: Json = None
    expect: Json = None
    within: Span = WITHIN_NS
    """How long the answer may take; without it by then the connection is given up."""
    think: Duration | None = None
    """How long the user waits before the step; None: as long as before every step."""

    def rules(self) -> Iterator[Broken]:
        if self.send is None and self.expect is None:
            yield Broken("a step needs `send`, `expect` or both", ("send", "expect"))


class Session(Model):
    """What a user does on an open connection: closed loop, each step after the one before is done."""

    steps: Many[Turn]
    repeat: Count = 1
    """How often the steps are gone through."""
    think: Duration = 0
    """How long the user waits before each step."""
    then: Then = "stay"
    """stay: connected and silent, or with the requests of the group; close: it leaves for good; reconnect: it leaves,
    connects again and begins anew."""

    def rules(self) -> Iterator[Broken]:
        if not self.steps:
            yield Broken("`steps` is empty; at least one is needed", ("steps",))
        names = [step.name for step in self.steps if step.expect is not None]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            text = f"two steps with an answer are called {double!r}; give each a `name` of its own"
            yield Broken(text, ("steps",))


class Replay(Model):
    """A session that a browser captured, as an HTTP Archive with WebSocket messages."""

    har: Line
    """The file; relative to the one that names it."""
    url: str | None = None
    """What the address of the captured connection contains; None: there is only one."""
    replace: dict[str, str] = Field(default_factory=dict)
    """What stands in place of captured texts, placeholders and all: `{captured-token: "{account.token}"}`."""
    repeat: Count = 1
    then: Then = "stay"


def replay_of(value: Any) -> Any:
    """`session.har` is short for `{har: session.har}`."""
    return {"har": value} if isinstance(value, str) else value
