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


def test_every_bad_file_has_its_message_and_every_message_its_file() -> None:
    assert sorted(path.stem for path in BAD.glob("*.txt")) == FILES


def test_a_message_is_a_line_that_names_the_place_and_shows_as_it_is() -> None:
    for path in BAD.glob("*.txt"):
        for line in path.read_text().splitlines():
            file, *_ = line.split(": ")
            assert file.partition(":")[0].endswith(".yaml"), line
            assert line.isprintable(), line
