"""What `stop_when` may say: a metric with its limit, or an address to ask, and how long or how much of it must burn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from chaosrun.spec.base import Broken, Count, Headers, Line, Many, MayHideSecret, Model, Share, Span
from chaosrun.spec.limit import Limit, Quantity
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.units import format_duration

MILLISECOND: Final = SECOND // 1000
SHORTEST: Final = SECOND
"""Of a window: there are five looks a second, and samples of roles once a second."""
_PART: Final = 12
"""The short window is a twelfth of the long one, as the SRE workbook (chapter 5) advises."""

_OF_METRICS: Final = ("group", "role", "stream", "request", "of", "below", "above")
_OF_HTTP: Final = ("expect", "headers", "every", "timeout", "failures")

Status = Annotated[int, Field(ge=100, le=599)]


def _statuses(value: Any) -> Any:
    """`status: 200` is short for `status: [200]`."""
    return [value] if isinstance(value, int) else value


class ExpectedAnswer(Model):
    """What an address must answer for all to be well."""

    status: Annotated[
        Many[Status],
        BeforeValidator(_statuses),
        WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
    ] = ()
    """A status or a list of them; none: any of 200 to 299."""
    contains: Annotated[str, Field(min_length=1)] | None = None
    """Text that must be in the body, which has at most 64 KiB."""
    lacks: Annotated[str, Field(min_length=1)] | None = None
    """Text that must not be in it."""


class Burn(Model):
    """A share of a long window and of a short one, in place of all of a time."""

    share: Share
    """Of the time beyond the limit; of `bad` without a limit, of the requests."""
    long: Span
    short: Span | None = None
    """None: a twelfth of `long`, and at least 1s."""

    @property
    def short_ns(self) -> int:
        return self.short if self.short is not None else max(SHORTEST, self.long // _PART)

    def rules(self) -> Iterator[Broken]:
        if self.share == 0:
            yield Broken("0% of a window always burns; write how much of it must, such as 20%", ("share",))
        if self.short is not None and self.short < SHORTEST:
            yield Broken(f"{format_duration(self.short)} is too short a window to be told of; at least 1s", ("short",))
        elif self.long <= self.short_ns:
            text = f"`long` must be longer than `short`, which is {format_duration(self.short_ns)}"
            yield Broken(text, ("long", "short"))


class Guard(Model):
    """Stops the run when a metric is beyond its limit, or an address does not answer as it should."""

    metric: str | None = None
    group: str | None = None
    role: str | None = None
    stream: str | None = None
    request: str | None = None
    of: Literal["machine"] | None = None
    below: Limit | None = None
    above: Limit | None = None
    for_: Annotated[Span | None, Field(alias="for")] = None
    """Throughout so long. None: 10s, unless `failures` or `burn` says what is asked."""
    burn: Burn | None = None
    """In place of `for`."""
    http: Annotated[Line, Field(pattern=r"^https?://"), MayHideSecret] | None = None
    """An address outside the run, in place of `metric`."""
    expect: ExpectedAnswer | None = None
    headers: Headers = Field(default_factory=dict)
    every: Span = SECOND
    """How often the address is asked."""
    timeout: Span = SECOND
    """Of one whole exchange."""
    failures: Count | None = None
    """So many in a row, instead of or beside `for`."""

    @property
    def for_ns(self) -> int:
        """How long it must burn throughout, where it is not for `burn` to say."""
        if self.for_ is not None:
            return self.for_
        return 0 if self.failures is not None else 10 * SECOND

    def rules(self) -> Iterator[Broken]:
        if (self.metric is None) == (self.http is None):
            yield Broken("a guard needs exactly one of `metric` and `http`", ("metric", "http"))
        elif self.metric is not None:
            yield from self._metric_rules(self.metric)
        else:
            yield from self._http_rules()
        if self.for_ is not None and self.burn is not None:
            yield Broken("`for` is throughout, `burn` is a share of the time; write one of them", ("for", "burn"))
        if self.failures is not None and self.burn is not None:
            yield Broken("`failures` in a row go with `for`, not with `burn`; write one of them", ("failures", "burn"))

    def _metric_rules(self, metric: str) -> Iterator[Broken]:
        of_requests = metric == "bad" and self.burn is not None
        if len(self.limits()) != 1 and not (of_requests and not self.limits()):
            yield Broken("a guard needs exactly one of `above` and `below`", ("above", "below", "metric", "burn"))
        for key in _OF_HTTP:
            if key in self.model_fields_set:
                yield Broken(f"`{key}` goes with `http`; take it out", (key, "metric"))

    def _http_rules(self) -> Iterator[Broken]:
        for key in _OF_METRICS:
            if getattr(self, key) is not None:
                yield Broken(f"`{key}` goes with `metric`; take it out", (key, "http"))
        if self.every < 100 * MILLISECOND:
            yield Broken(f"`every` {format_duration(self.every)} is too often; at least 100ms", ("every",))

    def limits(self) -> dict[str, Quantity]:
        """The limit by its key; there is one, or none."""
        return {key: limit for key in ("below", "above") if (limit := getattr(self, key)) is not None}
