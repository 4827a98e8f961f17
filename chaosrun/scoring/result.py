"""The machine-readable result of a run: every key of `result.json`, schema 1, and its encoding.

Other programs read it: keys may be added, none changes its meaning. Times are seconds as floats, from the run's start
where they are instants; `None` (null) is absent evidence, never 0. The same result always encodes to the same bytes.
"""

from __future__ import annotations

import msgspec

from chaosrun.conditions import Conditions

SCHEMA = 1

_DECIMALS = 9
"""Ratios and other derived floats are rounded to this many places; a nanosecond is the ninth."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping of the result; its fields are its keys, in this order."""


# ---- numbers --------------------------------------------------------------------------------------------------------


def seconds(ns: float | None) -> float | None:
    """Nanoseconds as seconds, to the nanosecond."""
    return None if ns is None else round(ns / 1e9, _DECIMALS)


def milliseconds(ns: float | None) -> float | None:
    """Nanoseconds as milliseconds, to the nanosecond."""
    return None if ns is None else round(ns / 1e6, 6)


def rounded(value: float | None) -> float | None:
    """A ratio or mean without the digits that depend on the order of its additions."""
    return None if value is None else round(float(value), _DECIMALS)


# ---- what happened --------------------------------------------------------------------------------------------------


class PhaseSpan(Part, frozen=True, kw_only=True):
    name: str
    start_s: float
    end_s: float


class DelayReport(Part, frozen=True, kw_only=True):
    """By how much a fault was to lengthen every round trip, and by how much the prober's echoes took longer."""

    requested_ms: float
    realised_ms: float | None


class FaultReport(Part, frozen=True, kw_only=True):
    """One step of the method. A step that was never called has no `call_s`."""

    name: str
    kind: str
    role: str | None
    call_s: float | None
    confirmed_s: float | None
    removed_s: float | None
    verified: bool | None
    undone: bool | None
    detail: str = ""
    """What its effect was seen by, or why it was not."""
    delay: DelayReport | None = None
    """Null: it is not a delay that was asked for."""


class Back(Part, frozen=True, kw_only=True):
    """When the affected clients were usable again, in seconds after the fault; null: never, or nobody was affected."""

    first: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    all: float | None = None
    never: int = 0
    unreturned: list[str] = []
    """`GROUP-INDEX` of every client that never came back."""
    error: dict[str, float] = {}
    """By the name of a time above, its error bound in seconds; a name that is missing: unknown."""


class EpisodeReport(Part, frozen=True, kw_only=True):
    """From an injection to the next one, or to the end of `after`."""

    impact_s: float | None = None
    recovered_s: float | None = None
    """R of this episode: the start of the stretch in tolerance that lasted to its end."""
    recovered_final_s: float | None = None
    """R of the run's last episode."""
    ttr_s: float | None = None
    ttr_censored_above_s: float | None = None
    """Never recovered: the time to recover is above this, the time observed."""
    adapted_at_s: float | None = None
    outage_s: float | None = None
    server_ready_s: float | None = None
    back_s: Back = Back()
    affected_clients: int | None = None
    relapses: int | None = None
    absorbed: bool | None = None
    lost_client_seconds: float | None = None
    error_s: float | None = None
    """Error bound of R."""
    faults: list[str] = []
    impact_by: str | None = None
    recovered_by: str | None = None
    first_recovered_s: float | None = None
    pending_s: float | None = None
    """Start of a stretch in tolerance that was still too short to count when the observation ended."""
    blind_s: float | None = None
    """The longest outage that could hide below the tolerance."""
    server_ready_error_s: float | None = None
    """Error bound of `server_ready_s`; null: unknown, or there is none."""
    impact_error_s: float | None = None
    """Error bound of `impact_s`, on the side of an earlier impact; null: unknown, or there was none."""
    ttr_pending_above_s: float | None = None
    """With a stretch pending the time to recover is above this only: the stretch may turn out to be the recovery."""

    @property
    def ttr_above_s(self) -> float | None:
        """What the time to recover is surely above, where it was never seen to end."""
        return self.ttr_censored_above_s if self.ttr_pending_above_s is None else self.ttr_pending_above_s


