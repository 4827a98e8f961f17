"""From the runs of a folder to their history: a line for each experiment and fingerprint, and whether it got worse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final

from chaosrun.conditions import Difference, differences
from chaosrun.history.index import Runs
from chaosrun.history.kept import Kept
from chaosrun.history.stretches import points, stretches
from chaosrun.scoring.comparable import Subject, subjects
from chaosrun.scoring.contrast import Contrast, Verdict, times
from chaosrun.scoring.look import NEWEST, Point, fewest, look
from chaosrun.scoring.result import Part
from chaosrun.scoring.words import show

OF_FAULTS: Final = "ttr"
OF_LOAD: Final = "response_p99"
"""What is looked at of an experiment with a fault, and of a load test, unless another number is asked for."""


class Ran(Part, frozen=True, kw_only=True):
    """A run in a trend."""

    place: str
    started_at: str
    verdict: str
    value: float | None
    """Infinite: it was never seen to end; null: the run gives no evidence of it."""
    error: float | None
    good: bool
    """It passed, and nothing was wrong with the observer."""
    counts: bool
    """Its observer was sound, nothing slowed it, and it is known what it was made under."""
    worse: bool
    """It is one of the runs of a look that found a regression."""
    accepted: bool
    """It is of a stretch of runs that somebody accepted as the new normal."""


class Accepted(Part, frozen=True, kw_only=True):
    """A stretch of runs that somebody accepted: the history begins anew with it."""

    since: str
    until: str
    """Its first and its last run; the folder of the last says so."""
    why: str
    accepted_at: str


class Trend(Part, frozen=True, kw_only=True):
    """One number over all runs of a line."""

    name: str
    unit: str
    verdict: Verdict
    why: str
    since: str | None
    """The first of the runs that are worse, and have been since then without a break; null: the newest are not."""
    newest: tuple[str, ...]
    """The runs that were judged together."""
    good: tuple[str, ...]
    """What they were held against: the last good runs before them."""
    ratio: float | None
    ratio_at_least: float | None
    p: float | None
    """Corrected, where several numbers are judged."""
    accepted: tuple[Accepted, ...]
    """Oldest first."""
    runs: tuple[Ran, ...]
    """Oldest first."""


class Line(Part, frozen=True, kw_only=True):
    """All runs of one experiment that were made under the same conditions."""

    title: str
    profile: str | None
    """Of its last run."""
    fingerprint: str
    runs: int
    verdict: Verdict
    """The worst of its trends."""
    last: str
    last_verdict: str
    last_started_at: str
    last_good: str | None
    """The last that passed with a sound observer, and was not worse than those before it, or was accepted."""
    differs: tuple[Difference, ...]
    """From the line before it of the same experiment: why they are two."""
    trends: tuple[Trend, ...]


class History(Part, frozen=True, kw_only=True):
    """The whole of what `chaosrun history --format json` prints."""

    schema: int = 1
    folder: str
    lines: tuple[Line, ...]
    """Regressions first, then those that ran last."""
    unread: tuple[tuple[str, str], ...]
    """Folders with a result that cannot be read, and why."""
    unscored: tuple[str, ...]
    """Folders of runs without a result."""
    notes: tuple[str, ...]
    """What was amiss with the index, and what was done about it."""


def history(runs: Runs, metric: str | None = None) -> History:
    """The history of all runs.

    Args:
        metric: the number to look at, in place of the usual one.

    Raises:
        KeyError: runs cannot be compared by it.
    """
    lines: dict[tuple[str, str], list[Kept]] = {}
    for run in runs.runs:
        lines.setdefault((run.title, run.fingerprint), []).append(run)
    newest = sorted(lines.values(), key=lambda line: (line[-1].began, line[-1].place), reverse=True)
    told = [_line(line, _before(line, newest), metric) for line in newest]
    return History(
        folder=str(runs.folder),
        # A regression is what one looks for; it must not be below what is as it was.
        lines=tuple(sorted(told, key=lambda line: line.verdict != "regression")),
        unread=tuple((each.place, each.why) for each in runs.unread),
        unscored=runs.unscored,
        notes=tuple(runs.notes),
    )


def numbers_of(run: Kept, metric: str | None = None) -> Sequence[Subject]:
    """The numbers that are looked at of a run's experiment.

    Raises:
        KeyError: as `history`.
    """
    return subjects(metric or (OF_FAULTS if run.has_fault else OF_LOAD), list(run.groups))


def _before(line: Sequence[Kept], lines: Iterable[Sequence[Kept]]) -> Kept | None:
    """The newest run of the same experiment and profile under other conditions that is older than this line."""
    first = line[0]
    others = [
        run
        for other in lines
        for run in other
        if (run.title, run.profile) == (first.title, first.profile)
        and run.fingerprint != first.fingerprint
        and run.began <= first.began
    ]
    return max(others, key=lambda run: run.began, default=None)


def _line(runs: Sequence[Kept], before: Kept | None, metric: str | None) -> Line:
    last = runs[-1]
    wanted = numbers_of(last, metric)
    # A group that only listens has no responses, and would keep the others from a verdict.
    looked_at = [each for each in wanted if any(each.label in run.numbers for run in runs)] or wanted
    trends = tuple(_trend(runs, subject, len(looked_at)) for subject in looked_at)
    verdicts = {trend.verdict for trend in trends} or {"cannot_tell"}  # of a run without a load group
    worse = {run.place for trend in trends for run in trend.runs if run.worse}
    good = {run.place for trend in trends for run in trend.runs if run.good}
    last_good = next((run.place for run in reversed(runs) if run.place in good and run.place not in worse), None)
    known = before is not None and before.required is not None and last.required is not None
    return Line(
        title=last.title,
        profile=last.profile,
        fingerprint=last.fingerprint,
        runs=len(runs),
        verdict=next((v for v in ("regression", "cannot_tell") if v in verdicts), "no_regression"),
        last=last.place,
        last_verdict=last.verdict,
        last_started_at=last.started_at,
        last_good=last_good,
        differs=differences((before.required if before else None) or {}, last.required or {}) if known else (),
        trends=trends,
    )


def _trend(runs: Sequence[Kept], subject: Subject, among: int) -> Trend:
    points_seen = points(runs, subject.label)
    seen = look(points_seen, subject, among)
    found, accepted = seen.contrast, stretches(runs, subject.label)
    return Trend(
        name=subject.label,
        unit=subject.number.unit,
        verdict=found.verdict,
        why=_why(found, among, accepted=bool(accepted)),
        since=_since(runs, points_seen, seen.worse) if found.verdict == "regression" else None,
        newest=tuple(runs[place].place for place in seen.newest),
        good=tuple(runs[place].place for place in seen.good),
        ratio=found.ratio,
        ratio_at_least=found.ratio_at_least,
        p=found.p_corrected,
        accepted=tuple(
            Accepted(
                since=runs[stretch.first].place,
                until=runs[stretch.last].place,
                why=stretch.said.why,
                accepted_at=stretch.said.accepted_at,
            )
            for stretch in accepted
        ),
        runs=tuple(
            Ran(
                place=run.place,
                started_at=run.started_at,
                verdict=run.verdict,
                value=point.value.value if point.value else None,
                error=point.value.error if point.value else None,
                good=point.good,
                counts=point.counts,
                worse=place in seen.worse,
                accepted=point.accepted,
            )
            for place, (run, point) in enumerate(zip(runs, points_seen, strict=True))
        ),
    )


def _since(runs: Sequence[Kept], seen: Sequence[Point], worse: frozenset[int]) -> str:
    """Runs that could not be judged break no stretch of those that are worse."""
    first = max(worse)
    for place in range(first, -1, -1):
        if place in worse:
            first = place
        elif seen[place].good or seen[place].accepted:
            break
    return runs[first].place


# ---- in words -------------------------------------------------------------------------------------------------------


def _why(found: Contrast, among: int, *, accepted: bool) -> str:
    needed, good, newest = fewest(among), len(found.a.values), len(found.b.values)
    if newest < NEWEST or good < needed:
        have = "no good run" if good == 0 else f"{good} good run{'s' * (good > 1)}"
        if newest < NEWEST:
            have = f"{newest} run{'s' * (newest != 1)} with a value"
        have += " since slower was accepted" if accepted else ""
        return f"too early to tell: {have}; it takes {NEWEST} new runs and {needed} good ones before them"
    sizes = f"the newest {newest} ({_values(found.b.values, found.unit)}) against the {good} good ones before them"
    sizes += f" (median {_value(found.a.median, found.unit)})"
    match found.verdict:
        case "regression":
            p = f"p = {found.p_corrected:.2g}" if found.p_corrected is not None else ""
            return f"{sizes}: {times(found.ratio)} as large, at least {times(found.ratio_at_least)} (95%), {p}"
        case "no_regression":
            return f"{sizes}: no regression" + (
                f"; {found.detectable_ratio:.2f} times as large, one would have been shown"
                if found.detectable_ratio is not None
                else ""
            )
        case _:
            return f"{sizes}: {found.why.replace('B looks', 'they look').replace('B may be', 'they may be')}"


def _values(values: Sequence[float], unit: str) -> str:
    return ", ".join(_value(value, unit) for value in values)


def _value(value: float | None, unit: str) -> str:
    return "unknown" if value is None else "never" if value == inf else show(value, unit)
