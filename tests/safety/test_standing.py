"""Faults that stand, and their way out: written first, last in first out, none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugged_in import plugged_in

from chaosrun.errors import Unavailable, Unwritable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.journal import JOURNAL, Journal
from chaosrun.recorded import read_lines
from chaosrun.records import Called, Confirmed, Intent, Removed, Undo, Undone
from chaosrun.safety.standing import StandingFaults
from chaosrun.safety.undo import still_open, take_all_away

STATE: dict[str, str] = {}
"""What the pretended faults did: a name is `standing` from its injection to its undo."""

LOG: list[str] = []


class Pretended(Fault):
    """Differs from a real fault in what it breaks: an entry of `STATE`, so that its order can be read."""

    kind = "pretended"

    def __init__(self, name: str, folder: Path, *, sustained: bool = True, settles: float = 0.0) -> None:
        super().__init__(name, sustained=sustained)
        self._folder = folder
        self._settles = settles

    def plan(self, world: World, identifier: str) -> Undo:
        if self.name == "nothing to hit":
            raise Unavailable("nothing to hit")
        return Undo(id=identifier, kind=self.kind, what=f"undo {self.name}", identity={"name": self.name})

    async def inject(self, world: World) -> None:
        on_disk = (self._folder / JOURNAL).read_text()
        assert f"undo {self.name}" in on_disk, "the undo must be on disk before the harm"
        STATE[self.name] = "standing"
        LOG.append(f"inject {self.name}")

    async def confirm(self, world: World) -> Confirmation:
        return Confirmation(self.name != "no effect", "looked")

    async def settle(self, world: World) -> None:
        await asyncio.sleep(self._settles)


def _undo(record: Undo) -> None:
    name = str(record.identity["name"])
    LOG.append(f"undo {name}")
    if name == "stubborn":
        raise OSError("the tool is gone")
    if name != "sticky":
        STATE.pop(name, None)


def _verify(record: Undo) -> bool:
    return str(record.identity["name"]) not in STATE


@pytest.fixture(autouse=True)
def pretended() -> Iterator[None]:
    STATE.clear()
    LOG.clear()
    with plugged_in("pretended", _undo, _verify):
        yield


class Nowhere:
    """A world without a role, whose clock counts the questions."""

    def __init__(self) -> None:
        self.roles: dict[str, object] = {}
        self._t = 0

    def now(self) -> int:
        self._t += 1
        return self._t


def standing(folder: Path) -> tuple[StandingFaults, list[tuple[str, str, str]], Journal]:
    told: list[tuple[str, str, str]] = []
    journal = Journal(folder, "engine")
    faults = StandingFaults(Nowhere(), journal, lambda *event: told.append(event))  # type: ignore[arg-type]
    return faults, told, journal


def test_the_undo_is_on_disk_before_the_fault_is_in_the_world(tmp_path: Path) -> None:
    faults, _, journal = standing(tmp_path)
    asyncio.run(faults.inject(Pretended("a", tmp_path), "f1"))
    journal.flush()
    lines = read_lines(tmp_path)
    assert lines.of(Intent)[0].n < lines.of(Called)[0].n < lines.of(Confirmed)[0].n
    assert STATE == {"a": "standing"}


def test_a_fault_whose_undo_cannot_be_written_is_not_injected(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).symlink_to("/dev/full")
    faults, _, _ = standing(tmp_path)
    with pytest.raises(Unwritable):
        asyncio.run(faults.inject(Pretended("a", tmp_path), "f1"))
    assert STATE == {}
    assert not faults.any_called


def test_faults_leave_in_the_reverse_order_and_a_failure_keeps_none_of_the_others(tmp_path: Path) -> None:
    faults, told, journal = standing(tmp_path)

    async def story() -> bool:
        for name in ("a", "stubborn", "b"):
            await faults.inject(Pretended(name, tmp_path), name)
        return await faults.remove_all(alive=False)

    assert not asyncio.run(story())
    journal.flush()
    order = list(dict.fromkeys(entry for entry in LOG if entry.startswith("undo")))
    assert order == ["undo b", "undo stubborn", "undo a"]
    assert STATE == {"stubborn": "standing"}
    lines = read_lines(tmp_path)
    assert {line.id: (line.done, line.verified) for line in lines.of(Undone)} == {
        "a": (True, True),
        "b": (True, True),
        "stubborn": (False, False),
    }
    assert [undo.id for undo in still_open(lines.of(Intent), lines.of(Undone))] == ["stubborn"]
    assert ("stubborn", "failed", "the tool is gone") in told


def test_an_undo_that_ran_but_did_not_take_is_tried_again_and_then_said(tmp_path: Path) -> None:
    faults, _, journal = standing(tmp_path)

    async def story() -> bool:
        await faults.inject(Pretended("sticky", tmp_path), "f1")
        return await faults.remove_all(alive=False)

    assert not asyncio.run(story())
    journal.flush()
    assert LOG.count("undo sticky") > 1
    [line] = read_lines(tmp_path).of(Undone)
    assert (line.done, line.verified) == (True, False)


def test_an_instant_fault_is_closed_when_it_has_settled_and_is_not_undone_twice(tmp_path: Path) -> None:
    faults, told, journal = standing(tmp_path)

    async def story() -> bool:
        await faults.inject(Pretended("a", tmp_path, sustained=False), "f1")
        return await faults.remove_all(alive=True)

    assert asyncio.run(story())
    journal.flush()
    assert LOG.count("undo a") == 1
    lines = read_lines(tmp_path)
    assert len(lines.of(Removed)) == len(lines.of(Undone)) == 1
    assert [event for _, event, _ in told] == ["called", "confirmed", "undone"]


def test_a_fault_that_is_interrupted_while_it_settles_is_still_undone(tmp_path: Path) -> None:
    faults, _, journal = standing(tmp_path)

    async def story() -> bool:
        injecting = asyncio.create_task(faults.inject(Pretended("a", tmp_path, sustained=False, settles=60), "f1"))
        while not STATE:
            await asyncio.sleep(0.01)
        injecting.cancel()
        await asyncio.gather(injecting, return_exceptions=True)
        return await faults.remove_all(alive=False)

    assert asyncio.run(story())
    journal.flush()
    assert STATE == {}
    assert not still_open(read_lines(tmp_path).of(Intent), read_lines(tmp_path).of(Undone))


def test_an_effect_that_nobody_saw_is_written_as_unverified(tmp_path: Path) -> None:
    faults, told, journal = standing(tmp_path)
    asyncio.run(faults.inject(Pretended("no effect", tmp_path), "f1"))
    journal.flush()
    assert [line.verified for line in read_lines(tmp_path).of(Confirmed)] == [False]
    assert ("no effect", "unconfirmed", "looked") in told


def test_a_fault_with_nothing_to_hit_leaves_no_record(tmp_path: Path) -> None:
    faults, _, journal = standing(tmp_path)
    with pytest.raises(Unavailable):
        asyncio.run(faults.inject(Pretended("nothing to hit", tmp_path), "f1"))
    journal.flush()
    assert (tmp_path / JOURNAL).read_bytes() == b""


def test_records_are_taken_away_in_the_order_given_without_anything_else_of_the_run(tmp_path: Path) -> None:
    records = [Undo(id=name, kind="pretended", what=name, identity={"name": name}) for name in ("b", "a")]
    noted = []
    assert take_all_away(records, lambda record, outcome: noted.append((record.id, outcome.clean)))
    assert noted == [("b", True), ("a", True)]
