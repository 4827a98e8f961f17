"""`junit.xml`: valid for the readers of CI tools, and green only where something was proved."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hand_built import ABORTED, ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED, UNSOUND
from hostile import hostile
from junit_shape import out_of_shape
from msgspec.structs import replace

from chaosrun.errors import Exit
from chaosrun.reports.junit import document
from chaosrun.scoring.repeats import Trial, combine
from chaosrun.scoring.result import Result

RESULTS = {
    "passed": PASSED,
    "failed": FAILED,
    "never-recovered": NEVER_RECOVERED,
    "inconclusive": INCONCLUSIVE,
    "aborted": ABORTED,
    "dirty": DIRTY,
    "unsound": UNSOUND,
    "absorbed": ABSORBED,
    "hostile": hostile(),
}


def parsed(result: Result) -> ET.Element:
    return ET.fromstring(document(result))


def cases(result: Result) -> list[ET.Element]:
    return parsed(result).findall("testsuite/testcase")


@pytest.mark.parametrize("name", RESULTS)
def test_it_has_the_shape_of_the_schema(name: str) -> None:
    assert out_of_shape(parsed(RESULTS[name])) == []


@pytest.mark.parametrize("name", RESULTS)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    root = parsed(RESULTS[name])
    for suite in (root, root.find("testsuite")):
        assert suite is not None
        assert int(suite.attrib["tests"]) == len(list(root.iter("testcase")))
        assert int(suite.attrib["failures"]) == len(list(root.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(root.iter("error")))


@pytest.mark.parametrize("name", RESULTS)
def test_it_is_green_exactly_where_the_run_passed(name: str) -> None:
    result = RESULTS[name]
    green = all(len(case) == 0 for case in cases(result))
    assert green == (result.exit_code == Exit.PASSED)


def test_nothing_of_a_run_is_ever_skipped() -> None:
    for result in RESULTS.values():
        assert not list(parsed(result).iter("skipped"))


def test_a_broken_criterion_is_a_failure_and_an_unknown_one_an_error() -> None:
    broken = {case.attrib["name"] for case in cases(FAILED) if case.find("failure") is not None}
    assert broken == {"recovery within in whole", "requests.lost_connected in whole"}
    unknown = [case.attrib["name"] for case in cases(INCONCLUSIVE) if case.find("error") is not None]
    assert unknown[1:] == ["usable in verify"]


def test_what_no_criterion_tells_is_an_error_of_the_run_itself() -> None:
    error = cases(UNSOUND)[0].find("error")
    assert error is not None
    assert error.text == "the observer was not sound: event-loop lag p99"
    also_failed = replace(FAILED, reasons=[*FAILED.reasons, "observer not sound: lag"])
    assert cases(also_failed)[0].find("error") is not None
    assert len(cases(FAILED)[0]) == 0


def test_where_a_failed_criterion_stands_in_the_file_is_in_its_text() -> None:
    placed = replace(FAILED.criteria[-1], where="experiments/crash.yaml:12")
    failure = cases(replace(FAILED, criteria=[placed]))[1].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.endswith("\nexperiments/crash.yaml:12")


def test_two_criteria_of_one_name_are_two_test_cases() -> None:
    twice = cases(replace(PASSED, criteria=[PASSED.criteria[0], PASSED.criteria[0]]))
    assert [case.attrib["name"] for case in twice[1:]] == ["usable in baseline", "usable in baseline (2)"]


def test_each_run_of_a_series_is_a_test_case() -> None:
    trials = [Trial("1-a", 0, PASSED), Trial("2-b", 5, FAILED), Trial("3-c", 9, None, broke=Exit.UNAVAILABLE, why="no")]
    series = combine(trials, asked=3, seed=1, cool_down_ns=0, halted=None)
    runs = [case for case in cases(series) if case.attrib["classname"].endswith(".runs")]
    assert [[child.tag for child in case] for case in runs] == [[], ["failure"], ["error"]]
    assert [case.attrib["name"] for case in runs] == ["run 1: 1-a", "run 2: 2-b", "run 3: 3-c"]


def test_the_same_result_gives_the_same_bytes() -> None:
    assert document(hostile()) == document(hostile())
