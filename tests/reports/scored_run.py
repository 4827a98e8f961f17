"""A recorded run of two clients that lose their connection for a second, scored, with a name of others in its place."""

from __future__ import annotations

from pathlib import Path

from small_run import record

from chaosrun.kept_runs import read_assessed
from chaosrun.outcome import score
from chaosrun.reports._base import ScoredRun


def scored_run(folder: Path) -> ScoredRun:
    """Recorded in `folder`, as a run is, and read back."""
    record(folder)
    score(folder)
    found = read_assessed(folder)
    return ScoredRun(found.began, found.evidence, found.result)
