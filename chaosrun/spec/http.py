"""The types of what HTTP pollers ask, and of what they expect to be answered.

Placeholders may stand in the path, the query, the headers and the body; what they mean is `protocols/_polling.py`'s
to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from chaosrun.spec.base import (
    SHOWN,
    Broken,
    Count,
    Headers,
    Json,
    Line,
    Many,
    MayHideSecret,
    Model,
    Text,
    Title,
    problem,
)

_CLASS: Final = re.compile(r"[2-5]xx")
_MOST_TURNS: Final = 1000
"""Of a round in which every request has as many turns as its weight says."""
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_WITHOUT_BODY: Final = ("GET", "HEAD")


def _statuses(value: Any) -> tuple[int | str, ...]:
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    for each in given:
        known = _CLASS.fullmatch(each) if isinstance(each, str) else type(each) is int and 200 <= each <= 599
        if not known:
            raise problem("status", f"{each!r} is no status; write 200, 2xx, or a list of them: [200, 304]")
    if not given:
        raise problem("status", "is empty; write 200, 2xx, or a list of them: [200, 304]")
    return given


def _as_written(statuses: Sequence[int | str]) -> Any:
    return statuses[0] if len(statuses) == 1 else list(statuses)


_ONE_STATUS: Final = {
    "anyOf": [{"type": "integer", "minimum": 200, "maximum": 599}, {"type": "string", "pattern": "^[2-5]xx$"}]
}
Statuses = Annotated[
    tuple[int | str, ...],
    PlainValidator(_statuses),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": [*_ONE_STATUS["anyOf"], {"type": "array", "items": _ONE_STATUS, "minItems": 1}]}),
]


class HttpExpect(Model):
    """What an answer must be, or it is an error."""

    status: Statuses = ("2xx",)
    """A status, a class such as `2xx`, or a list of them."""
    keys: Many[Annotated[Line, Field(min_length=1)]] = ()
    """Paths that must be in the JSON of the body."""
    match: Annotated[dict[str, Json] | None, Field(min_length=1)] = None
    """Values that the JSON of the body must have at their paths; other fields are allowed."""


class HttpRequest(Model):
    """One of the requests that a group of pollers sends."""

    name: Annotated[Title, Field(min_length=1)] | None = None
    """None: its method and path."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    path: Annotated[Line, Field(pattern=r"^/"), MayHideSecret, SHOWN]
    """Replaces the path of the target's URL."""
    query: dict[str, Text] = Field(default_factory=dict)
    headers: Headers = Field(default_factory=dict)
    json_: Annotated[Json, Field(alias="json")] = None
    """The body, as JSON."""
    text: Text | None = None
    """The body, as it is."""
    weight: Count = 1
    """Its share of all requests, relative to the other weights."""
    expect: HttpExpect = HttpExpect()

    def rules(self) -> Iterator[Broken]:
        has_body = self.json_ is not None or self.text is not None
        if self.json_ is not None and self.text is not None:
            yield Broken("a request has one body; write `json` or `text`", ("json", "text"))
        if has_body and self.method in _WITHOUT_BODY:
            yield Broken(f"a {self.method} has no body; write `method: POST`", ("method", "json", "text"))
        wants_body = self.expect.keys or self.expect.match is not None
        if wants_body and self.method == "HEAD":
            yield Broken("the answer to a HEAD has no body; take `keys` and `match` out", ("method", "expect"))

    @property
    def is_safe(self) -> bool:
        """It changes nothing (RFC 9110 9.2.1)."""
        return self.method in _SAFE

    def called(self) -> str:
        """Its name, with `***` for a secret in the path that it is made of."""
        return self.name if self.name is not None else f"{self.method} {self.path}"


HttpRequests = Annotated[Many[HttpRequest], Field(min_length=1, max_length=100)]


class Polls(Model):
    """The requests of one group, for `wire()`."""

    http: HttpRequests


def request_rules(requests: Sequence[HttpRequest]) -> Iterator[Broken]:
    """What is wrong with the requests of one group among themselves."""
    names = Counter(request.called() for request in requests)
    double = next((name for name, count in names.items() if count > 1), None)
    if double is not None:
        yield Broken(f"two requests are called {double!r}; give each a `name` of its own", ("http",))
    total = sum(request.weight for request in requests)
    if total > _MOST_TURNS:
        text = f"the weights add up to {total}; at most {_MOST_TURNS}: write smaller ones in the same proportion"
        yield Broken(text, ("http",))
