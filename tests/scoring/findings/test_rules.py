"""What holds for the findings as a whole."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from findings_of import crashed, findings, of, sampled
from storybook import S, Story, group, ms, s

from chaosrun.records import Lag, Refused
from chaosrun.scoring.findings import MOST, RULES
from chaosrun.scoring.findings._rule import SEVERITIES
from chaosrun.scoring.histogram import bucket_of

PAGE = Path(__file__).parents[3] / "docs" / "findings.md"
TESTS = Path(__file__).parent


def test_names_of_rules_are_unique_and_in_kebab_case() -> None:
    names = [rule.id for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
    assert all(rule.less_than < set(names) for rule in RULES)


def test_every_rule_is_in_the_table_of_the_documentation_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(rule.id for rule in RULES)


def test_every_rule_has_a_history_that_triggers_it_and_one_that_does_not() -> None:
    """By the text of the tests beside this one, which ask for a rule by its name."""
    tests = "\n".join(path.read_text() for path in TESTS.glob("test_*.py"))
    for rule in RULES:
        asked = re.findall(rf'"{rule.id}"\)( is None)?', tests)
        assert "" in asked, f"nothing triggers {rule.id}"
        assert " is None" in asked, f"nothing close by leaves {rule.id} silent"


def test_a_clean_recovery_has_nothing_to_find() -> None:
    assert findings(crashed().history()) == []


def test_the_gravest_come_first_and_nobody_has_to_read_more_than_a_few() -> None:
    story = crashed(plan=group(clients=8)).lose(0, s(25)).errors(s(20), s(24))
    history = story.history()
    turned = [
        Refused(t=s(1) + i, g=0, c=i, why=why, status=status)
        for i, (why, status) in enumerate([("tls", None), ("dns", None), ("http", 403), ("http", 503)])
    ]
    history = replace(history, refused=[*turned, *history.refused])
    for role in ("a", "b", "c", "d"):
        history = sampled(history, role, [0.99] * 38)
    found = findings(history)
    ranks = [SEVERITIES.index(each.severity) for each in found]
    assert ranks == sorted(ranks)
    assert found[0].severity == "critical"
    assert len(found) == MOST


def test_an_observer_that_stood_still_leaves_only_what_is_about_itself() -> None:
    history = crashed(plan=group(clients=8)).lose(0, s(20), s(21)).errors(s(20), s(24)).history()
    assert of(history, "errors-after-reconnect")
    still = [Lag(t=s(t), span_ns=S, buckets={bucket_of(ms(1500)): 1}, max_ns=ms(1500)) for t in range(1, 43)]
    assert {each.rule for each in findings(replace(history, lags=still))} == {"observer-unsound"}


def test_a_load_test_that_holds_has_nothing_to_find() -> None:
    assert findings(Story(group(clients=8)).history()) == []
