"""Every row of the table of oracles in its small size: no number is wrong unless the run itself said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracle_row import ROWS, find_row

FAST = [name for name in ROWS if find_row(name).FAST]
SLOW = [name for name in ROWS if name not in FAST]


def check(name: str, scratch: Path) -> None:
    readings = list(find_row(name).run("small", 0, scratch))
    assert readings
    wrong = [reading for reading in readings if reading.is_out]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("name", FAST)
def test_what_is_said_is_true(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SLOW)
def test_what_is_said_of_longer_runs_is_true(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
