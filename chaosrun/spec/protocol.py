"""The types of a protocol in YAML: the conversation after a connect, requests and replies, and pushed streams.

Templates (`send`) and patterns (`expect`, `reply`, `match`) are kept as the YAML has them: mappings, lists and
scalars, with `Secret` for substituted secrets. What they mean is `protocols/yaml.py`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from chaosrun.spec.base import (
    SHOWN,
    TAG,
    Broken,
    Count,
    File,
    Headers,
    Json,
    Line,
    Many,
    MayHideSecret,
    Model,
    Name,
    Span,
    Text,
    Title,
)
from chaosrun.spec.session import WITHIN_NS, Replay, Session, Turn, replay_of

SECOND = 1_000_000_000
_MOST_TURNS = 1000
"""Of a round in which every request has as many turns as its weight says."""


class Exchange(Model):
    """One step of the opening or closing conversation; `send` or `expect` may stand alone."""

    send: Json = None
    expect: Json = None
    within: Span = WITHIN_NS
    """How long the step may take."""

    def rules(self) -> Iterator[Broken]:
        if self.send is None and self.expect is None:
            yield Broken("a step needs `send`, `expect` or both", ("send", "expect"))


class Request(Model):
    """A request of the open-loop load, and the reply that is its own."""

    name: Name = "request"
    weight: Count = 1
    """Its share of all requests, relative to the other weights."""
    send: Json
    reply: Json


class SeqRange(Model):
    """Two fields that name the first and the last number of a message that carries several."""

    first: str
    last: str


class SeqAt(Model):
    """A number at a fixed place of a binary message."""

    at: Annotated[int, Field(ge=0, le=2**30)]
    """Offset in bytes."""
    size: Literal[1, 2, 4, 8]
    endian: Literal["big", "little"] = "big"


def _seq_kind(value: object) -> str:
    if isinstance(value, SeqRange) or (isinstance(value, dict) and ("first" in value or "last" in value)):
        return TAG + "range"
    if isinstance(value, SeqAt | dict):
        return TAG + "at"
    return TAG + "field"


Seq = Annotated[
    Annotated[str, Tag(TAG + "field")] | Annotated[SeqRange, Tag(TAG + "range")] | Annotated[SeqAt, Tag(TAG + "at")],
    Discriminator(_seq_kind),
]


class SentAt(Model):
    """The field in which the server says when it sent a message."""

    field: str
    unit: Literal["s", "ms", "us", "ns"] = "ms"
    clock: Literal["unix", "monotonic"] = "unix"


class Stream(Model):
    """How one kind of pushed message is recognised, numbered and judged."""

    match: Json
    channel: str | None = None
    """Path of the field that names the channel; none: one channel per connection."""
    seq: Seq | None = None
    """Path of the number; none: the messages are not numbered."""
    order: Literal["contiguous", "increasing", "none"] = "contiguous"
    first_seq: int = 1
    """Where the numbering of a new epoch starts."""
    head: str | None = None
    """Path, in the reply to the subscription, of the newest number published before it."""
    scope: Literal["channel", "client", "connection"] = "channel"
    epoch: str | None = None
    """Path of the field that changes when the numbering starts again."""
    sent_at: SentAt | None = None
    require: Many[str] = ()
    """Paths that must be present, or the message is malformed."""
    stale_after: Span | None = None
    """None: max(1 s, 3 x the longest gap of the baseline)."""


class Answer(Model):
    """What the server may ask at any time, and what it is answered."""

    match: Json
    send: Json


class Keepalive(Model):
    """An application-level heartbeat that the protocol asks of its clients."""

    every: Span
    send: Json
    expect: Json = None
    within: Span = WITHIN_NS


class Resume(Model):
    """How a client that returns asks for what it missed, where the server promises it."""

    send: Json
    expect: Json = None
    within: Span = WITHIN_NS


class HighWater(Model):
    """The question that ends a run: what is the newest number that was published?"""

    send: Json
    reply: Json
    seq: str
    stream: Name | None = None
    """Whose newest number it is; None: that of the only stream with numbers."""
    channel: str | None = None
    epoch: str | None = None


class ErrorReply(Model):
    """What an error looks like; a request's own reply wins over it."""

    match: Json


