"""What a run is held against, found before it begins: the last good runs of its kind, or runs that a user names."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from pathlib import Path
from typing import Final

from chaosrun.against import LAST_GOOD, Against, Standard
from chaosrun.conditions import Conditions, differences
from chaosrun.errors import UsageError
from chaosrun.history.index import Runs, read_runs
from chaosrun.history.kept import Kept
from chaosrun.history.trends import OF_FAULTS, OF_LOAD
from chaosrun.kept_runs import find_runs, read_kept, refuse_unlike_now
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


def find_against(named: str, loaded: Loaded, report_dir: Path) -> Against:
    """The runs that a run of this experiment is to be held against, with their numbers.

    Args:
        named: `last-good`, or runs as for a comparison.
        report_dir: where the last good ones are looked for.

    Raises:
        UsageError: there is no such run, or it was made under other conditions, or gives no number.
    """
    plan = make_plan(loaded)
    conditions = conditions_of(loaded, plan, environment())
    if named == LAST_GOOD:
        return _last_good(loaded, plan, conditions, report_dir)
    return _named(named, plan, conditions)


def _subjects(plan: Plan) -> tuple[str, Sequence[Subject]]:
    metric = OF_FAULTS if plan.faults else OF_LOAD
    return metric, subjects(metric, [group.name for group in plan.groups])


# ---- the last good ones ---------------------------------------------------------------------------------------------


def _last_good(loaded: Loaded, plan: Plan, conditions: Conditions, report_dir: Path) -> Against:
    kept = read_runs(report_dir) if report_dir.is_dir() else Runs(report_dir)
    fingerprint, (metric, wanted) = conditions.fingerprint(), _subjects(plan)
    alike = [run for run in kept.runs if run.fingerprint == fingerprint]
    # Several numbers are judged more strictly, which takes more runs.
    most = max(MOST, against.fewest(1, len(wanted)) or 0)
    numbers, used = [], set[str]()
    for subject in wanted:
        history = [run.point(subject.label) for run in alike]
        chosen = [alike[place] for place in last_good(history, subject, most)]
        used |= {run.place for run in chosen}
        values = tuple(_pair(value) for run in chosen if (value := run.value(subject.label)) is not None)
        if values:  # a group that only listens has no responses
            numbers.append(Standard(metric=metric, group=subject.group, values=values))
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


def _named(named: str, plan: Plan, conditions: Conditions) -> Against:
    runs = [read_kept(place) for place in find_runs(named)]
    refuse_unlike_now(conditions, runs)
    metric, wanted = _subjects(plan)
    fit = [run for run in runs if why_left_out(run.result) is None][-against.MOST :]
    numbers = [
        Standard(metric=metric, group=subject.group, values=values)
        for subject in wanted
        if (values := tuple(_pair(value) for run in fit if (value := subject.read(run.result)) is not None))
    ]
    if not numbers:
        raise UsageError(f"--against {named}: no run of it has a {metric} and a sound observer; name others")
    return Against(named=named, runs=tuple(run.name for run in fit), numbers=tuple(numbers))


def _pair(value: Value) -> tuple[float | None, float | None]:
    return (None if isinf(value.value) else value.value), value.error
