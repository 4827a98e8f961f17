"""What users read when a file is wrong: each bad file beside the exact text, with file, line and column."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaosrun.errors import SpecError
from chaosrun.spec.loader import load_experiment

BAD = Path(__file__).parent / "bad"
FILES = sorted(path.stem for path in BAD.glob("[!_]*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_answered_with_all_that_is_wrong_and_where(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(SpecError) as caught:
        load_experiment(f"{name}.yaml", env={})
    said = str(caught.value) + "\n"
    expected = BAD / f"{name}.txt"
    if os.environ.get("WRITE_EXPECTED"):  # then read the difference before you commit it
        expected.write_text(said)
    assert said == expected.read_text()
