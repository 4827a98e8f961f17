"""The words of a run: what was planned and what was seen, as load, faults and scoring pass it on.

All times are integer nanoseconds of `time.monotonic_ns()`, shifted so that the run's origin is 0. A `Record` is a
line of `journal.jsonl`; `Slot`, `Push` and `Probe` are rows of the packed files in `samples/`. `History` is the whole
of one run, and the only thing that scoring reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from chaosrun.against import Against
from chaosrun.conditions import Conditions
from chaosrun.plan import Plan

PHASES = (
    "start", "ramp", "warmup", "baseline", "fault", "recovery", "after", "rollback", "verify", "ramp_down", "drain"
)  # fmt: skip


# ---- lines of the journal -------------------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=str.lower, omit_defaults=True):
    """A line of the journal: `t` ns after the origin, the `n`-th line of writer `w` (both set by the journal)."""

    t: int
    w: str = ""
    n: int = 0


class Began(Record, frozen=True, kw_only=True):
    """The first line: what is run, where, and by what."""

    schema: int = 1
    run: str
    chaosrun_version: str
    title: str
    tags: tuple[str, ...] = ()
    profile: str | None = None
    experiment_sha256: str = ""
    fingerprint: str = ""
    conditions: Conditions | None = None
    """What the fingerprint is made of, and what else the run was made under."""
    started_at: str = ""
    origin_ns: int = 0
    """The origin on the monotonic clock of this boot."""
    wall_offset_ns: int = 0
    """Unix time of the origin."""
    boot_id: str = ""
    plan: Plan
    offset_ns: int = 0
    """The baseline is planned to last so much longer than the plan says: a run of a series."""
    environment: dict[str, str] = {}
    against: Against | None = None
    """The earlier runs that it is held against."""


class Phase(Record, frozen=True, kw_only=True):
    """A phase begins, and the one before it ends."""

    name: str


class Called(Record, frozen=True, kw_only=True):
    """A fault is about to be injected; `t` is the instant of the call."""

    id: str


class Confirmed(Record, frozen=True, kw_only=True):
    """A probe independent of the load saw the effect of a fault, or gave up looking (`verified` false)."""

    id: str
    verified: bool
    how: str = ""


class Removed(Record, frozen=True, kw_only=True):
    """A fault's effect was taken away (for an instant fault: the restart that chaosrun owes came)."""

    id: str
    until: int | None = None
    """It was gone then at the latest, and at `t` at the earliest; None: at `t`."""


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """How to take a fault away, as data: valid alone, idempotent, true even if the injection never happened."""

    id: str
    kind: str
    """The fault whose module can undo and verify it."""
    what: str
    """The same in words, for people."""
    identity: dict[str, str | int | float | None]
    """What names the target beyond doubt: pid, start time, container id, device."""
    args: msgspec.Raw = msgspec.Raw(b"{}")
    """What the fault's own `undo` needs, as JSON of its own type."""
    deadline_ns: int = 60_000_000_000
    boot_id: str = ""


class Intent(Record, frozen=True, kw_only=True):
    """Written and synced before the injection."""

    undo: Undo


class Undone(Record, frozen=True, kw_only=True):
    """The undo of `id` ran (`done`) and its effect was read back (`verified`)."""

    id: str
    done: bool
    verified: bool
    error: str = ""


class RolledBack(Record, frozen=True, kw_only=True):
    """A step of the rollbacks was taken; `error`: it could not be, and the system is not as its author wants it."""

    id: str
    name: str
    error: str = ""


class Started(Record, frozen=True, kw_only=True):
    """chaosrun started a process for a role."""

    role: str
    pid: int
    start_time: float


class Ready(Record, frozen=True, kw_only=True):
    role: str
    took_ns: int


class Exited(Record, frozen=True, kw_only=True):
    """A process of a role ended; `expected`: chaosrun or a fault ended it."""

    role: str
    pid: int
    code: int | None
    expected: bool


class Stop(Record, frozen=True, kw_only=True):
    """The run ends early: by `stop_when`, a signal, or an error."""

    why: str
    signal: bool = False
    trouble: bool = False
    """Not asked for: something that the measurement needs broke, so the run is inconclusive rather than aborted."""


class Burnt(Record, frozen=True, kw_only=True):
    """A guard of `stop_when` has burnt through, or could not be read any more: why the run is stopped next."""

    guard: str
    of: str
    """The group, role or address."""
    value: float | None
    """What it read last, in the metric's unit; of an address, how often in a row it was not as it should be. None:
    nothing, or a response that never came."""
    since: int
    """Since when it was beyond its limit, or blind; for shares, the first such moment in the long window."""
    shares: tuple[float, float] | None = None
    """Of the long and of the short window."""
    note: str = ""
    """What else was seen, in words."""
    blind: str = ""
    """Why nothing could be read."""


class LoadStopped(Record, frozen=True, kw_only=True):
    """No slot is due at or after `t`: the end of every client's planned life."""


