"""How episodes went by chaosrun, beside how they went in truth: what the rows about recovery share."""

from __future__ import annotations

from collections.abc import Iterator

from measured import Measured
from oracle_row import Reading, exact, near
from truth_recovery import Course, Served

from chaosrun.scoring.bounds import lag_p99
from chaosrun.scoring.recovery import Episode

SECOND = 1e9
CLOSE = 0.010
FAR = 0.100

Compared = tuple[Episode | None, Course, list[Reading]]


def of_courses(run: Measured) -> Iterator[Compared]:
    """Each episode with its course in truth, and the readings of impact, R and the time to recover.

    The episode is None where the run found others than there were, and in a run that injected nothing since its
    baseline was not steady, which leaves one reading that says so.
    """
    served = Served(run.truth, run.history)
    if not run.was_steady:
        nothing = Course(0, 0, None, "", None, "", 0, served.nobody_affected)
        yield None, nothing, [Reading("injected", 1, 0, "wrong", flagged=True, note=str(run.folder))]
        return
    assert run.evidence.recovery is not None
    episodes = {episode.fault_start: episode for episode in run.evidence.recovery.episodes}
    courses = served.courses()
    same = exact(
        "episodes", [*episodes], [course.start for course in courses], flagged=not run.sound, note=str(run.folder)
    )
    for i, course in enumerate(courses):
        episode = episodes.get(int(course.start))
        found = [] if episode is None else list(_times(run, episode, course))
        yield episode, course, ([same] if i == 0 else []) + found


def bound_of(run: Measured, episode: Episode) -> float:
    """max(10 ms, 3 x p99 of the lag of the load's loop between fault and recovery), in s."""
    lag = lag_p99(run.history, episode.fault_start, episode.recovered or episode.end) or 0
    return max(CLOSE, 3 * lag / SECOND)


def _times(run: Measured, episode: Episode, course: Course) -> Iterator[Reading]:
    note, flagged, bound = f"{run.folder} {' '.join(episode.faults)}", not run.sound, bound_of(run, episode)
    for what, got, truth in (
        ("impact", episode.impact, course.impact),
        ("R", episode.recovered, course.recovered),
        ("TTR", episode.ttr, course.ttr),
    ):
        if truth is None or got is None:
            yield exact(f"{what}: none", got, truth, flagged=flagged, note=note)
            continue
        yield near(what, got / SECOND, truth / SECOND, bound, flagged=flagged, note=note)
        yield near(f"{what}: never far off", got / SECOND, truth / SECOND, FAR, flagged=flagged, note=note)
    if episode.recovered is not None and course.recovered is not None and episode.error is not None:
        beyond = abs(episode.recovered - course.recovered) - episode.error
        yield Reading("R beyond its printed error", max(0, beyond) / SECOND, 0.001, flagged=flagged, note=note)
    shortest = min(t for t in (episode.ttr, episode.outage, episode.detection, 0) if t is not None)
    yield exact("negative times", shortest, 0, note=note)
