"""`metrics.prom`: read back by the parsers of OpenMetrics and of Prometheus, number by number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hand_built import ABORTED, ABSORBED, DIRTY, FAILED, INCONCLUSIVE, NEVER_RECOVERED, PASSED, UNSOUND
from hostile import EVIL, hostile
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from chaosrun.foreign import clean
from chaosrun.reports.openmetrics import exposition
from chaosrun.scoring.result import Result

RESULTS = (PASSED, FAILED, NEVER_RECOVERED, INCONCLUSIVE, ABORTED, DIRTY, UNSOUND, ABSORBED, hostile())


def samples(result: Result) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in openmetrics(exposition(result).decode()):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("chaosrun_result_"), []).append((sample.labels, sample.value))
    return found


def value(result: Result, name: str, **labels: str) -> float:
    [(_, found)] = [pair for pair in samples(result)[name] if labels.items() <= pair[0].items()]
    return found


@pytest.mark.parametrize("result", RESULTS)
def test_both_parsers_read_it_and_every_family_tells_what_it_is(result: Result) -> None:
    text = exposition(result).decode()
    strict = list(openmetrics(text))
    assert text.endswith("# EOF\n")
    assert len(list(prometheus(text))) == len(strict) > 20
    for family in strict:
        assert family.documentation
        assert family.type in ("gauge", "summary")
        assert not family.unit or family.name.endswith(f"_{family.unit}")


def test_exactly_the_verdict_is_1() -> None:
    told = {labels["verdict"]: found for labels, found in samples(FAILED)["verdict"]}
    assert told == {"passed": 0, "failed": 1, "inconclusive": 0, "aborted": 0, "dirty": 0}
    assert value(FAILED, "exit_code") == 1


def test_times_are_in_seconds() -> None:
    assert value(PASSED, "recovery_seconds") == 2.249
    assert value(PASSED, "back_seconds", share="0.99") == 2.21
    assert value(PASSED, "response_seconds", group="accounts", phase="all", quantile="0.99") == 1.8465
    assert value(PASSED, "response_max_seconds") == 2.2457
    assert value(PASSED, "response_seconds_count") == 15_000
    assert value(PASSED, "response_seconds_sum") == pytest.approx(918)


def test_what_is_not_known_has_no_sample() -> None:
    found = samples(NEVER_RECOVERED)
    assert "recovery_seconds" not in found
    assert "outage_seconds" not in found
    assert value(NEVER_RECOVERED, "recovery_above_seconds") == 60
    assert value(NEVER_RECOVERED, "never_back_clients") == 112
    assert "affected_clients" not in samples(INCONCLUSIVE)


def test_the_classes_of_the_ledgers_add_up() -> None:
    found = samples(FAILED)
    assert sum(count for _, count in found["requests"]) == value(FAILED, "requests_due") == 15_000
    assert sum(count for _, count in found["pushes"]) == value(FAILED, "pushes_owed") == 74_400
    assert value(FAILED, "requests", **{"class": "lost_at_break"}) == 12


def test_each_criterion_has_its_outcome_and_its_value_in_its_unit() -> None:
    outcomes = {labels["number"]: labels["outcome"] for labels, _ in samples(FAILED)["criterion"]}
    assert list(outcomes.values()) == ["held"] * 5 + ["broken"] * 2
    assert value(FAILED, "criterion_value_seconds", criterion="recovery within") == 12.4
    assert value(FAILED, "criterion_limit_seconds", criterion="recovery within") == 10
    assert value(FAILED, "criterion_value_ratio", criterion="usable", window="verify") == 1
    assert value(FAILED, "criterion_value", criterion="requests.lost_connected") == 41
    assert [labels["outcome"] for labels, _ in samples(INCONCLUSIVE)["criterion"]] == ["broken", "unknown"]


def test_two_criteria_of_one_name_are_two_samples() -> None:
    twice = replace(PASSED, criteria=[PASSED.criteria[0], PASSED.criteria[0]])
    assert len(samples(twice)["criterion"]) == 2


def test_names_of_others_stay_inside_their_labels() -> None:
    [group] = {labels["group"] for labels, _ in samples(hostile())["requests_due"]} - {"b"}
    assert group == clean(EVIL)
    assert exposition(hostile()).decode().count("\n# EOF") == 1


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "machine-formats.md").read_text()
    table = page[page.index("## `metrics.prom`") : page.index("## `latency.hlog`")]
    names = {name for result in RESULTS for name in samples(result)}
    of_one_row = r"_(count|sum)$", r"_(max_seconds|censored)$", r"_(value|limit)(_\w+)?$"
    for ending in of_one_row:
        names = {re.sub(ending, "", name) for name in names}
    known = set(re.findall(r"`(\w+)`", table)) | {"response", "service", "push"}
    assert names <= known


def test_the_same_result_gives_the_same_bytes() -> None:
    assert exposition(hostile()) == exposition(hostile())
