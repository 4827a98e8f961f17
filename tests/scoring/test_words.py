"""How a recovery is told in a few words, in rows, notes and notices."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from chaosrun.scoring.words import how_it_recovered


class Run(NamedTuple):
    absorbed: bool | None = None
    ttr_s: float | None = None
    ttr_above_s: float | None = None


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (Run(absorbed=True, ttr_s=0.0), "no impact"),
        (Run(absorbed=False, ttr_s=2.0), "recovered in 2 s"),
        (Run(absorbed=False, ttr_above_s=30.0), "not recovered within 30 s"),
        (Run(), ""),
    ],
)
def test_a_recovery_in_a_few_words(run: Run, told: str) -> None:
    assert how_it_recovered(run) == told