class Protocol(File):
    """A whole protocol: in place, or a file of its own."""

    title: Title = ""
    path: Annotated[Line, MayHideSecret, SHOWN] | None = None
    """Replaces the path of the target's URL."""
    query: dict[str, Text] = Field(default_factory=dict)
    headers: Headers = Field(default_factory=dict)
    subprotocols: Many[Line] = ()
    encoding: Literal["json", "text", "binary"] = "json"
    frame: Literal["text", "binary"] | None = None
    """The opcode; none: binary where the encoding is, text otherwise."""
    open: Many[Exchange] = ()
    """The conversation after every connect; the client is open when it is complete."""
    request: Request | None = None
    requests: Annotated[Many[Request], Field(max_length=100)] = ()
    session: Session | None = None
    """What a user does once it is open. None: nothing but the requests of its group."""
    stream: Stream | None = None
    streams: dict[Name, Stream] = Field(default_factory=dict, max_length=100)
    answer: Many[Answer] = ()
    keepalive: Keepalive | None = None
    ignore: Many[Json] = ()
    resume: Resume | None = None
    high_water: HighWater | None = None
    error: ErrorReply | None = None
    close: Many[Exchange] = ()
    split: Annotated[str, Field(min_length=1)] | None = None
    """What separates several messages in a frame, or one message across frames."""
    json_: Annotated[Many[str], Field(alias="json")] = ()
    """Named groups of a text match that hold JSON themselves."""
    replay: Annotated[Replay | None, BeforeValidator(replay_of)] = None
    """A captured session that is played in place of a script."""

    def rules(self) -> Iterator[Broken]:
        if self.request is not None and self.requests:
            text = "`request` and `requests` exclude each other; put all of them in `requests`"
            yield Broken(text, ("request", "requests"))
        if self.stream is not None and self.streams:
            text = "`stream` and `streams` exclude each other; put all of them in `streams`"
            yield Broken(text, ("stream", "streams"))
        if self.session is not None and self.replay is not None:
            yield Broken("`session` and `replay` exclude each other; one user plays one script", ("session", "replay"))
        names = [request.name for request in self.all_requests()]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            yield Broken(f"two requests are called {double!r}; give each a `name` of its own", ("requests",))
        both = next((turn.name for turn in self.asking_turns() if turn.name in names), None)
        if both is not None:
            text = f"a request and a step of the session are called {both!r}; give each a `name` of its own"
            yield Broken(text, ("requests", "session"))
        yield from self._high_water_rules()
        total = sum(request.weight for request in self.requests)
        if total > _MOST_TURNS:
            text = f"the weights add up to {total}; at most {_MOST_TURNS}: write smaller ones in the same proportion"
            yield Broken(text, ("requests",))

    def _high_water_rules(self) -> Iterator[Broken]:
        if self.high_water is None:
            return
        numbered = [name for name, stream in self.all_streams().items() if stream.seq is not None]
        named = self.high_water.stream
        if named is not None and named not in numbered:
            text = f"`high_water.stream` is {named!r}; streams with numbers: {', '.join(numbered) or 'none'}"
            yield Broken(text, ("high_water", "streams"))
        elif named is None and len(numbered) > 1:
            text = f"several streams have numbers; say by `stream` whose newest it tells: {', '.join(numbered)}"
            yield Broken(text, ("high_water", "streams"))

    def all_requests(self) -> tuple[Request, ...]:
        """The requests, whichever key they were written under."""
        return (self.request,) if self.request is not None else self.requests

    def turns(self) -> tuple[Turn, ...]:
        """The steps of the script."""
        return () if self.session is None else self.session.steps

    def asking_turns(self) -> tuple[Turn, ...]:
        """Those that ask something and await its answer, which is measured."""
        return tuple(turn for turn in self.turns() if turn.send is not None and turn.expect is not None)

    def all_streams(self) -> dict[str, Stream]:
        """The streams by name, whichever key they were written under; the only one of `stream` is `stream`."""
        return {"stream": self.stream} if self.stream is not None else dict(self.streams)
