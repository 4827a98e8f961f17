"""`junit.xml`: a test case for each criterion, one for the run itself, and of a series one for each run.

The shape is that of Jenkins' `junit-10.xsd` (xunit-plugin), which the readers of GitLab and others take, too. What is
unknown is an *error*, never *skipped*: nobody counts a skipped test against a build, and what was not proved must not
look like success. Two test cases of one name are told apart by a number, since GitLab ("Unit test reports") keeps only
the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from xml.etree import ElementTree as ET

from chaosrun.foreign import clean
from chaosrun.reports._base import ScoredRun
from chaosrun.reports._criteria import limit_told, value_told
from chaosrun.reports._story import headline, reasons_apart, seconds, story
from chaosrun.scoring.result import Criterion, RepeatedRun, Result

_SUITE: Final = "chaosrun"
_PROVED: Final = ("passed", "failed")
"""Verdicts of a run that could be judged, whatever came of it."""


@dataclass(frozen=True)
class Case:
    """A test case."""

    name: str
    classname: str
    outcome: Literal["failure", "error", "skipped"] | None = None
    """None: passed."""
    kind: str = ""
    why: str = ""
    detail: str = ""


def render(run: ScoredRun) -> Mapping[str, bytes]:
    return {"junit.xml": document(run.result)}


def document(result: Result) -> bytes:
    """The XML of a run or a series, the same for the same result."""
    return whole([of_result(result)], result.duration_s)


@dataclass(frozen=True)
class TestSuite:
    """A suite of test cases, as the readers of the format mean it: here one experiment."""

    __test__ = False  # to pytest it looks like tests

    name: str
    cases: Sequence[Case]
    took_s: float
    began: str = ""
    """In UTC."""
    properties: Mapping[str, str] = field(default_factory=dict)
    out: str = ""

    @property
    def sums(self) -> Counter[str]:
        """Of test cases, and of those that are amiss, each kind."""
        kinds = Counter(case.outcome for case in self.cases)
        return Counter(
            tests=len(self.cases), failures=kinds["failure"], errors=kinds["error"], skipped=kinds["skipped"]
        )


def of_result(result: Result, name: str | None = None) -> TestSuite:
    """A run or a series as a suite.

    Args:
        name: None: the title.
    """
    package = f"{_SUITE}.{package_name(name or result.title)}"
    told = {
        "verdict": result.verdict,
        "exit_code": str(result.exit_code),
        "profile": result.profile or "",
        "chaosrun_version": result.chaosrun_version,
        "fingerprint": result.fingerprint,
    }
    cases = tuple(_cases(result, package))
    return TestSuite(package, cases, result.duration_s, result.started_at, told, " ".join(story(result)))


def whole(suites: Sequence[TestSuite], took_s: float | None) -> bytes:
    """The XML of these suites.

    Args:
        took_s: all of them together; None: nobody knows.
    """
    sums: Counter[str] = Counter()
    for suite in suites:
        sums.update(suite.sums)
    took = sum(suite.took_s for suite in suites) if took_s is None else took_s
    root = _element(
        "testsuites", name=_SUITE, time=f"{took:.3f}", **{name: sums[name] for name in ("tests", "failures", "errors")}
    )
    root.extend(map(_testsuite, suites))
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


# ---- what is a case -------------------------------------------------------------------------------------------------


def _cases(result: Result, package: str) -> Iterator[Case]:
    yield _run(result, package)
    for criterion in result.criteria:
        yield _criterion(criterion, package)
    if result.repeats is not None:
        for number, run in enumerate(result.repeats.runs, 1):
            yield _repeated(run, number, package)


def _run(result: Result, package: str) -> Case:
    """Whether the run proves anything: sound, complete, and everything left as it was found."""
    name = "the run can be judged, and left everything as it was found"
    apart = reasons_apart(result)
    if result.verdict in _PROVED and not apart:
        return Case(name, package)
    told = "\n".join(apart or result.reasons)
    return Case(name, package, "error", result.verdict, f"{result.verdict}: {headline(result)}", told)


def _criterion(criterion: Criterion, package: str) -> Case:
    name, group = f"{criterion.name} in {criterion.window}", f"{package}.{package_name(criterion.source)}"
    if criterion.outcome is True:
        return Case(name, group)
    value = "unknown" if criterion.value is None else value_told(criterion)
    detail = f"{criterion.why}\nvalue: {value}\nlimit: {limit_told(criterion)}\n{criterion.where}"
    if criterion.outcome is False:
        return Case(name, group, "failure", "criterion", criterion.why, detail)
    return Case(name, group, "error", "unknown", f"unknown: {criterion.why}", detail)


def _repeated(run: RepeatedRun, number: int, package: str) -> Case:
    name, group = f"run {number}: {run.folder}", f"{package}.runs"
    if run.verdict == "passed":
        return Case(name, group)
    above = f"not recovered after {seconds(run.censored_above_s)}"
    ttr = above if run.censored_above_s is not None else f"recovered in {seconds(run.ttr_s)}"
    told = f"{run.verdict or 'it broke off without a result'}; exit code {run.exit_code}; {ttr}"
    return Case(name, group, "failure" if run.verdict == "failed" else "error", run.verdict or "broken", told, told)


def _numbered(cases: Iterable[Case]) -> Iterator[Case]:
    """Each with a name of its own."""
    seen: Counter[tuple[str, str]] = Counter()
    for case in cases:
        seen[case.classname, case.name] += 1
        number = seen[case.classname, case.name]
        yield case if number == 1 else replace(case, name=f"{case.name} ({number})")


# ---- XML ------------------------------------------------------------------------------------------------------------


def _testcase(case: Case) -> ET.Element:
    element = _element("testcase", name=case.name, classname=case.classname, time="0.000")
    if case.outcome is not None:
        kind = {"type": case.kind} if case.kind else {}
        wrong = _element(case.outcome, **kind, message=case.why)
        wrong.text = "\n".join(map(clean, case.detail.splitlines()))
        element.append(wrong)
    return element


def _testsuite(suite: TestSuite) -> ET.Element:
    sums = suite.sums
    began = {"timestamp": suite.began[:19]} if suite.began else {}  # without a zone, as the readers expect it
    element = _element(
        "testsuite",
        name=suite.name,
        time=f"{suite.took_s:.3f}",
        **began,
        skipped=sums["skipped"],
        tests=sums["tests"],
        failures=sums["failures"],
        errors=sums["errors"],
    )
    properties = _element("properties")
    properties.extend(_element("property", name=name, value=value) for name, value in suite.properties.items())
    element.append(properties)
    element.extend(_testcase(case) for case in _numbered(suite.cases))
    out = _element("system-out")
    out.text = clean(suite.out)
    element.append(out)
    return element


def _element(tag: str, **attributes: str | int) -> ET.Element:
    """`clean` takes what XML 1.0 (section 2.2) allows no document to hold: controls, surrogates, noncharacters."""
    return ET.Element(tag, {name: clean(str(value)) for name, value in attributes.items()})


def package_name(name: str) -> str:
    """A title as one step of a class name: Jenkins cuts those at dots."""
    return clean(name).replace(".", " ").strip() or "-"