class RecoveryReport(EpisodeReport, frozen=True, kw_only=True):
    """The worst episode, and all of them."""

    episodes: list[EpisodeReport] = []


class Tolerance(Part, frozen=True, kw_only=True):
    requests: float | None
    sessions: float | None
    pushes: float | None
    window_s: float | None
    stable_for_s: float
    latency_limit_s: float
    stale_after_s: dict[str, float]
    resolution_s: float | None
    blind_s: float | None


class ClientDetection(Part, frozen=True, kw_only=True):
    count: int
    p50: float
    max: float


class Detection(Part, frozen=True, kw_only=True):
    service: float | None = None
    client: dict[str, ClientDetection] = {}


# ---- counts ---------------------------------------------------------------------------------------------------------


class Clients(Part, frozen=True, kw_only=True):
    planned: int = 0
    peak_usable: int | None = None
    attempts: int = 0
    refused: int = 0
    needs: int = 0
    needs_met: int = 0
    unexpected_disconnects: int = 0
    reconnects: int = 0
    by_cause: dict[str, int] = {}
    """Unexpected disconnects, by how the client noticed."""
    refused_by: dict[str, int] = {}
    """Attempts that failed, by why: `refused`, `timeout`, `http(403)`, `conversation`, ..."""


class Canaries(Part, frozen=True, kw_only=True):
    sent: int = 0
    good: int = 0
    sentinels: int = 0


class Requests(Part, frozen=True, kw_only=True):
    """due = sent + skipped_*; sent = replied_* + lost_* + in_flight_at_end; late_observer is part of sent."""

    due: int = 0
    sent: int = 0
    skipped_disconnected: int = 0
    skipped_observer: int = 0
    replied_in_time: int = 0
    replied_late: int = 0
    replied_error: int = 0
    lost_connected: int = 0
    lost_at_break: int = 0
    in_flight_at_end: int = 0
    late_observer: int = 0
    canaries: Canaries = Canaries()


class Push(Part, frozen=True, kw_only=True):
    """owed = live + replayed + lost_connected + missed_disconnected + conflated + tail + in_flight_at_end."""

    source: str | None = None
    accountable: bool = True
    why: str = ""
    published: int | None = None
    owed: int = 0
    received: int = 0
    live: int | None = 0
    replayed: int | None = 0
    lost_connected: int = 0
    missed_disconnected: int = 0
    conflated: int = 0
    tail: int | None = 0
    in_flight_at_end: int = 0
    unaccountable: int = 0
    start_unknown: int = 0
    duplicates: int = 0
    reordered: int = 0
    unexpected: int = 0
    clients_with_loss: int = 0
    lost_everywhere: int | None = None
    stale_client_seconds: float | None = None


class Malformed(Part, frozen=True, kw_only=True):
    """Messages that no client could accept; they are in no other number."""

    count: int = 0
    first: str | None = None
    """What was wrong with the first of them, where a line tells."""


class Messages(Part, frozen=True, kw_only=True):
    requests: Requests = Requests()
    push: Push | None = None
    malformed: Malformed | None = None
    """None: unknown, a load process did not get to tell."""


class Quantiles(Part, frozen=True, kw_only=True):
    """A latency distribution in milliseconds. `censored` waits never ended: they rank last and are in no number."""

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    censored: int = 0


class Latency(Part, frozen=True, kw_only=True):
    """By window: `all`, and each phase in which something was due."""

    response: dict[str, Quantiles] = {}
    service: dict[str, Quantiles] = {}
    push: dict[str, Quantiles] | None = None
    """One-way, from the server's time stamp to the receipt. A number that is null though `count` is above 0 was left
    out; `push_omitted` tells why."""
    connect: Quantiles = Quantiles()
    lateness: Quantiles = Quantiles()
    push_error: float | None = None
    """Error bound of every number of `push` by the clocks of the load's nodes; null: all have the coordinator's, there
    are no such numbers, or the bound is unknown."""
    push_omitted: str = ""
    """Why numbers of `push` were left out; empty: none were."""