class Proxied(Record, frozen=True, kw_only=True):
    """Load and prober go through a Toxiproxy for the whole run."""

    kind: str
    """server: one that was there; binary: `toxiproxy-server`, embedded: chaosrun's own, each started by the run."""
    version: str
    api: str
    links: dict[str, str] = {}
    """By role, from where to where."""


class Note(Record, frozen=True, kw_only=True):
    text: str


class Unsteady(Record, frozen=True, kw_only=True):
    """Why the engine injected no fault, by what was known at the end of the baseline."""

    why: str


# Clients. `g` is the group's index in the plan, `c` the client's index within the group, `conn` counts the client's
# opened connections from 0.


class Attempt(Record, frozen=True, kw_only=True):
    """A connection attempt begins."""

    g: int
    c: int


class Refused(Record, frozen=True, kw_only=True):
    """The attempt failed: `why`: refused, timeout, http, reset, dns, tls, proxy, conversation, descriptors, ports,
    other."""

    g: int
    c: int
    why: str
    status: int | None = None
    detail: str = ""


class Opened(Record, frozen=True, kw_only=True):
    """The opening conversation is complete at `t`; the attempt began at `began`, the handshake was done at `shaken`."""

    g: int
    c: int
    conn: int
    began: int
    shaken: int


class Closed(Record, frozen=True, kw_only=True):
    """An opened connection ended. `cause`: rst, fin, close, ping_timeout, deadline, protocol, unread, ours,
    injected, other."""

    g: int
    c: int
    conn: int
    cause: str
    code: int | None = None
    planned: bool = False
    """Our own close, or the doing of a fault of the load (a cut, or what came of a silence): not an unexpected
    disconnect."""
    silent_since: int | None = None
    """It was half-open when its client gave it up: a fault had let nothing pass since then."""

    @property
    def passed_until(self) -> int:
        """When the last could pass: what was sent later was sent to nobody, though the connection looked open."""
        return self.t if self.silent_since is None else self.silent_since


class Silenced(Record, frozen=True, kw_only=True):
    """A fault made an open connection half-open: `how`: silent, vanished. From `t` on nothing passes."""

    g: int
    c: int
    conn: int
    how: str


class Subscribed(Record, frozen=True, kw_only=True):
    """A subscription starts on this connection; `head` is the highest number published before it, where told."""

    g: int
    c: int
    conn: int
    channel: str
    stream: str = "stream"
    head: int | None = None
    epoch: str | None = None


class Stream(Record, frozen=True, kw_only=True):
    """The name of row key `sid` (per writer) in the push rows: first written when its first message arrives."""

    sid: int
    g: int
    c: int
    conn: int
    channel: str
    stream: str = "stream"
    epoch: str | None = None


class Malformed(Record, frozen=True, kw_only=True):
    """A message that the protocol could not accept (not counted as received); bounded in number per connection."""

    g: int
    c: int
    conn: int
    why: str


class Exchanges(Record, frozen=True, kw_only=True):
    """HTTP exchanges of one group with an ending that their rows do not tell, since the last such line: how many.

    `how`: `status` or `body` (answered, but not as expected), `malformed` or `too_large` (no answer that can be taken),
    `no answer` (none by the reply time-out), `no connection` (none was free or made by then), `fin`, `rst`, `deadline`,
    `injected` or `other` (the connection ended first), a word of `Refused` (there was none), `unaskable` (a value of
    ours broke the request). And, no failure of its own, `asked again`: a kept connection ended as the request was
    written, which was then written once more.
    """

    g: int
    request: int
    how: str
    status: int | None = None
    count: int
    detail: str = ""
    """Of the first of them."""


class Head(Record, frozen=True, kw_only=True):
    """A high-water mark: `seq` is the newest number of `channel` in `epoch`, asked for at the end of the run."""

    channel: str
    stream: str = "stream"
    seq: int
    epoch: str | None = None
    g: int | None = None
    """The group, and (where numbers are per client) the client, that it is true for; None: for all."""
    c: int | None = None


class Published(Record, frozen=True, kw_only=True):
    """What the server's own log says it published: numbers `first..last` of a channel, the last at `t`."""

    channel: str
    stream: str = "stream"
    first: int
    last: int
    epoch: str | None = None


class Lag(Record, frozen=True, kw_only=True):
    """Event-loop lag of a load process over the `span_ns` before `t`, as counts by histogram bucket."""

    span_ns: int
    buckets: dict[int, int]
    max_ns: int
    cpu_ns: int = 0
    """CPU time that the process used in the span."""


class Clock(Record, frozen=True, kw_only=True):
    """The machine's clocks, once a second."""

    wall_offset_ns: int
    suspended_ns: int
    """Time the machine was suspended since the origin."""
    steal: float | None = None
    """Share of CPU time taken by the hypervisor since the last one."""
    throttled: float | None = None
    """Time that the CPU quota of chaosrun's own control groups held its threads up since the last one, in shares of
    one core; None: there is no quota to be read."""


