"""The page on coordinated omission quotes what was measured, and what was measured shows what the page says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from chaosrun.spec.loader import load_experiment

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
PAGE = (ROOT / "docs" / "coordinated-omission.md").read_text()
sys.path[:0] = [str(PICTURES), str(ROOT / "tests" / "oracle")]

from coordinated_omission import FROZEN_S, kept_numbers  # noqa: E402
from stall_forms import Stall  # noqa: E402
from words import with_numbers  # noqa: E402

MEASURED = kept_numbers()
S = 1_000_000_000


def test_the_numbers_of_the_page_are_those_that_were_measured() -> None:
    """`make picture` writes both."""
    assert with_numbers(PAGE, MEASURED) == PAGE


def test_frozen_both_ways_to_count_show_it_and_a_closed_loop_does_not() -> None:
    frozen = MEASURED.freeze
    assert frozen.uncorrected.p99 == pytest.approx(frozen.corrected.p99, rel=0.01)
    assert frozen.locust.p99 < 0.1 * frozen.corrected.p99
    assert frozen.locust.over_1s == 50


def test_crashed_only_the_corrected_times_show_it() -> None:
    crashed = MEASURED.crash
    assert crashed.uncorrected.max < 0.1 * crashed.corrected.p99
    assert crashed.locust.max < 0.1 * crashed.corrected.p99
    assert crashed.locust.failures > 0


def test_the_frozen_run_keeps_to_the_closed_form() -> None:
    """To a tenth: the bridge works off its backlog, and how long the run took is known from its requests only."""
    corrected = MEASURED.freeze.corrected
    span = corrected.count * S // 100
    form = Stall(length=round(FROZEN_S * S), span=span, period=S // 2)
    assert corrected.p99 / 1e3 == pytest.approx(form.corrected(0.99) / S, rel=0.1)


def test_the_example_of_the_closed_form_is_computed_right() -> None:
    form = Stall(length=6 * S, span=120 * S, period=S // 2)
    assert form.corrected(0.99) == pytest.approx(4.8 * S)
    assert "users wait 4.8 s or more" in PAGE
    assert (form.span - form.length + form.period) / form.period == 229
    assert "one\nlong time in 229, or 0.44%" in PAGE


@pytest.mark.parametrize("name", ["freeze", "crash"])
def test_the_experiments_of_the_page_are_valid(name: str) -> None:
    assert load_experiment(PICTURES / f"{name}.yaml").experiment.title


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[^`]+\.py)::([^`]+)`", PAGE)
    assert named
    assert all(f"def {test}(" in (ROOT / path).read_text() for path, test in named)
