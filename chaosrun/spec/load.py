"""The types of a steady state: groups of like clients, and the limits that hold while all is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    Tag,
    WithJsonSchema,
)

from chaosrun.spec import units
from chaosrun.spec.base import (
    TAG,
    Broken,
    Count,
    Duration,
    File,
    Headers,
    Line,
    Many,
    Model,
    Name,
    Rate,
    Size,
    Span,
    Title,
    problem,
)
from chaosrun.spec.connecting import Cookies, HttpProxyUrl, Sources, Tls, expand
from chaosrun.spec.http import HttpRequests, request_rules
from chaosrun.spec.limit import Criterion
from chaosrun.spec.protocol import SECOND, Protocol
from chaosrun.spec.stages import Stage, first_hold_ns, stage_problems

MILLISECOND = SECOND // 1000


class Heartbeat(Model):
    """A ping of the WebSocket protocol itself."""

    every: Span
    timeout: Span = 10 * SECOND


def _heartbeat(value: Any) -> Any:
    """`30s` is short for `{every: 30s}`."""
    return {"every": value} if isinstance(value, str) else value


class Ramp(Model):
    """How the clients of a group start: `start` of them at once, the rest at an even pace."""

    over: Duration | None = None
    """None: clients / 100 s, between 1 s and 30 s."""
    start: Count | None = None
    """None: 3 % of the clients, at least 1."""


class Reconnect(Model):
    """Backoff between attempts to connect again: min(max, first x factor^n), spread by the jitter."""

    first: Duration = 100 * MILLISECOND
    max: Span = 5 * SECOND
    factor: Annotated[float, Field(ge=1, le=1000)] = 2.0
    jitter: Literal["full", "equal", "none"] = "full"
    """full: uniform in [0, delay]; equal: in [delay/2, delay]; none: the delay itself."""
    seed: int = 1

    def rules(self) -> Iterator[Broken]:
        if self.first > self.max:
            text = f"`first` {units.format_duration(self.first)} is above `max` {units.format_duration(self.max)}"
            yield Broken(text, ("first", "max"))


class Channels(Model):
    """What the clients subscribe to: `per_client` names of the list each, dealt round."""

    list: Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=10_000)]
    per_client: Count = 1


class Accounts(Model):
    """A table of accounts, a row per client; its columns are `{account.COLUMN}`."""

    csv: Line
    exhausted: Literal["cycle", "fail"] = "cycle"
    """What happens when there are more clients than rows."""


def _requests(value: Any) -> float | None:
    if value is None or value == "none":
        return None
    try:
        return units.rate_per_s(value)
    except units.UnitError as error:
        raise problem("unit", str(error)) from None


Requests = Annotated[
    float | None,
    PlainValidator(_requests),
    PlainSerializer(lambda rate: "none" if rate is None else units.format_rate(rate)),
    WithJsonSchema({"type": "string", "pattern": r"^(none|[0-9].*/.*)$", "examples": ["1/s", "none"]}),
]


def _protocol_kind(value: object) -> str:
    return TAG + ("name" if isinstance(value, str) else "protocol")


ProtocolName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*(:[A-Za-z_][A-Za-z0-9_]*)?$")]
ProtocolOrName = Annotated[
    Annotated[Protocol, Tag(TAG + "protocol")] | Annotated[ProtocolName, Tag(TAG + "name")],
    Discriminator(_protocol_kind),
]


def _message(size: int) -> int:
    if size > 2**30:
        raise problem("size", f"{units.format_size(size)} is too much to take in at once; at most 1GiB")
    return size


_OF_SESSIONS: Final = {
    "connect_within": "is of clients that hold a connection, and pollers are judged by their requests alone",
    "heartbeat": "is a ping over a WebSocket, and pollers hold none",
    "reconnect": "is of clients that hold a connection; a poller connects when its next request is due",
    "channels": "are what clients subscribe to, and pollers ask each time",
    "read": "is how fast a connection is read on which messages come unasked",
    "transport": "chooses between WebSocket libraries, and pollers speak HTTP",
}
"""Keys of a group that mean nothing to pollers, and why."""


class Group(Model):
    """A group of like clients."""

    protocol: ProtocolOrName | None = None
    """A mapping in place, a YAML file, a built-in name such as `mt5`, or `package.module:Class`."""
    http: HttpRequests | None = None
    """In place of a protocol: what clients ask that hold no session, each request by itself."""
    clients: Count
    requests: Requests = None
    """Open-loop requests of one client; none: it only listens."""
    latency_limit: Span = 500 * MILLISECOND
    """A reply later than this is late, and its slot bad."""
    reply_timeout: Span | None = None
    """A reply later than this is lost. None: max(5 s, 10 x latency_limit)."""
    connect_within: Span = 5 * SECOND
    """How soon a client should be open after its planned start or an unplanned loss."""
    sentinels: Rate | None = None
    """Extra canaries of the whole group, round-robin over its clients."""
    heartbeat: Annotated[Heartbeat | None, BeforeValidator(_heartbeat)] = None
    ramp: Ramp = Ramp()
    stages: Annotated[Many[Stage], Field(max_length=100)] = ()
    """In place of a ramp: how the number of clients changes. Empty: a ramp, after which all stay."""
    reconnect: Reconnect = Reconnect()
    channels: Channels | None = None
    accounts: Accounts | None = None
    headers: Headers = Field(default_factory=dict)
    transport: Literal["picows", "websockets"] = "picows"
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that share the group's clients."""
    max_message: Annotated[Size, AfterValidator(_message)] = 2**20
    """The longest message that is taken; a longer one ends its connection."""
    open_timeout: Span = 30 * SECOND
    """How long one attempt to connect may take, handshake and opening conversation each."""
    tls: Tls | None = None
    """None: the system's trust store, and no certificate of their own."""
    cookies: Cookies | None = None
    """Sent in the handshake; a client keeps those that the service sets, and sends them when it connects again. None:
    nothing is sent or kept."""
    http_proxy: HttpProxyUrl | None = None
    """Asked for a tunnel to the service by CONNECT."""
    source_addresses: Sources | None = None
    """Addresses of this machine that the clients connect from, dealt round. None: the system chooses."""
    read: Rate | None = None
    """A slow reader: so many messages of each client at most, once it is open. None: as fast as they come."""

    def rules(self) -> Iterator[Broken]:
        yield from self._kind_rules()
        if self.reply_timeout is not None and self.reply_timeout < self.latency_limit:
            yield Broken(
                f"`reply_timeout` {units.format_duration(self.reply_timeout)} is below `latency_limit` "
                f"{units.format_duration(self.latency_limit)}; a reply would be lost before it is late",
                ("reply_timeout", "latency_limit"),
            )
        if self.stages:
            yield from self._staged()
        if self.ramp.start is not None and self.ramp.start > self.clients:
            yield Broken(f"`ramp.start` {self.ramp.start} is above `clients` {self.clients}", ("ramp", "clients"))
        if self.workers > self.clients:
            yield Broken(f"`workers` {self.workers} is above `clients` {self.clients}", ("workers", "clients"))
        if self.read is not None and self.requests is not None and self.read < self.requests:
            yield Broken(
                f"`read` {units.format_rate(self.read)} is below `requests` {units.format_rate(self.requests)}; "
                "replies would be read later and later, and no baseline would be steady",
                ("read", "requests"),
            )

    def _staged(self) -> Iterator[Broken]:
        for text in stage_problems(self.stages, self.clients):
            yield Broken(text, ("stages", "clients"))
        if "ramp" in self.model_fields_set:
            yield Broken(
                "`ramp` and `stages` exclude each other; a ramp is a stage with `over` and `to`", ("ramp", "stages")
            )
        if self.sentinels is not None:
            text = "`sentinels` go round all clients, and with `stages` not all are always there; give more `requests`"
            yield Broken(text, ("sentinels", "stages"))

    def _kind_rules(self) -> Iterator[Broken]:
        if (self.protocol is None) == (self.http is None):
            yield Broken("a group needs exactly one of `protocol` and `http`", ("protocol", "http"))
        elif self.http is not None:
            yield from request_rules(self.http)
            if self.requests is None:
                yield Broken("pollers need a pace; write for example `requests: 1/2s`", ("requests",))
            for key, why in _OF_SESSIONS.items():
                if key in self.model_fields_set:
                    yield Broken(f"`{key}` {why}; take it out, or write `protocol` in place of `http`", (key, "http"))

    def reply_timeout_ns(self) -> int:
        """The reply time-out G with its default, in ns."""
        return self.reply_timeout if self.reply_timeout is not None else max(5 * SECOND, 10 * self.latency_limit)

    def ramp_over_ns(self) -> int:
        """The ramp's length with its default, in ns; with stages, until the first that holds."""
        if self.stages:
            return first_hold_ns(self.stages) or 0
        if self.ramp.over is not None:
            return self.ramp.over
        return min(max(self.clients * SECOND // 100, SECOND), 30 * SECOND)

    def ramp_start(self) -> int:
        """How many clients start at once, with the default."""
        return self.ramp.start if self.ramp.start is not None else max(1, round(self.clients * 0.03))

    def sources(self) -> tuple[str, ...]:
        """Every address that the clients connect from; empty: the system chooses."""
        return expand(self.source_addresses or ())

    def events_per_s(self) -> float:
        """Due events of the whole group per second that the request indicator sees: requests and sentinels."""
        return self.clients * (self.requests or 0.0) + (self.sentinels or 0.0)


class SteadyState(File):
    """Load, and what is true of it while all is well."""

    title: Title = ""
    load: Annotated[dict[Name, Group], Field(min_length=1, max_length=100)]
    hypothesis: Many[Criterion] = ()
    """Judged in the baseline and again in `verify`, unless a criterion says otherwise."""
