"""What an actor records on its node comes whole, and what it left behind is removed without touching another's."""

from __future__ import annotations

import asyncio
import fcntl
import tempfile
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chaosrun.load.on_ray import scratch, shipping
from chaosrun.load.on_ray.host import Host
from chaosrun.load.on_ray.scratch import Scratch
from chaosrun.load.on_ray.shipping import Growing, Kept
from chaosrun.load.on_ray.wire import Delta
from chaosrun.load.wire import Done, Live, line

ANSWER = line(Done())
PICTURE = line(Live(t=1, groups=()))


def test_an_answer_comes_after_all_that_was_recorded_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (there / "samples").mkdir(parents=True)
    monkeypatch.setattr(shipping, "MOST_BYTES", 1_000)
    recorded = b"".join(b'{"n":%d}\n' % number for number in range(1_000))
    (there / "journal.jsonl").write_bytes(recorded)
    kept = Kept(here, "load-0")
    for delta in said(there, (PICTURE, ANSWER)):
        kept.keep(delta.pieces)
        if ANSWER in delta.lines:
            break
    assert (here / "journal.jsonl").read_bytes() == recorded
    kept.close()


def test_a_picture_does_not_wait_for_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker with much to bring would be told as silent."""
    (tmp_path / "samples").mkdir()
    monkeypatch.setattr(shipping, "MOST_BYTES", 1_000)
    (tmp_path / "journal.jsonl").write_bytes(b"{}\n" * 10_000)
    first, *_ = said(tmp_path, (PICTURE,))
    assert first.lines == (PICTURE,)


def said(folder: Path, lines: tuple[bytes, ...]) -> list[Delta]:
    """All deltas of an actor that has recorded in `folder`, says these lines and ends."""

    class Kept(Scratch):
        def __init__(self) -> None:
            pass

        def remove(self) -> None:
            pass

    async def act() -> list[bytes]:
        host = Host()
        host._records, host._folder = Growing(folder, "load-0"), Kept()
        host._lines, host._over = list(lines), True
        host._told.set()
        return [packed async for packed in host.deltas()]

    found = [msgspec.msgpack.decode(zlib.decompress(each), type=Delta) for each in asyncio.run(act())]
    assert [delta.number for delta in found] == list(range(len(found)))
    return found


def test_a_folder_is_never_there_with_a_lock_that_nobody_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker of the node, which begins at the same moment, would remove it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = fcntl.flock

    def beside(lock: int, how: int) -> Any:
        for folder in tmp_path.glob(f"{scratch.PREFIX}*"):
            with monkeypatch.context() as inner:
                inner.setattr(fcntl, "flock", held)
                scratch._remove_if_left(folder)
        return held(lock, how)

    monkeypatch.setattr(fcntl, "flock", beside)
    mine = Scratch()
    assert mine.path.is_dir()
    monkeypatch.setattr(fcntl, "flock", held)
    other = Scratch()
    assert mine.path.is_dir()
    mine.remove()
    other.remove()
    assert list(tmp_path.iterdir()) == []
