"""Folders of runs as a history finds them, a day apart, without one having run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kept import CONDITIONS, keep, result
from msgspec.structs import replace

from chaosrun.conditions import Conditions
from chaosrun.scoring.result import Result

FIRST = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
STEADY = [2.0, 2.1, 1.9, 2.05, 1.95, 2.02, 2.08, 1.98, 2.03]
"""As many good runs as it takes."""


def ran(
    ttr: float | None,
    *,
    day: int = 0,
    title: str = "Users are served",
    conditions: Conditions = CONDITIONS,
    verdict: str = "passed",
) -> Result:
    """A run of that day; None: it never recovered."""
    began = FIRST + timedelta(days=day)
    return replace(
        result(ttr, conditions),
        title=title,
        started_at=began.isoformat(timespec="milliseconds"),
        fingerprint=conditions.fingerprint(),
        verdict=verdict,
        exit_code=0 if verdict == "passed" else 1,
    )


def keep_days(folder: Path, times: Sequence[float | None], **how: object) -> list[Path]:
    """A folder with a run for each day."""
    begun = sum(each.is_dir() for each in folder.iterdir()) if folder.is_dir() else 0
    return [
        keep(folder / f"run-{day:03}", ran(ttr, day=day, **how))  # type: ignore[arg-type]
        for day, ttr in enumerate(times, begun)
    ]
