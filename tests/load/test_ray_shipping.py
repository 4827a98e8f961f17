"""Records on their way from a node to the run folder: the same bytes, in order, never half of a line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.errors import Unwritable
from chaosrun.journal import JOURNAL, SAMPLES
from chaosrun.load.on_ray import shipping
from chaosrun.load.on_ray.scratch import LOCK, PREFIX, Scratch
from chaosrun.load.on_ray.shipping import Growing, Kept
from chaosrun.load.on_ray.wire import Piece


@pytest.fixture
def ends(tmp_path: Path) -> tuple[Path, Path]:
    node, run = tmp_path / "node", tmp_path / "run"
    for folder in (node, run):
        (folder / SAMPLES).mkdir(parents=True)
    return node, run


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


Written = st.lists(st.tuples(st.sampled_from((JOURNAL, "slots", "pushes")), st.binary(max_size=40)), max_size=30)


@settings(max_examples=60)
@given(written=Written, most=st.integers(1, 50))
def test_what_was_written_arrives_byte_for_byte_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, bytes]], most: int
) -> None:
    node, run = tmp_path_factory.mktemp("node"), tmp_path_factory.mktemp("run")
    (node / SAMPLES).mkdir()
    growing, kept = Growing(node, "load-0"), Kept(run, "load-0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shipping, "MOST_BYTES", most)
        for name, data in written:
            add(node / JOURNAL if name == JOURNAL else node / SAMPLES / f"load-0.{name}", data)
            kept.keep(growing.take())
            arrived = (run / JOURNAL).read_bytes() if (run / JOURNAL).exists() else b""
            assert arrived == b"" or arrived.endswith(b"\n"), "others write between"
        if (node / JOURNAL).exists():
            add(node / JOURNAL, b"\n")
        for pieces in growing.take_all():
            kept.keep(pieces)
    kept.close()
    for path in (JOURNAL, f"{SAMPLES}/load-0.slots", f"{SAMPLES}/load-0.pushes"):
        there = (node / path).read_bytes() if (node / path).exists() else b""
        here = (run / path).read_bytes() if (run / path).exists() else b""
        assert here == there, path


def test_undecided_slots_come_anew_each_time_they_are_written(ends: tuple[Path, Path]) -> None:
    node, run = ends
    growing, kept = Growing(node, "load-0"), Kept(run, "load-0")
    for text in (b"first, and long", b"second"):
        (node / SAMPLES / "load-0.pending").write_bytes(text)
        kept.keep(growing.take())
        assert (run / SAMPLES / "load-0.pending").read_bytes() == text
    assert growing.take() == ()


def test_a_full_disk_keeps_no_other_file_back_and_nothing_is_lost(ends: tuple[Path, Path]) -> None:
    _, run = ends
    (run / SAMPLES / "load-0.slots").symlink_to("/dev/full")
    kept = Kept(run, "load-0")
    with pytest.raises(Unwritable, match=r"load-0\.slots"):
        kept.keep((Piece(file="slots", data=b"rows"), Piece(file="pushes", data=b"more")))
    assert (run / SAMPLES / "load-0.pushes").read_bytes() == b"more"
    kept.close()


@pytest.mark.parametrize("piece", [Piece(file="../x", data=b""), Piece(file="slots", data=b"", whole=True)])
def test_a_node_writes_nothing_but_a_workers_files(ends: tuple[Path, Path], piece: Piece) -> None:
    with pytest.raises(ValueError, match="no file"):
        Kept(ends[1], "load-0").keep((piece,))


def test_what_a_killed_worker_left_on_its_node_is_removed_by_the_next_and_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / LOCK).touch()
    (tmp_path / f"{PREFIX}new").mkdir()
    first = Scratch()
    second = Scratch()
    assert not left.exists()
    assert first.path.is_dir() and second.path.is_dir(), "both live"
    assert (tmp_path / f"{PREFIX}new").is_dir(), "it may have only just been made"
    first.remove()
    second.remove()
    assert [each.name for each in tmp_path.iterdir()] == [f"{PREFIX}new"]
