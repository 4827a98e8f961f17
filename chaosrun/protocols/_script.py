"""A user who plays a script: says something, waits for its answer, thinks, and goes on. Sans I/O, as all of a protocol.

A step is due when the user has thought; its response counts from there. What is asked next depends on what was answered
before, so that a slow service is asked less: closed loop, as its users are. Loads that must not depend on the service
use `requests`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chaosrun.protocols._base import Sink
from chaosrun.protocols._pattern import NO_VIEW, Pattern
from chaosrun.protocols._speech import Speech, Values
from chaosrun.protocols._template import Template


@dataclass(frozen=True, slots=True)
class ScriptStep:
    name: str
    send: Template | None
    expect: Pattern | None
    which: int | None
    """Its number among what is asked and measured; None: nothing is sent that has an answer."""
    within_ns: int
    think_ns: int
    """How long the user waits before it."""


@dataclass(frozen=True, slots=True)
class Script:
    steps: tuple[ScriptStep, ...]
    repeat: int
    leaves: bool
    """When it is over, the user leaves."""
    returns: bool
    """And connects again to begin anew."""


Say = Callable[[Template, Values], bool]
"""Sends a message; False: it could not be sent."""
Capture = Callable[[Pattern, Any], bool]


class Player:
    """The script on one connection, once that is open. It keeps nothing of whom it plays for, and is told each time how
    to speak: in a circle, users who have left would be in memory until the collector stops everybody to find them."""

    __slots__ = ("_done", "_expected", "_script", "_sent", "_sink", "_speech", "_token", "at", "by")

    def __init__(self, script: Script, sink: Sink, speech: Speech) -> None:
        self.at: int | None = None
        """When the next step is due."""
        self.by: int | None = None
        """When the answer to the last step must have come."""
        self._script = script
        self._sink = sink
        self._speech = speech
        self._done = 0
        """Steps that are behind."""
        self._expected: ScriptStep | None = None
        """The step whose answer is awaited."""
        self._token: int | None = None
        self._sent: Values = {}

    def begin(self) -> None:
        self._plan(self._speech.now)

    def wake(self, say: Say) -> None:
        """Do what is due by now."""
        now = self._speech.now
        if self.by is not None and now >= self.by:
            assert self._expected is not None
            self.by = None
            self._sink.failed(f"deadline: no answer to step {self._expected.name} of the script in time")
        elif self.at is not None and now >= self.at:
            self._take(self.at, say)

    def asked(self, token: int, say: Say) -> bool:
        """Send the step that is due as request `token`; False: it could not be sent."""
        self._speech.token = token
        step = self._expected
        assert step is not None and step.send is not None
        sent = say(step.send, self._sent)
        self._token = token if sent else None
        return sent

    def hears(self, message: Any, capture: Capture) -> bool:
        """Whether the message is the answer that is awaited; then the script goes on."""
        step = self._expected
        if step is None or step.expect is None:
            return False
        view = step.expect.view(message)
        sent = self._sent if self._token is None else self._sent | {"id": self._token}
        if view is NO_VIEW or not step.expect.echoes(view, self._speech.echo(sent)):
            return False
        capture(step.expect, view)
        self._answered(ok=True)
        return True

    def erred(self) -> bool:
        """An error answers the step that is awaited, if it asked anything; False: it does not."""
        if self._token is None:
            return False
        self._answered(ok=False)
        return True

    def stop(self) -> None:
        """Nothing more of it: the connection is about to end."""
        self.at = self.by = self._expected = None

    # ---- inside

    def _plan(self, since: int) -> None:
        script = self._script
        if self._done == script.repeat * len(script.steps):
            if script.leaves:
                self._sink.done(script.returns)
        else:
            self.at = since + self._next().think_ns

    def _next(self) -> ScriptStep:
        return self._script.steps[self._done % len(self._script.steps)]

    def _take(self, due: int, say: Say) -> None:
        step = self._next()
        self.at = None
        self._done += 1
        self._sent = {}
        if step.expect is None:
            assert step.send is not None
            say(step.send, self._sent)
            self._plan(due)  # nothing is waited for, so that a late one does not put off those that follow
            return
        self._expected = step
        self.by = self._speech.now + step.within_ns
        if step.which is not None:
            self._sink.ask(step.which, due)

    def _answered(self, *, ok: bool) -> None:
        token, self._token, self._expected, self.by = self._token, None, None, None
        if token is not None:
            self._sink.replied(token, ok)
        self._plan(self._speech.now)
