"""The reports over several experiments: every one says the same, is the same each time, and trusts no text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hand_built import FAILED, PASSED
from junit_shape import out_of_shape
from msgspec.structs import replace
from suite_built import BROKEN, SKIPPED, SUITES, built

from chaosrun.reports._github import suite_commands
from chaosrun.reports._markup import Markup
from chaosrun.reports._suite_files import SuiteReports
from chaosrun.reports._suite_junit import suite_document
from chaosrun.reports._suite_page import Drawn, page_of, render_suite_page
from chaosrun.reports._suite_summary import suite_markdown
from chaosrun.reports._suite_terminal import render_suite
from chaosrun.reports._suite_words import ended, time_to_recover, why
from chaosrun.reports.summary import LIMIT

NAMES = pytest.mark.parametrize("name", SUITES)
GOLDEN = Path(__file__).parent / "golden"


def junit(name: str) -> ET.Element:
    return ET.fromstring(suite_document(*SUITES[name]))


# ---- junit.xml ------------------------------------------------------------------------------------------------------


@NAMES
def test_junit_is_green_exactly_where_the_exit_code_is_0(name: str) -> None:
    suite, _ = SUITES[name]
    cases = list(junit(name).iter("testcase"))
    amiss = [case for case in cases if case.find("error") is not None or case.find("failure") is not None]
    assert (not amiss) == (suite.exit_code == 0)


@NAMES
def test_junit_has_a_suite_for_each_experiment_and_one_over_all(name: str) -> None:
    suite, _ = SUITES[name]
    suites = junit(name).findall("testsuite")
    assert len(suites) == len(suite.runs) + 1
    names = [each.attrib["name"] for each in suites[1:]]
    assert len(set(names)) == len(names), "GitLab keeps one of each name"
    assert all(each.findall("testcase") for each in suites)


@NAMES
def test_junit_has_the_shape_that_its_readers_take(name: str) -> None:
    assert out_of_shape(junit(name)) == []


@NAMES
def test_the_counts_of_junit_are_those_of_its_cases(name: str) -> None:
    root = junit(name)
    for suite in (root, *root.findall("testsuite")):
        assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
        assert int(suite.attrib["failures"]) == len(list(suite.iter("failure")))
        assert int(suite.attrib["errors"]) == len(list(suite.iter("error")))
    for suite in root.findall("testsuite"):
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))


def test_only_what_was_to_be_skipped_is_skipped_and_what_broke_off_is_an_error() -> None:
    cases = {case.attrib["classname"]: case for case in junit("failed").iter("testcase")}
    assert cases["chaosrun.Another one (2)"].find("skipped") is not None
    error = cases["chaosrun.Another one"].find("error")
    assert error is not None
    assert error.attrib["message"] == "exit code 69: role server is not running"
    assert junit("interrupted").find("testsuite[3]/testcase/error") is not None


# ---- the terminal ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["passed", "failed", "interrupted", "all-skipped"])
def test_the_summary_is_as_it_was_agreed_upon(name: str) -> None:
    told = render_suite(SUITES[name][0], Path("reports/SUITE/suite.html"), width=100)
    assert told == (GOLDEN / f"suite-{name}.txt").read_text()


@NAMES
@pytest.mark.parametrize("width", [80, 100])
def test_no_line_of_the_summary_is_wider_than_the_terminal(name: str, width: int) -> None:
    told = render_suite(SUITES[name][0], Path("reports"), width=width)
    assert max(map(len, told.splitlines())) <= width
    assert "\x1b" not in told
    assert told == render_suite(SUITES[name][0], Path("reports"), width=width)


def test_a_line_says_why_an_experiment_did_not_pass() -> None:
    told = render_suite(SUITES["failed"][0], Path("reports"), width=200)
    assert "2 2-some.yaml: broken: requests.lost_connected in whole, recovery within in whole" in told
    assert "5 5-other.yaml: exit 69: role server is not running" in told
    assert "6 6-other.yaml: no netem is here" in told


def test_a_profile_is_told_with_each_only_where_they_differ() -> None:
    suite, _ = SUITES["passed"]
    assert "profile smoke" in render_suite(suite, Path("r"))
    mixed = replace(suite, runs=(suite.runs[0], replace(suite.runs[1], profile=None)))
    assert "1-some.yaml (smoke)" in render_suite(mixed, Path("r"))


def test_the_words_of_a_row() -> None:
    (row,) = built([FAILED])[0].runs
    assert ended(replace(row, runs=6, runs_passed=4)) == "failed (4/6)"
    assert time_to_recover(replace(row, ttr_s=None, ttr_above_s=30.0)) == "> 30 s"
    assert time_to_recover(replace(row, absorbed=True)) == "no impact"
    assert why(replace(row, broken=(), unknown=("x",), reasons=("a guard", "unknown: x"))) == "a guard"
    assert why(replace(row, broken=tuple("abcde"), unknown=("x",), reasons=())) == (
        "broken: a, b, c and 2 more; unknown: x"
    )
    assert why(built([PASSED])[0].runs[0]) == ""


# ---- summary.md -----------------------------------------------------------------------------------------------------


@NAMES
def test_the_markdown_has_a_row_for_each(name: str) -> None:
    suite, _ = SUITES[name]
    told = suite_markdown(suite).decode()
    rows = [line for line in told.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(suite.runs)
    assert all(line.count("|") == 9 for line in rows), "no text of others breaks the table"
    assert suite.verdict in told.splitlines()[0]


def test_of_very_many_those_that_passed_are_left_out_first() -> None:
    suite, _ = built([PASSED] * 500 + [FAILED])
    page = suite_markdown(suite)
    assert len(page) <= LIMIT
    assert b"501-some.yaml" in page
    assert b"and 301 more" in page


# ---- annotations ----------------------------------------------------------------------------------------------------


@NAMES
def test_annotations_are_commands_of_one_line_each_with_the_verdict_last(name: str) -> None:
    suite, results = SUITES[name]
    lines = suite_commands(suite, results)
    assert all(re.match(r"::(error|warning|notice) (file|title)=", line) and "\n" not in line for line in lines)
    assert lines[-1].startswith("::notice")
    assert any(line.startswith("::error") for line in lines) or suite.exit_code in (0, 3)


def test_what_weighs_most_is_annotated_first() -> None:
    suite, results = built([SKIPPED, FAILED, BROKEN])
    levels = [line.split(" ", 1)[0] for line in suite_commands(suite, results)]
    assert levels == sorted(levels, key=["::error", "::warning", "::notice"].index)


# ---- suite.html -----------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@NAMES
def test_the_page_needs_nothing_and_runs_nothing(name: str) -> None:
    page = render_suite_page(*SUITES[name], {})
    found = Links(page).elements
    assert not {tag for tag, _ in found} & {"script", "img", "iframe", "link", "object", "form"}
    assert not [attrs for _, attrs in found if any(key.startswith("on") for key in attrs)]
    policy = next(attrs["content"] for tag, attrs in found if tag == "meta" and "http-equiv" in attrs)
    assert (policy or "").startswith("default-src 'none'; style-src 'sha256-")


@NAMES
def test_the_page_tells_of_each_experiment(name: str) -> None:
    suite, results = SUITES[name]
    page = render_suite_page(suite, results, {})
    assert page == render_suite_page(suite, results, {})
    assert page.count(b'class="panel one"') == len(suite.runs)


def test_the_page_leads_to_that_of_each_run() -> None:
    suite, results = SUITES["passed"]
    drawn = {1: Drawn(Markup("<svg></svg>"), page_of("RUN-1")), 2: Drawn(Markup(""), page_of("a b", "R#2"))}
    links = [attrs["href"] for tag, attrs in Links(render_suite_page(suite, results, drawn)).elements if tag == "a"]
    assert links == ["RUN-1/report.html", "a%20b/R%232/report.html"] * 2


# ---- files ----------------------------------------------------------------------------------------------------------


def test_each_report_is_a_file_and_one_kind_can_be_drawn_alone(tmp_path: Path) -> None:
    suite, results = SUITES["failed"]
    assert SuiteReports(["junit"]).draw_suite(tmp_path, suite, results) == []
    assert [file.name for file in tmp_path.iterdir()] == ["junit.xml"]
    assert SuiteReports().draw_suite(tmp_path, suite, results) == []
    assert {file.name for file in tmp_path.iterdir()} == {"junit.xml", "summary.md", "suite.html"}


def test_a_report_that_breaks_keeps_no_other_from_being_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("chaosrun.reports._suite_files.suite_document", broken)
    (error,) = SuiteReports().draw_suite(tmp_path, *SUITES["passed"])
    assert "junit.xml over all could not be drawn (ZeroDivisionError" in str(error)
    assert {file.name for file in tmp_path.iterdir()} == {"summary.md", "suite.html"}
