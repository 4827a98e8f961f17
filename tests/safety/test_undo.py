"""Undos that hang, that are tried again, and that are open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from plugged_in import plugged_in

from chaosrun.records import Intent, Undo, Undone
from chaosrun.safety.undo import holds, still_open, take_away

MS = 1_000_000
RELEASE = threading.Event()
TRIED: list[str] = []


def _undo(record: Undo) -> None:
    TRIED.append(record.id)
    if record.id == "hangs" and not RELEASE.wait(60):
        raise AssertionError("nobody let it go on")
    if record.id == "third time" and TRIED.count(record.id) < 3:
        raise OSError("not yet")


def _verify(record: Undo) -> bool:
    if record.id == "cannot be seen":
        raise OSError("nobody answers")
    return True


@pytest.fixture(autouse=True)
def pretended() -> Iterator[None]:
    """Differs from a real fault in that there is nothing to undo."""
    TRIED.clear()
    RELEASE.clear()
    with plugged_in("pretended", _undo, _verify):
        yield
    RELEASE.set()


def record(name: str, deadline_ns: int = 60_000 * MS) -> Undo:
    return Undo(id=name, kind="pretended", what=f"undo {name}", identity={}, deadline_ns=deadline_ns)


def test_an_undo_that_hangs_is_left_behind_when_its_time_is_up() -> None:
    outcome = take_away(record("hangs", deadline_ns=50 * MS))
    assert not outcome.clean
    assert outcome.error == "not undone within 0.05 s: undo hangs"
    assert take_away(record("the next")).clean, "it keeps no other waiting"


def test_an_undo_is_tried_again() -> None:
    assert take_away(record("third time")).clean
    assert TRIED == ["third time"] * 3


def test_what_cannot_be_looked_at_does_not_hold() -> None:
    assert holds(record("is so"))
    assert not holds(record("cannot be seen"))


def test_what_is_open_is_told_the_last_first_and_once() -> None:
    intents = [Intent(t=t, undo=record(name)) for t, name in ((1, "a"), (2, "b"), (3, "a"), (4, "c"))]
    assert [each.id for each in still_open(intents, [])] == ["c", "a", "b"]
    first_undone = Undone(t=2, id="a", done=True, verified=True)
    assert [each.id for each in still_open(intents, [first_undone])] == ["c", "a", "b"], "it was injected again since"
    both_undone = [first_undone, Undone(t=5, id="a", done=True, verified=True)]
    assert [each.id for each in still_open(intents, both_undone)] == ["c", "b"]


def test_the_time_of_an_undo_is_that_of_all_its_attempts() -> None:
    began = time.monotonic()
    take_away(record("hangs", deadline_ns=100 * MS))
    assert time.monotonic() - began < 30, "not four times as long as it may take, nor for ever"
