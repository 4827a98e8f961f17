"""Episodes: what each injection did to the service, from its call to the next injection or the end of observation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaosrun.scoring.phases import Injection
from chaosrun.scoring.stretches import Start, first_start, last_start, stretches
from chaosrun.scoring.tolerance import Indicator

SECOND = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Course:
    """How an episode went by its indicators. Instants in ns of run time."""

    faults: tuple[Injection, ...]
    """The injection that opened it and those that joined it before it was over."""
    end: int
    """Where its observation ends."""
    hit: Indicator | None
    """The indicator of the impact; None: no impact."""
    impact: int | None
    impact_late: int
    """By how much at most the impact was named late, since bad slots that were still tolerated came before it."""
    recovered: Start | None
    """R; None: no impact, or never within the observation."""
    first_recovered: Start | None
    pending: int | None
    """Start of a last stretch that was still too short to count when the observation ended."""
    relapses: int
    long_enough: bool
    """The observation is long enough to tell that nothing happened."""

    @property
    def fault_start(self) -> int:
        return self.faults[0].called

    @property
    def reference(self) -> int | None:
        """What the time to recover counts from: the last removal, which of an instant fault is its call.

        None: a sustained fault of the episode was never removed.
        """
        removals = [fault.removed for fault in self.faults]
        known = [t for t in removals if t is not None]
        return max(known) if len(known) == len(removals) else None

    @property
    def reference_width(self) -> int:
        """By how much (ns) the true reference may be later."""
        return max((fault.removal_width for fault in self.faults if fault.removed == self.reference), default=0)


def follow(
    faults: Sequence[Injection], indicators: Sequence[Indicator], end: int, hold: int, window: int
) -> Iterator[Course]:
    """The episodes of a run in order.

    Between injections tolerance counts as held when it lasts from R right up to the next one, for at least `window`;
    an injection before that joins the episode. The last episode, observed to `end`, must hold for `hold`.
    """
    members: list[Injection] = []
    for i, fault in enumerate(faults):
        members.append(fault)
        last = i == len(faults) - 1
        course = _course(
            tuple(members),
            indicators,
            end=end if last else faults[i + 1].called,
            shortest=hold if last else window,
            hold=hold,
            window=window,
        )
        if last or course.recovered is not None or (course.impact is None and course.long_enough):
            yield course
            members = []


def _course(
    faults: tuple[Injection, ...], indicators: Sequence[Indicator], *, end: int, shortest: int, hold: int, window: int
) -> Course:
    observed = end - faults[0].called
    hits = [(t, i) for i in indicators if (t := i.impact(faults[0].called, end)) is not None]
    if not hits:
        return Course(
            faults=faults,
            end=end,
            hit=None,
            impact=None,
            impact_late=0,
            recovered=None,
            first_recovered=None,
            pending=None,
            relapses=0,
            long_enough=observed >= shortest,
        )
    impact, hit = min(hits, key=lambda pair: pair[0])
    lost = [found for _, i in hits if (found := i.first_lost(faults[0].called, end)) is not None]
    start = last_start(indicators, impact, end, hit)
    held = end - start.held_from
    recovered = start if held >= shortest else None
    return Course(
        faults=faults,
        end=end,
        hit=hit,
        impact=impact,
        impact_late=impact - min(since for first, since in lost if first <= impact),
        recovered=recovered,
        first_recovered=first_start(indicators, impact, end, hit, hold) or recovered,
        pending=start.at if recovered is None and held >= window else None,
        relapses=sum(b < end for _, b in stretches(indicators, impact, end, max(SECOND, window))),
        long_enough=observed >= shortest,
    )


def adapted_at(course: Course, indicators: Sequence[Indicator], hold: int) -> int | None:
    """Where the service first held tolerance for `hold` with a sustained fault still on; None: it did not."""
    removal = course.reference
    if removal is None or course.impact is None or course.hit is None:
        return None
    start = first_start(indicators, course.impact, min(removal, course.end), course.hit, hold)
    return None if start is None else start.at
