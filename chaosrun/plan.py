"""What a run sets out to do: its groups, criteria and faults, with every default and `auto` resolved, and no secret.

Written as part of the journal's first line, and read by the load, by scoring and by whoever reads the run again.
All times are integer nanoseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

GroupKind = Literal["websocket", "http"]
Order = Literal["contiguous", "increasing", "none"]
Scope = Literal["channel", "client", "connection"]
Source = Literal["hypothesis", "expect", "recovery"]


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of pushed message is numbered and judged."""

    name: str = "stream"
    order: Order = "contiguous"
    scope: Scope = "channel"
    first_seq: int = 1
    has_epoch: bool = False
    """Messages name the epoch (boot) of their numbering; without it a loss across a restart is unaccountable."""
    resumes: bool = False
    """The protocol promises what was missed while away, so that numbers missing across a reconnect are lost."""
    has_sent_at: bool = False
    stale_after_ns: int | None = None
    """None: max(1 s, 3 x the longest gap of the baseline)."""


class HeartbeatPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How clients look after their connections: a ping so often, and dead if it is not answered in time."""

    every_ns: int
    timeout_ns: int


class ReconnectPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How clients wait before they connect again: min(max, first x factor^n), spread by the jitter."""

    first_ns: int
    max_ns: int
    jitter: Literal["full", "equal", "none"]


class StagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a load whose size changes: the number of clients goes evenly to `clients` within `length_ns`."""

    name: str
    length_ns: int
    clients: int
    """How many are admitted at its end; as many as before: they are held."""


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A group of like clients, with every default and `auto` resolved."""

    name: str
    clients: int
    kind: GroupKind = "websocket"
    period_ns: int | None = None
    """Request period P of one client; None: the group only listens."""
    requests: tuple[str, ...] = ("request",)
    """Their names, those of the steps of a script last."""
    scripted: bool = False
    """Clients play a script: what they ask in it is due when they come to it."""
    latency_limit_ns: int = 500_000_000
    reply_timeout_ns: int = 5_000_000_000
    connect_within_ns: int = 5_000_000_000
    ramp_over_ns: int = 1_000_000_000
    """How long the clients take to be admitted; with stages, until the first one that holds them."""
    ramp_start: int = 1
    """Clients whose planned start is the first instant of the ramp; the others follow at an even pace."""
    stages: tuple[StagePlan, ...] = ()
    """From no client on, one after another, in place of the ramp; the last number stays. Empty: a ramp."""
    sentinel_period_ns: int | None = None
    """One sentinel of the whole group each so often, round-robin over its clients, from the baseline on."""
    streams: tuple[StreamPlan, ...] = ()
    tolerate_sessions: float = 0.01
    tolerate_requests: float = 0.01
    tolerate_pushes: float = 0.01
    window_ns: int = 2_000_000_000
    """Event window W of the request indicator."""
    heartbeat: HeartbeatPlan | None = None
    """None: no pings, or recorded before they were part of the plan."""
    reconnect: ReconnectPlan | None = None
    """None: recorded before it was part of the plan."""
    takes_any_certificate: bool = False
    """Nobody looks whether the service is whom its address names (`tls: {verify: false}`)."""

    @property
    def has_requests(self) -> bool:
        """Something is asked, open loop or by a script, and its answers are measured."""
        return self.period_ns is not None or self.scripted


class RecoveryPlan(msgspec.Struct, frozen=True, kw_only=True):
    within_ns: int | None = None
    stable_for_ns: int = 5_000_000_000
    no_relapse: bool = False


class CriterionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One limit on one metric in one window. Limits are in SI base units: seconds, ratios of 1, bytes, counts, 1/s."""

    name: str
    metric: str
    window: str
    source: Source = "expect"
    group: str | None = None
    role: str | None = None
    stream: str | None = None
    request: str | None = None
    of_machine: bool = False
    min: float | None = None
    max: float | None = None
    target: float | None = None
    warning: float | None = None
    critical: float | None = None
    percent: bool = False
    """The limit was written as a share, for metrics that are a count or a share of their denominator."""
    written: str = ""
    """The limit as the user wrote it, for people."""
    where: str = ""
    """file:line of the criterion, for annotations."""


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the method as scoring needs it."""

    id: str
    name: str
    kind: str
    role: str | None = None
    sustained: bool = False
    reaches_server: bool = True
    """The fault reaches both the fleet and the prober, so that their first detections must agree."""
    delay_ns: int | None = None
    """By how much the fault is to lengthen every round trip; None: that is not what it does."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the run set out to do, without a secret in it."""

    groups: tuple[GroupPlan, ...]
    recovery: RecoveryPlan = RecoveryPlan()
    criteria: tuple[CriterionPlan, ...] = ()
    faults: tuple[FaultPlan, ...] = ()
    """Empty: a load test, where false criteria of the baseline fail the run."""
    phases_ns: dict[str, int] = {}
    """Planned lengths of warmup, baseline, recovery (its time-out), after and verify."""
    max_duration_ns: int | None = None
