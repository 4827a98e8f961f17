"""The folder of a run in which a disk, or somebody, has changed bytes: it is scored, or one error says why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import LOAD, record

from chaosrun.errors import ChaosrunError, Dirty, Unwritable
from chaosrun.journal import JOURNAL, SAMPLES
from chaosrun.outcome import score
from chaosrun.recorded import PROBER


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    record(folder)
    return folder


FILES = (JOURNAL, f"{SAMPLES}/{LOAD}.slots", f"{SAMPLES}/{LOAD}.pushes", f"{SAMPLES}/{PROBER}.probes")
damages = st.lists(
    st.tuples(
        st.sampled_from((*FILES, JOURNAL, JOURNAL)),
        st.sampled_from(("flip", "cut", "drop", "insert", "digit")),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=8,
)


def damaged(data: bytes, how: str, where: float, by: int) -> bytes:
    at = int(where * len(data))
    if not data:
        return bytes([by])
    match how:
        case "flip":
            return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]
        case "cut":
            return data[:at]
        case "drop":
            return data[:at] + data[at + by :]
        case "insert":
            return data[:at] + bytes([by]) * by + data[at:]
    digits = [place for place in range(at, len(data)) if chr(data[place]).isdigit()][:1]
    return b"".join([data[: digits[0]], b"%d" % (by % 10), data[digits[0] + 1 :]]) if digits else data


def test_the_run_is_one_that_can_be_scored(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    result = score(folder).result
    assert result.faults[0].undone
    assert result.messages.requests.sent == 2 * 170 - 10
    assert score(folder).result == result


def test_a_result_that_cannot_be_written_still_tells_what_became_of_the_faults(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / "result.json" / "in the way").mkdir(parents=True)
    with pytest.raises(Unwritable, match=r"(?s)result\.json: .*chaosrun score.*every fault was undone"):
        score(folder)
    journal = folder / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"type":"undone"' not in line))
    with pytest.raises(Dirty, match=r"(?s)result\.json: .*chaosrun score.*by hand: .*never undone"):
        score(folder)


@settings(max_examples=30)
@given(damage=damages)
def test_whatever_bytes_are_changed_it_is_scored_or_one_error_tells(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[str, str, float, int]]
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "run"))
    for name, how, where, by in damage:
        (folder / name).write_bytes(damaged((folder / name).read_bytes(), how, where, by))
    try:
        outcome = score(folder)
    except ChaosrunError as error:
        assert str(folder) in str(error)
        assert not (folder / "result.json").exists()
    else:
        assert outcome.result.verdict in ("passed", "failed", "inconclusive", "aborted", "dirty")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("to", ["nothing", "garbage", "a folder", "gone", "a link to itself"])
def test_a_file_of_it_that_is_something_else_is_told_or_counted(
    whole: Path, tmp_path: Path, name: str, to: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / name).unlink()
    match to:
        case "nothing":
            (folder / name).touch()
        case "garbage":
            (folder / name).write_bytes(bytes(range(256)) * 20)
        case "a folder":
            (folder / name).mkdir()
        case "a link to itself":
            (folder / name).symlink_to(name.rpartition("/")[2])
    try:
        result = score(folder).result
    except ChaosrunError as error:
        assert str(folder) in str(error)
    else:
        assert result.verdict == "inconclusive", "what is lost clouds what is judged"
