"""What a role writes, without secrets, however it reaches us."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun.errors import Unwritable
from chaosrun.spec.masking import MASK, Mask
from chaosrun.targets.output import Output

SECRET = "hunter2-correct-horse"
SAID = f"token={SECRET}\nwaiting for {SECRET} ... {SECRET}".encode()


def write(output: Output, pieces: list[bytes]) -> None:
    read_end, write_end = os.pipe()
    output.take(read_end)
    for piece in pieces:
        os.write(write_end, piece)
    os.close(write_end)
    output.settle(10)


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(0, len(SAID)), max_size=6))
def test_a_secret_is_masked_wherever_the_pipe_cut_it(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    output = Output(tmp_path_factory.mktemp("roles") / "app.log", mask=Mask([SECRET]))
    edges = [0, *sorted(cuts), len(SAID)]
    write(output, [SAID[begin:end] for begin, end in itertools.pairwise(edges)])
    assert output.path.read_text() == f"token={MASK}\nwaiting for {MASK} ... {MASK}"
    assert output.tail() == output.path.read_text()


def test_a_line_that_is_not_complete_shows_without_its_secret(tmp_path: Path) -> None:
    output = Output(tmp_path / "app.log", mask=Mask([SECRET]))
    seen = output.watch("password")
    read_end, write_end = os.pipe()
    output.take(read_end)
    os.write(write_end, f"ready\n{SECRET} password? ".encode())
    while not seen.seen or "password" not in output.tail():
        pass
    assert output.tail() == f"ready\n{MASK} password? "
    os.close(write_end)


def test_of_a_line_without_an_end_no_half_of_a_secret_is_kept(tmp_path: Path) -> None:
    output = Output(tmp_path / "app.log", mask=Mask([SECRET]))
    filler = b"x" * 65_000
    for split in (1, 10, len(SECRET) - 1):
        write(output, [filler + SECRET[:split].encode(), SECRET[split:].encode() + filler, filler + b"\n"])
    text = output.path.read_text()
    assert text.count(MASK) == 3
    assert "hunt" not in text
    assert "orse" not in text
    assert len(text) == 3 * (3 * len(filler) + len(MASK) + 1)


def test_a_folder_that_is_gone_blocks_nobody(tmp_path: Path) -> None:
    output = Output(tmp_path / "roles" / "app.log")
    output.path.unlink()
    output.path.parent.rmdir()
    write(output, [b"x" * 30_000 + b"\nlast words\n"] * 4)
    assert output.tail(1) == "last words"


def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "roles").write_text("")
    with pytest.raises(Unwritable, match=r"app\.log.*--report-dir"):
        Output(tmp_path / "roles" / "app.log")
