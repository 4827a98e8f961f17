"""What a run is held against, found before it begins: the last good runs of its kind, or runs that a user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isinf
from pathlib import Path
from typing import Final

from chaosrun.against import LAST_GOOD, Against, Standard
from chaosrun.conditions import Conditions, differences
from chaosrun.errors import UsageError
from chaosrun.history.index import Runs, read_runs
from chaosrun.history.kept import Kept
from chaosrun.history.stretches import points
from chaosrun.history.trends import OF_FAULTS, OF_LOAD
from chaosrun.kept_runs import find_runs, read_kept, refuse_copies, refuse_unlike_now
from chaosrun.machine import environment
from chaosrun.plan import Plan
from chaosrun.scoring import against
from chaosrun.scoring.comparable import Subject, Value, subjects
from chaosrun.scoring.comparison import why_left_out
from chaosrun.scoring.look import last_good
from chaosrun.spec.conditions import conditions_of
from chaosrun.spec.loader import Loaded
from chaosrun.spec.plan import make_plan

MOST: Final = 40
"""So many of the last good runs count: the more, the surer; the older, the less they say of the service as it is."""
_MOST_TOLD: Final = 3


def find_against(
    named: str, loaded: Loaded, report_dir: Path, metrics: Sequence[str] = (), metrics_by: str = "--against-metric"
) -> Against:
    """The runs that a run of this experiment is to be held against, with their numbers.

    Args:
        named: `last-good`, or runs as for a comparison.
        report_dir: where the last good ones are looked for.
        metrics: names of the numbers that decide, as in `response_p99@baseline`; none: the usual one.
        metrics_by: the option or key that named them.

    Raises:
        UsageError: there is no such run, or it was made under other conditions, or gives no number; or this
            experiment has none of the numbers.
        KeyError: runs cannot be compared by one of them.
    """
    plan = make_plan(loaded)
    conditions = conditions_of(loaded, plan, environment())
    wanted = _wanted(loaded, plan, metrics, metrics_by)
    if named == LAST_GOOD:
        return _last_good(loaded, wanted, conditions, report_dir, metrics_by if metrics else None)
    return _named(named, wanted, conditions)


def _wanted(loaded: Loaded, plan: Plan, metrics: Sequence[str], metrics_by: str) -> dict[str, Sequence[Subject]]:
    """What is read of each run, by the name of the number.

    Raises:
        UsageError: this experiment has none of the numbers.
        KeyError: runs cannot be compared by one of them.
    """
    groups = [group.name for group in plan.groups]
    if not metrics:
        metrics = [OF_FAULTS if plan.faults else OF_LOAD]
    found: dict[str, Sequence[Subject]] = {}
    known: set[Subject] = set()
    for metric in metrics:
        several = [subject for subject in subjects(metric, groups) if subject not in known]
        known |= set(several)
        # Several experiments are asked the same: a load test among them is held to those that it has.
        if several and (plan.faults or several[0].number.of_run is None):
            found[metric] = several
    if not found:
        raise UsageError(
            f"{loaded.experiment.title}: a load test, without a fault and so without a {' or '.join(metrics)}; name "
            f"what to decide by, as in {metrics_by} {OF_LOAD}"
        )
    return found


# ---- the last good ones ---------------------------------------------------------------------------------------------


def _last_good(
    loaded: Loaded,
    wanted: dict[str, Sequence[Subject]],
    conditions: Conditions,
    report_dir: Path,
    named_by: str | None,
) -> Against:
    """
    Args:
        named_by: the option or key by which a user named the numbers; None: nobody did.

    Raises:
        UsageError: good runs lack a number that was named: they would lack it for ever.
    """
    kept = read_runs(report_dir) if report_dir.is_dir() else Runs(report_dir)
    fingerprint = conditions.fingerprint()
    alike = [run for run in kept.runs if run.fingerprint == fingerprint]
    # Several numbers are judged more strictly, which takes more runs.
    most = max(MOST, against.fewest(1, sum(map(len, wanted.values()))) or 0)
    numbers, used = [], set[str]()
    for metric, subject in _each(wanted):
        history = points(alike, subject.label)
        chosen = [alike[place] for place in last_good(history, subject, most)]
        used |= {run.place for run in chosen}
        values = tuple(_pair(value) for run in chosen if (value := run.value(subject.label)) is not None)
        if values:  # a group that only listens has no responses
            numbers.append(Standard(metric=metric, group=subject.group, values=values))
    good = [run for run in alike if run.is_good]
    if named_by is not None and good and (lacking := wanted.keys() - {standard.metric for standard in numbers}):
        raise UsageError(
            f"{named_by} {min(lacking)}: none of the {len(good)} good runs under these conditions in "
            f"{kept.folder} has it; they have: {', '.join(good[-1].numbers)}"
        )
    runs = tuple(run.place for run in alike if run.place in used)
    why = "" if runs else _why_none(alike, kept, loaded.experiment.title, conditions)
    return Against(named=LAST_GOOD, runs=runs, numbers=tuple(numbers), why=why)


def _why_none(alike: Sequence[Kept], kept: Runs, title: str, conditions: Conditions) -> str:
    if alike:
        return f"none of the {len(alike)} runs under these conditions in {kept.folder} is good, with a sound observer"
    others = [run for run in kept.runs if run.title == title and run.is_good and run.required is not None]
    if not others:
        return f"there is no good run of it in {kept.folder} yet"
    found = differences(others[-1].required or {}, conditions.required)
    told = "; ".join(f"{each.name} {each.a or '(not set)'} -> {each.b or '(not set)'}" for each in found[:_MOST_TOLD])
    more = f"; and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    return f"its good runs in {kept.folder} were made under other conditions, the last of them with {told}{more}"


# ---- runs that were named -------------------------------------------------------------------------------------------


def _named(named: str, wanted: dict[str, Sequence[Subject]], conditions: Conditions) -> Against:
    runs = [read_kept(place) for place in find_runs(named)]
    refuse_copies(runs)
    refuse_unlike_now(conditions, runs)
    fit = [run for run in runs if why_left_out(run.result) is None][-against.MOST :]
    numbers = [
        Standard(metric=metric, group=subject.group, values=values)
        for metric, subject in _each(wanted)
        if (values := tuple(_pair(value) for run in fit if (value := subject.read(run.result)) is not None))
    ]
    if lacking := [metric for metric in wanted if metric not in {standard.metric for standard in numbers}]:
        raise UsageError(f"--against {named}: no run of it has a {lacking[0]} and a sound observer; name others")
    return Against(named=named, runs=tuple(run.name for run in fit), numbers=tuple(numbers))


def _each(wanted: dict[str, Sequence[Subject]]) -> Iterator[tuple[str, Subject]]:
    return ((metric, subject) for metric, several in wanted.items() for subject in several)


def _pair(value: Value) -> tuple[float | None, float | None]:
    return (None if isinf(value.value) else value.value), value.error