OWN: Final = "chaosrun"
"""The role of chaosrun's own processes in the samples: the runner and its children, less those that are roles."""
OBSERVER: Final = "observer"
"""The same, as criteria and guards call it."""


class NodeClock(Record, frozen=True, kw_only=True):
    """The clock of a load process's node, held against the coordinator's by exchanges: the one with the smallest round
    trip tells. Written by the engine before the load and after it, only of a fleet on more than one machine."""

    worker: str
    """The writer of its records."""
    node: str
    """Its host, as people know it."""
    offset_ns: int
    """Its monotonic clock less the coordinator's, less what its records were already shifted by: 0 before the load, and
    after it the drift since."""
    bound_ns: int
    """The offset is right to within this: half of the smallest round trip."""
    exchanges: int


class Resource(Record, frozen=True, kw_only=True):
    """CPU and memory of a role with its children over the second before `t`."""

    role: str
    cpu: float
    """Share of one core."""
    memory: int
    """Resident bytes."""
    processes: int = 1


class Ended(Record, frozen=True, kw_only=True):
    """The last line of a writer: `n` tells how many lines it wrote; the counts, how many rows."""

    slots: int = 0
    pushes: int = 0
    probes: int = 0
    malformed: tuple[int, ...] | None = None
    """Of a load process: messages that could not be accepted, by group; lines tell of the first ones only."""


# ---- rows of samples/ -----------------------------------------------------------------------------------------------


class Kind(IntEnum):
    SLOT = 0
    CANARY = 1
    SENTINEL = 2
    STEP = 3
    """A step of a scripted user, due when the user came to it: no plan knows when that is."""


REQUESTS: Final = (Kind.SLOT, Kind.STEP)
"""The kinds that are the load itself; the others are chaosrun's own probes."""


class Status(IntEnum):
    SENT = 0
    ERROR = 1
    """Answered, by an error or by a reply that failed the protocol's checks."""
    SKIPPED_DISCONNECTED = 2
    SKIPPED_OBSERVER = 3


NONE = -1
"""A time or number that never came, in a row."""


class Slot(NamedTuple):
    """One due request of one client, or a canary, and what became of it."""

    group: int
    client: int
    due: int
    sent: int
    """NONE: never sent."""
    got: int
    """Receipt of its own reply, however late; NONE: none."""
    status: Status = Status.SENT
    kind: Kind = Kind.SLOT
    conn: int = 0
    request: int = 0


class Push(NamedTuple):
    """One pushed message. `first..last` are the numbers it carries (mostly one); NONE in an unnumbered stream."""

    at: int
    first: int
    last: int
    sent_at: int | None
    """The server's time stamp as run time."""
    sid: int
    """Index into `History.streams`."""


class Probe(NamedTuple):
    """One probe by the prober; `got` is NONE when it failed or timed out (at `until`)."""

    sent: int
    got: int
    until: int
    connect: bool
    """A fresh handshake with its echo; otherwise an echo on the standing connection."""


# ---- one run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything that was recorded of one run, in time order within each sequence."""

    plan: Plan
    phases: Sequence[Phase]
    end: int
    """The last instant of the run."""
    load_stopped: int
    """No slot was due at or after it."""
    called: Sequence[Called] = ()
    confirmed: Sequence[Confirmed] = ()
    removed: Sequence[Removed] = ()
    intents: Sequence[Intent] = ()
    undone: Sequence[Undone] = ()
    rolled_back: Sequence[RolledBack] = ()
    stop: Stop | None = None
    attempts: Sequence[Attempt] = ()
    refused: Sequence[Refused] = ()
    opened: Sequence[Opened] = ()
    closed: Sequence[Closed] = ()
    subscribed: Sequence[Subscribed] = ()
    streams: Sequence[Stream] = ()
    malformed: Sequence[Malformed] = ()
    malformed_in: Sequence[int] | None = None
    """How many there were in each group; None: unknown, a load process did not get to tell."""
    exchanges: Sequence[Exchanges] = ()
    heads: Sequence[Head] = ()
    published: Sequence[Published] = ()
    slots: Sequence[Slot] = ()
    pushes: Iterable[Push] = ()
    """In receipt order per stream; can be gone through again; may be read lazily from disk."""
    probes: Sequence[Probe] = ()
    lags: Sequence[Lag] = ()
    clocks: Sequence[Clock] = ()
    node_clocks: Sequence[NodeClock] = ()
    """Empty: all load processes ran on the coordinator's machine, and by its clock."""
    resources: Sequence[Resource] = ()
    lost_records: int = 0
    """Lines or rows that a writer said it wrote and that are not there, or that are torn; the prober's apart."""
    lost_probes: int = 0
    """The same of the prober; its missing last line counts as one."""
    unsteady: Sequence[Unsteady] = ()
    proxied: Proxied | None = None
    """None: the load went straight to the service."""