class GroupReport(Part, frozen=True, kw_only=True):
    clients: Clients
    messages: Messages
    latency_ms: Latency


class Share(Part, frozen=True, kw_only=True):
    mean: float | None
    max: float | None


class ResourceReport(Part, frozen=True, kw_only=True):
    """`cpu_percent` of one core."""

    cpu_percent: Share
    memory_bytes: Share


# ---- judgement ------------------------------------------------------------------------------------------------------


class Criterion(Part, frozen=True, kw_only=True):
    """One limit, judged. `value`, `limit` and `error` are in `unit`; a null outcome is "unknown"."""

    name: str
    metric: str
    source: str = "expect"
    group: str | None = None
    role: str | None = None
    window: str
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    tiers: dict[str, float] | None = None
    tier: str | None = None
    """`ok`, `warning`, `failed` or `critical`, where tiers were given."""
    outcome: bool | None = None
    error: float | None = None
    why: str = ""
    written: str = ""
    where: str = ""


class Check(Part, frozen=True, kw_only=True):
    """A check of the observer: `ok`, `warn`, `invalid`, or null where there was nothing to check."""

    name: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    outcome: str | None = None
    why: str = ""


class Excluded(Part, frozen=True, kw_only=True):
    start_s: float
    end_s: float
    why: str


class WorkerClock(Part, frozen=True, kw_only=True):
    """The clock of a load process on a node of its own, held against the coordinator's."""

    worker: str
    node: str
    exchanges: int
    """Of the poorer comparison."""
    bound_s: float
    """Of the offset by which its records were put on the coordinator's clock."""
    offset_s: float | None
    """What was left of it after the load; null: it was not compared again. So the next three."""
    bound_after_s: float | None
    drift_ppm: float | None
    drift_error_ppm: float | None
    error_s: float
    """Every instant that it took is within this of the coordinator's clock."""


class NodeClocks(Part, frozen=True, kw_only=True):
    error_s: float | None
    """The largest of the workers', which is part of every error bound; null: unknown."""
    uncompared: list[str] = []
    """Load processes whose clock was never held against the coordinator's."""
    workers: list[WorkerClock]


class Observer(Part, frozen=True, kw_only=True):
    sound: bool
    slowed: bool = False
    """CPU time was taken away from load and service alike: times are upper bounds, limits that were kept are kept."""
    checks: list[Check]
    excluded: list[Excluded]
    clocks: NodeClocks | None = None
    """Null: the whole load ran by the coordinator's clock."""


class Finding(Part, frozen=True, kw_only=True):
    """`severity`: critical, warning or info."""

    severity: str
    title: str
    evidence: str
    action: str
    rule: str = ""
    """Its name in docs/findings.md; empty: it was found before rules had names."""


class Environment(Part, frozen=True, kw_only=True):
    host: str | None = None
    cpus: int | None = None
    memory_bytes: int | None = None
    kernel: str | None = None
    python: str | None = None
    versions: dict[str, str] = {}
    proxy: dict[str, str | float | None] | None = None


class Spread(Part, frozen=True, kw_only=True):
    """Times to recover of several runs: their median and the interval that encloses the true one.

    Where a value is among those that were never seen to end it is null, and `..._above` tells what it is above. Too few
    runs (below 6) have no interval: `low`, `high` and `confidence` are null.
    """

    median: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    """What the interval's ranks give, at least 0.95."""
    median_above: float | None = None
    low_above: float | None = None
    high_above: float | None = None
    runs: int = 0
    censored: int = 0
    """So many of them never recovered while they were observed; they rank last."""


