"""Every row of the table of oracles in its small size: no number is wrong unless the run itself said so."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from oracle_row import ROWS, find_row

TRIES = 3
"""A busy machine may leave little that the runs vouch for: then they are tried again, with another seed."""


IN_CI = ("outages", "quiet", "pushes")
"""Of the rows that take long; the others are for `make proof`."""


def of_suite(name: str) -> object:
    marks = [] if find_row(name).FAST else [pytest.mark.slow, pytest.mark.timeout(900)]
    if marks and name not in IN_CI:
        marks.append(pytest.mark.proof)
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [of_suite(name) for name in ROWS])
def test_no_number_is_wrong_unless_its_run_said_so(name: str, tmp_path: Path) -> None:
    for seed in range(TRIES):
        readings = list(find_row(name).run("small", seed, tmp_path / str(seed)))
        assert readings
        wrong = [reading for reading in readings if reading.is_out]
        assert not wrong, "\n".join(map(str, wrong))
        if 2 * sum(reading.flagged for reading in readings) <= len(readings):
            return
    warnings.warn(f"{name}: this machine was too busy for its runs to vouch for half of it", stacklevel=1)
