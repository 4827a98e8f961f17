"""What the pages draw of a run: every series of every chart, already made small enough to be looked at.

A `Picture` is the data block of `report.html`. It is bounded in size, whatever the run's length and number of clients;
where values are brought together, their extremes are kept, so that no outlier is hidden. Times are seconds from the
run's start. Columns of one table have one length; None is "no evidence", never 0.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Seconds = float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the picture."""


class Band(Part, frozen=True, kw_only=True):
    """A phase, or a stretch that the observer left out."""

    name: str
    start: Seconds
    end: Seconds


class FaultBand(Part, frozen=True, kw_only=True):
    name: str
    kind: str
    role: str | None
    call: Seconds
    """The first instant at which the fault may have had an effect."""
    removed: Seconds | None
    """When its effect was taken away; None: never, or it has no end of its own."""


MarkKind = Literal["fault", "impact", "ready", "recovered", "removed", "stopped"]


class Mark(Part, frozen=True, kw_only=True):
    """An instant that every chart shows. Of all episodes, in order of time."""

    kind: MarkKind
    t: Seconds
    label: str
    """In a few words, with what it is of: `impact of server dies`."""
    episode: int | None = None
    """Its index in `recovery.episodes` of the result."""


class Ribbon(Part, frozen=True, kw_only=True):
    """Clients by how they are, as step functions: row i holds from t[i] to t[i+1] (the last: to the picture's end).

    planned = usable + degraded + down. Where steps were brought together, a row is the worst moment of its stretch (the
    most clients not usable), and `usable_max` the most that were usable in it.
    """

    t: list[Seconds]
    planned: list[int]
    """Clients that the plan wants up."""
    usable: list[int]
    degraded: list[int]
    """With a session, and not usable."""
    down: list[int]
    """Without a session."""
    usable_max: list[int]
    lost_client_seconds: float
    """The area between planned and usable, over the whole run."""


class Heat(Part, frozen=True, kw_only=True):
    """How long users waited, by the instant their request was due: a count for each cell that is not empty.

    Column i is [start + i * step, start + (i + 1) * step). Row j holds waits in [rows_ms[j], rows_ms[j+1]); the last
    row, everything from rows_ms[-1] on.
    """

    start: Seconds
    step: Seconds
    columns: int
    rows_ms: list[float]
    corrected: list[tuple[int, int, int]]
    """(column, row, count): from the due time, with the waits of those whose own reply never came."""
    uncorrected: list[tuple[int, int, int]]
    """The same of the service times, from the send to the request's own reply: what a closed loop would have seen."""
    due: list[int]
    """Requests due, per column."""
    censored: list[int]
    """Bad ones whose user was still waiting at the end, per column; in no cell of `corrected`."""
    unanswered: list[int]
    """Without a service time (never sent, never answered, or by an error), per column; in no cell of `uncorrected`."""
    left_out: list[int]
    """Due ones that tell nothing (missed by the observer, or the run ended before their limit did), per column.

    due = cells of `corrected` + censored + left_out = cells of `uncorrected` + unanswered + left_out.
    """
    corrected_max_ms: list[float | None]
    uncorrected_max_ms: list[float | None]
    latency_limit_ms: float | None
    """Replies later than that count as bad."""


class Fall(Part, frozen=True, kw_only=True):
    """One client's way back, a line of the waterfall."""

    client: int
    lost: Seconds
    """When it was unusable first, at or after the impact."""
    reconnecting: Seconds | None
    """When its first attempt to come back began; None: it kept its connection, or made none.

    It may be before `lost`: the impact is when too many were lost, not the first of them.
    """
    connected: Seconds | None
    """When the opening conversation was complete of the connection that it came back on, or of its last; None: it kept
    its connection, or never had another."""
    usable: Seconds | None
    """When it was back, by the definition of back(q); None: it never was."""
    cause: str
    """How its connection ended, as in `clients.by_cause`; `kept`: it did not; `sessionless`:
    it asks by HTTP."""
    attempts: int
    """That it made up to then."""


class Waterfall(Part, frozen=True, kw_only=True):
    """The affected clients of an episode, sorted by their return, the lost ones last."""

    episode: int
    falls: list[Fall]
    affected: int
    """How many there are; more than there are `falls`: those shown are evenly spread over the order of return, with
    the first, the last, and some that never came back among them."""
    never: int
    """How many of the affected never came back while the episode was observed."""


class Attempts(Part, frozen=True, kw_only=True):
    """Connection attempts per bin [start + i * step, ...), by when they began or failed or were done."""

    start: Seconds
    step: Seconds
    begun: list[int]
    refused: list[int]
    opened: list[int]


class Loss(Part, frozen=True, kw_only=True):
    """One class of what was lost, in bins of when it was due (requests) or published (pushes)."""

    name: str
    """A class of the ledger. Of requests all but replied_in_time: lost_connected, lost_at_break, skipped_disconnected,
    replied_late, replied_error, skipped_observer, in_flight_at_end; of pushes: lost_connected, missed_disconnected,
    replayed, tail, conflated, in_flight_at_end."""
    of: Literal["requests", "pushes"]
    counts: list[int]
    not_placed: int = 0
    """Those in no bin; with them the counts add up to the ledger's."""


class Losses(Part, frozen=True, kw_only=True):
    """The loss strip: bin i is [start + i * step, ...); only classes that occurred."""

    start: Seconds
    step: Seconds
    classes: list[Loss]
    sequence: list[tuple[int, int] | None]
    """The numbers published in the bin, first and last; None: none, or they cannot be placed in time."""
    channel: str | None
    """Which channel `sequence` is of (the one with most messages); None: no numbered stream."""
    not_placed: int
    """Copies of pushes that no receipt by anybody places in time: in no bin. The sum over the classes."""


class Rates(Part, frozen=True, kw_only=True):
    """Per second, in bins: of requests due, good replies (by due time) and pushed messages received."""

    start: Seconds
    step: Seconds
    due: list[float]
    good: list[float]
    pushes: list[float]


class GroupPicture(Part, frozen=True, kw_only=True):
    name: str
    kind: str
    """websocket or http."""
    clients: int
    ribbon: Ribbon
    heat: Heat | None
    """None: it sends no requests."""
    waterfalls: list[Waterfall]
    """Of the episodes with an impact on this group."""
    attempts: Attempts
    losses: Losses
    rates: Rates


class RolePicture(Part, frozen=True, kw_only=True):
    """CPU and memory of a role, a sample a second; brought together by their maxima where there are too many.

    A row of None stands where samples are missing: the role was down, or nobody looked.
    """

    name: str
    t: list[Seconds]
    cpu_percent: list[float | None]
    """Of one core."""
    memory_bytes: list[int | None]


class ObserverPicture(Part, frozen=True, kw_only=True):
    """How well the observer kept up: the worst of its processes per bin."""

    t: list[Seconds]
    lag_p99_ms: list[float | None]
    lag_max_ms: list[float | None]
    stolen_percent: list[float | None]
    lateness_max_ms: list[float | None]
    """Of sends against their due times."""
    excluded: list[Band]
    """Stretches left out of the numbers, and why."""


class Picture(Part, frozen=True, kw_only=True):
    end: Seconds
    phases: list[Band]
    faults: list[FaultBand]
    marks: list[Mark]
    groups: list[GroupPicture]
    roles: list[RolePicture]
    observer: ObserverPicture
