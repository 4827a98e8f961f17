"""Recovery of a run: for every episode its impact, R, time to recover and what came with it, and the worst of them.

Definitions: docs/measurement.md, section 2. Instants are ns of run time, durations are ns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosrun.records import NONE, History
from chaosrun.scoring.bounds import doubt, error_of_impact, error_of_recovery, server_ready
from chaosrun.scoring.comeback import Back, Noticed, come_back, notice
from chaosrun.scoring.episodes import Course, adapted_at, follow
from chaosrun.scoring.node_clocks import clock_bound
from chaosrun.scoring.pacing import blind
from chaosrun.scoring.phases import injections, observation_end
from chaosrun.scoring.timeline import GroupTimeline, StaleSpan
from chaosrun.scoring.tolerance import Indicator, indicators


class Freshness(Protocol):
    """What recovery needs of a group's push score."""

    @property
    def stale(self) -> Sequence[StaleSpan]: ...
    @property
    def longest_baseline_gap_ns(self) -> int | None: ...


@dataclass(frozen=True)
class NoPushes:
    """The freshness of a group without streams."""

    stale: Sequence[StaleSpan] = ()
    longest_baseline_gap_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One injection, with those that joined it before the service had recovered."""

    faults: tuple[str, ...]
    """Ids, in the order of their calls."""
    fault_start: int
    end: int
    """Where its observation ends: the next injection, or the end of `after`."""
    reference: int | None
    """What `ttr`, `back` and `server_ready_after` count from: `fault_start` of a single instant fault, else the last
    removal; None: a sustained fault was never removed."""
    verified: bool
    """An independent probe confirmed the effect of every fault."""
    impact: int | None
    impact_by: str | None
    """`group.indicator`."""
    unserved: int | None
    """The impact on sessions and requests alone; None: only feeds were hit, or nothing was."""
    recovered: int | None
    """R."""
    recovered_by: str | None
    first_recovered: int | None
    pending: int | None
    adapted_at: int | None
    ttr: int | None
    ttr_censored_above: int | None
    outage: int | None
    detection: int | None
    noticed: Mapping[str, Noticed]
    server_ready: int | None
    server_ready_error: int | None
    """Its error bound; None: unknown, or there was no such handshake."""
    back: Back
    relapses: int
    absorbed: bool | None
    """No impact, of a verified fault, under load; None: no impact, but that is not proved."""
    bad_slots: int
    lost_client_ns: int
    error: int | None
    """Error bound of R; None: unknown."""
    impact_late: int | None
    """By how much at most the impact was named late; None: no impact."""
    impact_error: int | None
    """Error bound of `impact` and of `detection`, on the side of an earlier impact; None: unknown."""
    clock_error: int | None
    """What the clocks of the load's nodes add to each of these bounds, 0 on one machine; None: unknown."""

    @property
    def server_ready_after(self) -> int | None:
        if self.server_ready is None or self.reference is None:
            return None
        return max(0, self.server_ready - self.reference)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    episodes: tuple[Episode, ...]
    worst: Episode | None
    """The headline; None: nothing was injected."""
    blind: int | None
    """The longest outage that could hide below the tolerance of some group."""
    lost_client_ns: int
    """From the first fault to the end of `after`."""
    end: int

    @property
    def recovered_final(self) -> int | None:
        """R of the last episode."""
        return self.episodes[-1].recovered if self.episodes else None


def find_recovery(
    history: History, timelines: Sequence[GroupTimeline], freshness: Sequence[Freshness | None] = ()
) -> Recovery:
    """The recovery of all groups together: tolerance must hold for every one.

    `timelines` of all groups of the plan; `freshness` aligned with them (the push scores), None or left out for groups
    without streams. Raises ValueError for a group that no indicator can judge.
    """
    faults = injections(history)
    end = observation_end(history)
    known = [timeline.group for timeline in timelines]
    blinds = [span for group in known if (span := blind(group)) is not None]
    fresh = [own or NoPushes() for own in (freshness or [None] * len(timelines))]
    episodes: list[Episode] = []
    if faults:
        found = indicators(history, timelines, [own.stale for own in fresh], [fault.called for fault in faults])
        hold = history.plan.recovery.stable_for_ns
        window = max(group.window_ns for group in known)
        episodes = [
            _episode(history, timelines, fresh, found, course, hold)
            for course in follow(faults, found, end, hold, window)
        ]
    return Recovery(
        episodes=tuple(episodes),
        worst=max(episodes, key=_badness, default=None),
        blind=max(blinds, default=None),
        lost_client_ns=sum(episode.lost_client_ns for episode in episodes),
        end=end,
    )


