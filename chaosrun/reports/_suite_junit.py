"""`junit.xml` of several experiments: a suite of test cases each, and one for what none of them says of itself.

All test cases are green exactly where the exit code is 0. What was skipped because that was asked for is `skipped`;
what had no result, or was not run, is an `error`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from chaosrun.reports._suite_words import reasons_of_all
from chaosrun.reports.junit import Case, TestSuite, of_result, package_name, whole
from chaosrun.scoring.result import Result
from chaosrun.scoring.suite import Suite, SuiteRun

_PREFIX: Final = "chaosrun"


def suite_document(suite: Suite, results: Mapping[int, Result]) -> bytes:
    """The XML, the same for the same record and results.

    Args:
        results: of the experiments that have one, by their numbers from 1.
    """
    return whole([_over_all(suite), *_experiments(suite, results)], suite.duration_s)


def _over_all(suite: Suite) -> TestSuite:
    name = f"{_PREFIX}.{package_name(suite.title)}"
    told = {"verdict": suite.verdict, "exit_code": str(suite.exit_code), "chaosrun_version": suite.chaosrun_version}
    case = Case("the experiments were run, and nothing was left between them", name)
    if apart := reasons_of_all(suite):
        case = Case(case.name, name, "error", suite.verdict, apart[0], "\n".join(apart))
    # What all of them took is the sum of their times and the rest between them.
    took = 0.0 if suite.duration_s is None else suite.duration_s - sum(run.duration_s or 0.0 for run in suite.runs)
    return TestSuite(name, (case,), max(0.0, took), suite.started_at, told)


def _experiments(suite: Suite, results: Mapping[int, Result]) -> Iterator[TestSuite]:
    titles: Counter[str] = Counter()
    for number, run in enumerate(suite.runs, 1):
        titles[run.title] += 1
        title = run.title if titles[run.title] == 1 else f"{run.title} ({titles[run.title]})"
        result = results.get(number)
        yield _without_a_result(run, title) if result is None else of_result(result, title)


def _without_a_result(run: SuiteRun, title: str) -> TestSuite:
    name = f"{_PREFIX}.{package_name(title)}"
    told = {"experiment": run.experiment, "profile": run.profile or "", "state": run.state}
    case = Case("the experiment was run", name, "skipped", "", run.why, run.why)
    if run.state != "skipped":
        why = f"exit code {run.exit_code}: {run.why}" if run.state == "broken" else f"not run: {run.why}"
        case = Case(case.name, name, "error", run.state, why, why)
    return TestSuite(name, (case,), 0.0, properties=told)