class RepeatedRun(Part, frozen=True, kw_only=True):
    """One run of a series; everything about it is in its own folder."""

    folder: str
    """Below that of the series."""
    verdict: str | None = None
    """Null: it broke off without a result."""
    exit_code: int
    ttr_s: float | None = None
    censored_above_s: float | None = None
    error_s: float | None = None
    server_ready_s: float | None = None
    replies_lost: int | None = None
    """Requests that were sent and never answered: `lost_connected` and `lost_at_break`."""
    pushes_lost: int | None = None
    """Copies owed that never came: `lost_connected`, `missed_disconnected` and `tail`; null where it cannot be told."""
    offset_s: float
    """So much later than planned its baseline ended and its first fault fell."""
    left_out: str = ""
    """Why its time to recover is in no statistics; empty: it is in them."""
    absorbed: bool | None = None
    """True: no impact was seen. A time of 0 s without it: the service adapted to the fault before its removal."""


class Repeats(Part, frozen=True, kw_only=True):
    """What several runs of one experiment prove together."""

    n: int
    """Runs that were begun."""
    asked: int
    passed: int
    failed: int
    inconclusive: int
    aborted: int
    dirty: int
    broken: int
    """Begun, and ended without a result."""
    failure_probability_below: float | None
    """Upper bound, with `confidence`, of the probability that a run fails, from those that passed or failed."""
    confidence: float
    ttr_s: Spread
    seed: int
    cool_down_s: float
    worst: str
    """Folder of the run that everything outside `repeats`, the verdict and its reasons is of."""
    runs: list[RepeatedRun]


class AgainstNumber(Part, frozen=True, kw_only=True):
    """One number of a run, or of the runs of a series, and of the earlier runs that it is held against."""

    name: str
    unit: str
    verdict: str
    """`regression`, `no_regression`, `cannot_tell`, or `waived`: nothing is asked yet."""
    why: str
    values: list[float | None]
    """Null: it was never seen to end. The same in `good`."""
    good: list[float | None]
    p: float | None = None
    """Corrected, where several numbers decide."""
    ratio: float | None = None
    """Of the new to the earlier ones; null: infinite, or not known. The same for its lower bound."""
    ratio_at_least: float | None = None
    error: float | None = None
    """The largest error bound of a value."""


class AgainstReport(Part, frozen=True, kw_only=True):
    """What `--against` asked for, and what came of it; as criteria it is in `criteria`, too."""

    named: str
    runs: list[str]
    """The earlier runs, as they were named when this one began."""
    waived: str
    """Why nothing is judged yet; empty: it is."""
    numbers: list[AgainstNumber]


class Result(Part, frozen=True, kw_only=True):
    """The whole of `result.json`."""

    schema: int = SCHEMA
    chaosrun_version: str
    title: str
    tags: list[str]
    profile: str | None
    experiment_sha256: str
    fingerprint: str
    conditions: Conditions | None = None
    """Null: it was recorded before conditions were."""
    started_at: str
    duration_s: float
    verdict: str
    exit_code: int
    reasons: list[str]
    stopped_by: str | None
    phases: list[PhaseSpan]
    faults: list[FaultReport]
    recovery: RecoveryReport
    tolerance: dict[str, Tolerance]
    detection_s: Detection
    clients: Clients
    messages: Messages
    latency_ms: Latency
    resources: dict[str, ResourceReport]
    groups: dict[str, GroupReport]
    criteria: list[Criterion]
    observer: Observer
    findings: list[Finding]
    repeats: Repeats | None = None
    against: AgainstReport | None = None
    """Null: it was not held against earlier runs."""
    environment: Environment


def encode(result: Result) -> bytes:
    """The bytes of `result.json`: indented, keys in the order of the contract, names in the order of the run."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def decode(data: bytes) -> Result:
    """Read `result.json` back.

    Raises:
        msgspec.ValidationError: it is not a result, and where.
    """
    return msgspec.json.decode(data, type=Result)
