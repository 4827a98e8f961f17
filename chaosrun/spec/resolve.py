"""Load groups with every default and every `auto` resolved, as section 2 of docs/measurement.md defines them."""

from __future__ import annotations

from chaosrun.errors import UsageError
from chaosrun.plan import GroupPlan, HeartbeatPlan, ReconnectPlan, StreamPlan
from chaosrun.scoring.pacing import auto_tolerance
from chaosrun.spec import units
from chaosrun.spec.catalogue import Catalogue, Shape
from chaosrun.spec.model import Group, Protocol, Recovery, Stream
from chaosrun.spec.protocol import SECOND
from chaosrun.spec.replay import played
from chaosrun.spec.stages import stage_plans

LISTENING_WINDOW_NS = 2 * SECOND
"""Event window of a group that has no requests to judge."""


def shape_of(group: Group, catalogue: Catalogue) -> Shape:
    """What a group asks, and what it listens to.

    Raises:
        UsageError: there is no protocol of that name, or none at all.
    """
    if group.http is not None:
        return Shape(tuple(request.called() for request in group.http), ())
    if isinstance(group.protocol, Protocol):
        protocol = played(group.protocol)
        requests = tuple(request.name for request in protocol.all_requests())
        resumes = protocol.resume is not None
        streams = protocol.all_streams().items()
        steps = tuple(turn.name for turn in protocol.asking_turns())
        return Shape(requests, tuple(_stream_plan(name, stream, resumes) for name, stream in streams), steps)
    if group.protocol is None:
        raise UsageError("neither a protocol nor requests by HTTP")
    return catalogue.protocol(group.protocol)


def group_plan(name: str, group: Group, recovery: Recovery, shape: Shape) -> GroupPlan:
    """One load group with its tolerance; section 2 of docs/measurement.md."""
    tolerated, window_ns = tolerance(group, recovery)
    return GroupPlan(
        name=name,
        clients=group.clients,
        kind="websocket" if group.http is None else "http",
        period_ns=units.period_ns(group.requests) if group.requests else None,
        requests=(*shape.requests, *shape.steps),
        scripted=bool(shape.steps),
        latency_limit_ns=group.latency_limit,
        reply_timeout_ns=group.reply_timeout_ns(),
        connect_within_ns=group.connect_within,
        ramp_over_ns=group.ramp_over_ns(),
        ramp_start=group.ramp_start(),
        stages=stage_plans(group.stages, group.clients),
        sentinel_period_ns=units.period_ns(group.sentinels) if group.sentinels else None,
        streams=shape.streams,
        tolerate_sessions=recovery.tolerate.sessions,
        tolerate_requests=tolerated,
        tolerate_pushes=recovery.tolerate.pushes,
        window_ns=window_ns,
        heartbeat=_heartbeat(group),
        reconnect=_reconnect(group),
        takes_any_certificate=group.tls is not None and not group.tls.verify,
    )


def _reconnect(group: Group) -> ReconnectPlan | None:
    if group.http is not None:
        return None
    return ReconnectPlan(first_ns=group.reconnect.first, max_ns=group.reconnect.max, jitter=group.reconnect.jitter)


def _heartbeat(group: Group) -> HeartbeatPlan | None:
    if group.heartbeat is None:
        return None
    return HeartbeatPlan(every_ns=group.heartbeat.every, timeout_ns=group.heartbeat.timeout)


def tolerance(group: Group, recovery: Recovery) -> tuple[float, int]:
    """Tolerated bad fraction of requests and event window W in ns, with `auto` resolved for the group's rate."""
    rate = group.events_per_s()
    asked, window = recovery.tolerate.requests, recovery.window
    if not rate:
        share = Recovery().tolerate.sessions if isinstance(asked, str) else asked
        return share, LISTENING_WINDOW_NS if isinstance(window, str) else window
    tolerated, auto_window = auto_tolerance(group.clients, rate / group.clients)
    if not isinstance(asked, str):
        tolerated = asked
        # W = max(2 s, 6 / (l N rate)); a share of 0 tolerates nothing in a window of any length
        needed = round(6 * SECOND / (asked * rate)) if asked else 0
        auto_window = max(LISTENING_WINDOW_NS, needed)
    return tolerated, auto_window if isinstance(window, str) else window


def _stream_plan(name: str, stream: Stream, resumes: bool) -> StreamPlan:
    return StreamPlan(
        name=name,
        order=stream.order if stream.seq is not None else "none",
        scope=stream.scope,
        first_seq=stream.first_seq,
        has_epoch=stream.epoch is not None,
        resumes=resumes,
        has_sent_at=stream.sent_at is not None,
        stale_after_ns=stream.stale_after,
    )
