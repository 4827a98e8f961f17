"""A run that was recorded well, and of which something is lost afterwards: `chaosrun score` notices, each time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harmed import harmed, invalid, only_these_are_unknown
from sabotages import Sabotage, Sabotaged

from chaosrun.journal import ProbeRows, PushRows, SlotRows
from chaosrun.recorded import read_run
from chaosrun.scoring.result import Result, decode

MAGIC = 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sabotaged:
    return harmed(Sabotage(checks=(), unknown=frozenset()), tmp_path_factory.mktemp("whole"))


def scored(folder: Path) -> Sabotaged:
    """What the command makes of it."""
    done = subprocess.run(
        [sys.executable, "-m", "chaosrun", "score", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    result: Result = decode((folder / "result.json").read_bytes())
    assert done.returncode == result.exit_code, done.stderr
    return Sabotaged(result, folder, read_run(folder).history)


def copied(whole: Sabotaged, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.folder, tmp_path / "copy"))


def cut(path: Path, width: int) -> None:
    """Three rows out of the middle."""
    data = path.read_bytes()
    middle = MAGIC + (len(data) - MAGIC) // width // 2 * width
    path.write_bytes(data[:middle] + data[middle + 3 * width :])


def torn_line(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if b'"w":"load-0"' in line and place > len(lines) // 2)
    lines[place] = lines[place][: len(lines[place]) // 2] + b"\n"
    journal.write_bytes(b"".join(lines))


def dropped_line(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    del lines[next(place for place, line in enumerate(lines) if b'"type":"lag"' in line and place > len(lines) // 2)]
    journal.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    "damage",
    [
        torn_line,
        dropped_line,
        lambda folder: cut(folder / "samples" / "load-0.slots", 8 * SlotRows.columns),
        lambda folder: cut(folder / "samples" / "load-0.pushes", 8 * PushRows.columns),
        lambda folder: (folder / "samples" / "load-0.slots").unlink(),
        lambda folder: (folder / "samples" / "load-0.pushes").unlink(),
    ],
    ids=["a torn line", "a dropped line", "dropped slots", "dropped pushes", "no slots", "no pushes"],
)
def test_records_that_are_lost_cloud_every_count_and_nothing_else(
    damage: Callable[[Path], None], whole: Sabotaged, tmp_path: Path
) -> None:
    folder = copied(whole, tmp_path)
    damage(folder)
    told = scored(folder)
    assert told.result.verdict == "inconclusive"
    lost = invalid(told, "lost journal records")
    assert told.outcomes()["requests.lost_connected"] is None
    assert told.outcomes()["push.lost"] is None
    assert not [metric for metric, outcome in told.outcomes().items() if outcome is False and metric != "ttr"]
    if damage is dropped_line:
        only_these_are_unknown(told, lost)


def test_a_slot_that_is_there_twice_does_not_add_up(whole: Sabotaged, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    path = folder / "samples" / "load-0.slots"
    data = path.read_bytes()
    width = 8 * SlotRows.columns
    kinds = [data[place + 32] >> 4 for place in range(MAGIC, len(data), width)]
    place = MAGIC + kinds.index(0, len(kinds) // 2) * width
    path.write_bytes(data + data[place : place + width])
    told = scored(folder)
    assert told.result.verdict == "inconclusive"
    only_these_are_unknown(told, invalid(told, "conservation"))


@pytest.mark.parametrize("missing", [False, True])
def test_lost_probes_cloud_what_needs_the_prober_and_no_count(missing: bool, whole: Sabotaged, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    path = folder / "samples" / "prober.probes"
    if missing:
        path.unlink()
    else:
        cut(path, 8 * ProbeRows.columns)
    told = scored(folder)
    assert told.result.verdict == "inconclusive"
    only_these_are_unknown(told, invalid(told, "lost probes"))
    assert told.outcomes()["ttr"] is None
