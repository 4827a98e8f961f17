"""Records over several experiments, made by hand, with the results of those that have one."""

from __future__ import annotations

from collections.abc import Sequence

from hand_built import ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED
from hostile import EVIL, hostile
from msgspec.structs import replace

from chaosrun.errors import Exit
from chaosrun.foreign import clean
from chaosrun.scoring.repeats import Stop
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Asked, Suite, SuiteRun, broke_off, combine, not_run, ran, skipped

Built = tuple[Suite, dict[int, Result]]


def built(rows: Sequence[Result | SuiteRun], halted: Stop | None = None, title: str = "experiments") -> Built:
    """The record over these, each with a file of its own."""
    runs, results = [], {}
    for number, row in enumerate(rows, 1):
        if isinstance(row, Result):
            results[number] = row
            asked = Asked(experiment=f"experiments/{number}-some.yaml", title=row.title, profile="smoke")
            runs.append(ran(asked, f"RUN-{number}", row))
        else:
            runs.append(replace(row, experiment=f"experiments/{number}-other.yaml"))
    suite = combine(
        runs,
        title=title,
        version="1.2.3",
        started_at="2026-01-02T03:04:05.678+00:00",
        duration_ns=123_400_000_000,
        cool_down_ns=5_000_000_000,
        halted=halted,
    )
    return suite, results


OTHER = Asked(experiment="", title="Another one", profile="smoke")
SKIPPED = skipped(OTHER, Exit.UNAVAILABLE, "no netem is here")
BROKEN = broke_off(OTHER, None, Exit.UNAVAILABLE, "role server is not running")
NOT_RUN = not_run(OTHER, "stopped by SIGINT")
INTERRUPTED = Stop(Exit.ABORTED, "stopped by SIGINT")
EVIL_ONE = Asked(experiment=clean(EVIL), title=clean(EVIL), profile=clean(EVIL))

SUITES: dict[str, Built] = {
    "passed": built([PASSED, ABSORBED]),
    "passed-with-a-skipped-one": built([PASSED, SKIPPED]),
    "failed": built([PASSED, FAILED, NEVER_RECOVERED, INCONCLUSIVE, BROKEN, SKIPPED]),
    "interrupted": built([PASSED, NOT_RUN], INTERRUPTED),
    "dirty": built([DIRTY, NOT_RUN], Stop(Exit.DIRTY, "after experiment 1, which left the system not as it was found")),
    "all-skipped": built([SKIPPED, SKIPPED]),
    "hostile": built([hostile(clean(EVIL)), broke_off(EVIL_ONE, "R", Exit.DEFECT, clean(EVIL))], title=clean(EVIL)),
}
