"""Faults by somebody else's means: a switch of the service, a program, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from chaosrun.spec.base import Broken, Headers, Json, Line, Many, MayHideSecret, Model, Span, Text
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.secret import Secret, Veiled
from chaosrun.spec.steps.base import FaultStep


class NoopStep(FaultStep):
    """The control experiment: nothing happens. With `for` it stands that long, as a fault that lasts would."""

    fault: Literal["noop"]

    def is_sustained(self) -> bool:
        return self.for_ is not None


class HttpCall(Model):
    """One request to a switch: to an address of its own, or to a path of the role's, else the target's."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: Annotated[Line, Field(pattern=r"^/"), MayHideSecret] | None = None
    """Of the role's `admin` address, or without one of the target's own."""
    url: Annotated[Line, Field(pattern=r"^https?://"), MayHideSecret] | None = None
    json_: Annotated[Json, Field(alias="json")] = None
    """The body."""
    headers: Headers = Field(default_factory=dict)

    def rules(self) -> Iterator[Broken]:
        if (self.path is None) == (self.url is None):
            yield Broken("needs exactly one of `path` and `url`", ("path", "url"))


class HttpStep(FaultStep):
    """A switch that the service itself offers."""

    fault: Literal["http"]
    role: str | None = None
    send: HttpCall
    undo: HttpCall | None = None
    """The request that takes back what `send` did; required unless `permanent`."""
    permanent: bool = False
    """What it does is to stay."""

    def rules(self) -> Iterator[Broken]:
        yield from _undo_rules(given=self.undo is not None, permanent=self.permanent)
        back = self.undo
        if back is not None and _is_secret([back.json_, back.headers, back.path, back.url]):
            yield Broken(f"{_IN_THE_OPEN}; let a `command` send it", ("undo",))

    def target_role(self) -> str | None:
        return self.role

    def is_sustained(self) -> bool:
        return not self.permanent


class CommandStep(FaultStep):
    """Any program, and the one that takes back what it did."""

    fault: Literal["command"]
    run: Annotated[Many[Text], Field(min_length=1)]
    """Program and arguments; for a shell, write one: `[sh, -c, "..."]`."""
    undo: Many[Text] = ()
    """Program and arguments that take back what `run` did; required unless `permanent`."""
    permanent: bool = False
    """What it does is to stay."""
    timeout: Span = 30 * SECOND
    """Each of the two is killed after so long."""
    cwd: Line | None = None
    """Working directory of both."""

    def rules(self) -> Iterator[Broken]:
        yield from _undo_rules(given=bool(self.undo), permanent=self.permanent)
        if _is_secret(list(self.undo)):
            yield Broken(f"{_IN_THE_OPEN}; let the program read it from its environment or from a file", ("undo",))

    def is_sustained(self) -> bool:
        return not self.permanent

    def lasts_ns(self) -> int:
        return self.timeout


_IN_THE_OPEN = "`undo` holds a secret, and it is written down so that the fault can be undone after a crash"


def _undo_rules(*, given: bool, permanent: bool) -> Iterator[Broken]:
    if not given and not permanent:
        yield Broken("needs `undo`, or `permanent: true` if what it does is to stay", ("undo", "permanent"))
    if given and permanent:
        yield Broken("`permanent: true` means that nothing is undone; take it or `undo` out", ("undo", "permanent"))


def _is_secret(value: object) -> bool:
    """Whether there is a secret anywhere in it."""
    if isinstance(value, dict):
        return any(map(_is_secret, value.values()))
    if isinstance(value, list):
        return any(map(_is_secret, value))
    return isinstance(value, Secret | Veiled)