def _badness(episode: Episode) -> tuple[bool, int, int, bool]:
    """A censored episode is worse than any that recovered; an unproved absence of impact worse than a proved one."""
    censored = episode.ttr_censored_above
    return (
        censored is not None,
        censored if censored is not None else episode.ttr or 0,
        episode.outage or 0,
        episode.absorbed is None,
    )


def _episode(
    history: History,
    timelines: Sequence[GroupTimeline],
    fresh: Sequence[Freshness],
    found: Sequence[Indicator],
    course: Course,
    hold: int,
) -> Episode:
    start, end, impact = course.fault_start, course.end, course.impact
    recovered = course.recovered.at if course.recovered else None
    verified = all(fault.confirmed is not None for fault in course.faults)
    reference = course.reference
    absorbed = _absorbed(history, timelines, course, verified)
    censored = impact is not None and recovered is None
    known_gaps = [own.longest_baseline_gap_ns for own in fresh]
    error = impact_error = ready = None
    back = Back()
    if impact is not None:
        since, common = start if reference is None else reference, doubt(history, course.faults, recovered or end)
        common = None if common is None else common + course.reference_width
        ready = server_ready(history, course.faults, impact, end)
        impact_error = error_of_impact(history, course.faults, impact, course.impact_late)
        back = come_back(history, timelines, known_gaps, impact, recovered, end, since, common)
    if impact is not None and course.recovered is not None:
        longest_gap = max((gap for gap in known_gaps if gap is not None), default=None)
        error = error_of_recovery(history, timelines, course.faults, impact, course.recovered, end, longest_gap)
        error = None if error is None else error + course.reference_width
    stale = [own.stale for own in fresh]
    return Episode(
        faults=tuple(fault.id for fault in course.faults),
        fault_start=start,
        end=end,
        reference=reference,
        verified=verified,
        impact=impact,
        impact_by=course.hit.label if course.hit else None,
        unserved=_unserved(found, course),
        recovered=recovered,
        recovered_by=course.recovered.by.label if course.recovered else None,
        first_recovered=course.first_recovered.at if course.first_recovered else None,
        pending=course.pending,
        adapted_at=adapted_at(course, found, hold),
        ttr=_ttr(recovered, reference, absorbed),
        ttr_censored_above=max(0, end - (end if reference is None else reference)) if censored else None,
        outage=recovered - impact if recovered is not None and impact is not None else None,
        detection=None if impact is None else impact - start,
        noticed=notice(history, timelines, stale, start, end if recovered is None else recovered),
        server_ready=None if ready is None else ready.at,
        server_ready_error=None if ready is None else ready.error,
        back=back,
        relapses=course.relapses,
        absorbed=absorbed,
        bad_slots=sum(i.slots.count(start, end)[1] for i in found if i.slots is not None),
        lost_client_ns=sum(timeline.lost_client_ns(start, end) for timeline in timelines),
        error=error,
        impact_late=None if impact is None else course.impact_late,
        impact_error=impact_error,
        clock_error=clock_bound(history),
    )


def _unserved(found: Iterable[Indicator], course: Course) -> int | None:
    hits = (each.impact(course.fault_start, course.end) for each in found if each.name != "pushes")
    return min((t for t in hits if t is not None), default=None)


def _ttr(recovered: int | None, reference: int | None, absorbed: bool | None) -> int | None:
    if absorbed:
        return 0
    return None if recovered is None or reference is None else max(0, recovered - reference)


def _absorbed(history: History, timelines: Sequence[GroupTimeline], course: Course, verified: bool) -> bool | None:
    """The service took the fault without an impact: proved only if the fault was there, and something met it."""
    if course.impact is not None:
        return False
    removal = course.reference
    sustained = any(fault.sustained for fault in course.faults)
    met_until = course.end if removal is None or not sustained else min(removal, course.end)
    proved = verified and course.long_enough and _something_crossed(history, timelines, course.fault_start, met_until)
    return True if proved else None


def _something_crossed(history: History, timelines: Iterable[GroupTimeline], a: int, b: int) -> bool:
    """A request was sent, or a push published or received, in `[a, b)`."""
    return (
        any(a <= o.sent < b and o.sent != NONE for timeline in timelines for o in timeline.requests.outcomes)
        or any(a <= published.t < b for published in history.published)
        or any(a <= push.at < b for push in history.pushes)
    )
