"""What users read when a game day is wrong: each bad file beside the exact text, with file, line and column."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaosrun.errors import SpecError
from chaosrun.gameday.loader import load_day

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.stem for path in BAD.glob("[!_]*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_a_bad_day_is_answered_with_all_that_is_wrong_and_where(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(SpecError) as caught:
        load_day(f"{name}.yaml", env={})
    said = str(caught.value) + "\n"
    expected = BAD / f"{name}.txt"
    if os.environ.get("WRITE_EXPECTED"):  # then read the difference before you commit it
        expected.write_text(said)
    assert said == expected.read_text()


def test_every_bad_day_has_its_message_and_every_message_its_day() -> None:
    assert sorted(path.stem for path in BAD.glob("*.txt")) == FILES
