"""The page on repeats says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from chaosrun.scoring.repeats import failure_probability_below, median_ranks
from chaosrun.scoring.result import RepeatedRun, Repeats, Spread
from chaosrun.scoring.words import show

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "repeats.md").read_text()
CONTRACT = (ROOT / "docs" / "result.md").read_text()


def rows(header: str) -> list[list[str]]:
    """The cells of the table under a header line."""
    table = PAGE[PAGE.index(header) :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", PAGE)
    assert len(named) > 15
    assert [f"{path}::{test}" for path, test in named if f"def {test}(" not in (ROOT / path).read_text()] == []


def test_the_table_of_intervals_is_what_the_statistics_say() -> None:
    found = rows("| runs | interval |")
    assert len(found) == 6
    for runs, interval, confidence in found:
        ranks = median_ranks(int(runs))
        if ranks is None:
            assert (interval, confidence) == ("none", "-")
            continue
        assert [int(number) for number in re.findall(r"\d+", interval)] == [ranks.low, ranks.high]
        assert confidence == f"{ranks.confidence:.2%}"


def test_the_table_of_proofs_is_what_the_statistics_say() -> None:
    found = rows("| runs, all passed |")
    assert len(found) == 7
    for runs, below in found:
        bound = failure_probability_below(0, int(runs))
        assert bound is not None
        assert below == show(bound, "ratio")


def test_the_page_and_the_contract_name_every_key_of_a_series() -> None:
    block = re.findall(r"```\n(repeats: .*?)```", PAGE, re.DOTALL)[0]
    contract = CONTRACT[CONTRACT.index("repeats:") : CONTRACT.index("environment:")]
    for kind in (Repeats, Spread, RepeatedRun):
        for text in (block, contract):
            assert set(kind.__struct_fields__) <= set(re.findall(r"\w+", text))
