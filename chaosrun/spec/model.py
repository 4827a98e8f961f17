"""The types of an experiment, and through it every type of the YAML; see docs/experiment-format.md."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from chaosrun.spec.base import TAG, Duration, File, Json, Many, Model, Name, Share, Span, Title
from chaosrun.spec.fleet import Fleet
from chaosrun.spec.guard import Guard
from chaosrun.spec.http import HttpExpect, HttpRequest
from chaosrun.spec.limit import Criterion, Limit, Measured, Quantity
from chaosrun.spec.load import Accounts, Channels, Group, Heartbeat, Ramp, Reconnect, SteadyState
from chaosrun.spec.protocol import (
    SECOND,
    Answer,
    ErrorReply,
    Exchange,
    HighWater,
    Keepalive,
    Protocol,
    Request,
    Resume,
    SentAt,
    SeqAt,
    SeqRange,
    Stream,
)
from chaosrun.spec.ready import Probe, Ready
from chaosrun.spec.secret import Secret, reveal
from chaosrun.spec.steps import (
    FaultStep,
    NoopStep,
    OtherFaultStep,
    ParallelStep,
    PauseStep,
    ProcessKillStep,
    Restart,
    Step,
)
from chaosrun.spec.target import Prober, ProcessSelector, Role, Target

__all__ = [
    "Accounts",
    "Answer",
    "Channels",
    "Criterion",
    "ErrorReply",
    "Exchange",
    "Experiment",
    "FaultStep",
    "Group",
    "Guard",
    "Heartbeat",
    "HighWater",
    "HttpExpect",
    "HttpRequest",
    "Keepalive",
    "Limit",
    "Measured",
    "NoopStep",
    "OtherFaultStep",
    "ParallelStep",
    "PauseStep",
    "Probe",
    "Prober",
    "ProcessKillStep",
    "ProcessSelector",
    "Protocol",
    "Quantity",
    "Ramp",
    "Ready",
    "Reconnect",
    "Recovery",
    "Request",
    "Restart",
    "Resume",
    "Role",
    "Secret",
    "SentAt",
    "SeqAt",
    "SeqRange",
    "SteadyState",
    "Step",
    "Stream",
    "Target",
    "Timing",
    "Tolerance",
    "reveal",
]


def _auto_or_value(value: object) -> str:
    return TAG + ("auto" if value == "auto" else "value")


AutoSpan = Annotated[
    Annotated[Literal["auto"], Tag(TAG + "auto")] | Annotated[Span, Tag(TAG + "value")], Discriminator(_auto_or_value)
]
AutoShare = Annotated[
    Annotated[Literal["auto"], Tag(TAG + "auto")] | Annotated[Share, Tag(TAG + "value")], Discriminator(_auto_or_value)
]


class Tolerance(Model):
    """How much may be amiss while the service still counts as recovered."""

    sessions: Share = 0.01
    requests: AutoShare = "auto"
    """`auto`: 6 / (N x rate x 2 s), kept within 1 % and 10 %, per group."""
    pushes: Share = 0.01


class Recovery(Model):
    """When the service counts as recovered, and how soon it must."""

    within: Span | None = None
    """The limit on the time to recover; none: measured, not judged."""
    stable_for: Span = 5 * SECOND
    window: AutoSpan = "auto"
    """Event window of the request indicator. `auto`: max(2 s, 6 / (l x N x rate)), per group."""
    tolerate: Tolerance = Tolerance()
    no_relapse: bool = False


class Timing(Model):
    """Lengths of the phases."""

    warmup: Duration = 3 * SECOND
    baseline: Span = 20 * SECOND
    recovery_timeout: Span = 60 * SECOND
    after: Duration = 10 * SECOND
    verify: Span = 5 * SECOND
    max_duration: Span | None = None
    """The whole run is over by then, its undo and its drain included. None: twice what is planned."""


class Experiment(File):
    """A fault, the load that it meets, and what must be true of the recovery."""

    title: Annotated[Title, Field(min_length=1)]
    description: str = ""
    tags: Many[str] = ()
    steady_state: SteadyState
    target: Target
    method: Many[Step] = ()
    """Empty: a load test."""
    rollbacks: Many[Step] = ()
    """Extra steps once every fault was undone, whatever ended the run."""
    recovery: Recovery = Recovery()
    expect: Many[Criterion] = ()
    """Judged over the whole run after the fault, unless a criterion says otherwise."""
    stop_when: Many[Guard] = ()
    fleet: Fleet | None = None
    """Where the load is played. None: in processes of this machine."""
    timing: Timing = Timing()
    profiles: dict[Name, dict[str, Json]] = Field(default_factory=dict, exclude=True, repr=False, max_length=200)
    """Named sets of overrides for `--profile`: a path, or a mapping that is merged."""
