"""What counts as wrong, and what the table says of it."""

from __future__ import annotations

from math import inf, nan

import pytest
from oracle_row import Reading, exact, near
from oracle_table import table


@pytest.mark.parametrize(
    ("reading", "is_out"),
    [
        (Reading("R", 0.010, 0.010), False),
        (Reading("R", 0.011, 0.010), True),
        (Reading("R", 0.011, 0.010, flagged=True), False),
        (Reading("R", nan, 0.010), True),
        (near("R", 1.5, 1.2, 0.1), True),
        (near("R", 1.25, 1.2, 0.1), False),
        (near("R", None, 1.2, 0.1), False),
        (exact("relapses", 2, 2), False),
        (exact("relapses", None, 0), True),
    ],
)
def test_out_is_what_is_wrong_and_not_flagged(reading: Reading, is_out: bool) -> None:
    assert reading.is_out is is_out


def test_the_table_has_a_line_for_each_quantity_with_its_worst_reading() -> None:
    readings = [Reading("R", 0.002, 0.01), Reading("back", inf, 0.01, flagged=True), Reading("R", 0.5, 0.02)]
    header, of_r, of_back = (line.split() for line in table(readings))
    assert header == ["quantity", "count", "median", "worst", "bound", "unit", "flagged", "out"]
    assert of_r == ["R", "2", "0.251", "0.5", "0.01..0.02", "s", "0", "1"]
    assert of_back == ["back", "1", "inf", "inf", "0.01", "s", "1", "0"]
