"""Steps in sequence, side by side and at their time: what stands when, what ends it, and what is left when it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from plugged_in import plugged_in

from chaosrun import method
from chaosrun.errors import Unavailable
from chaosrun.faults._base import Confirmation, Fault, World
from chaosrun.journal import Journal
from chaosrun.method import At, Inject, Method, Parallel, Pause, Step
from chaosrun.recorded import Lines, read_lines
from chaosrun.records import Called, Confirmed, Intent, Removed, RolledBack, Undo, Undone
from chaosrun.safety.standing import StandingFaults
from chaosrun.safety.undo import still_open

MS = 1_000_000
LONG_NS = 600_000 * MS
LIT: dict[str, None] = {}
"""The lamps that burn, in the order in which they were lit."""
LOG: list[str] = []


class Lamp(Fault):
    """Differs from a real fault in what it breaks: it lights a lamp, so that what stands when can be read."""

    kind = "lamp"

    def __init__(self, name: str, *, sustained: bool = True, seen_after_s: float = 0.0, settles_s: float = 0.0) -> None:
        super().__init__(name, sustained=sustained)
        self._seen_after_s = seen_after_s
        self._settles_s = settles_s

    def plan(self, world: World, identifier: str) -> Undo:
        return Undo(id=identifier, kind=self.kind, what=f"put out {self.name}", identity={"name": self.name})

    async def inject(self, world: World) -> None:
        if self.name == "broken":
            raise Unavailable("it has no bulb")
        LIT[self.name] = None
        LOG.append(f"on {self.name}")

    async def confirm(self, world: World) -> Confirmation:
        await asyncio.sleep(self._seen_after_s)
        return Confirmation(self.name != "dark", "looked")

    async def settle(self, world: World) -> None:
        await asyncio.sleep(self._settles_s)


class Dimmed(Lamp):
    """Is taken away while the run is alive by a way of its own, and its undo takes long to read back."""

    async def remove(self, world: World) -> None:
        LIT.pop(self.name)
        LOG.append(f"off {self.name}")


def _undo(record: Undo) -> None:
    name = str(record.identity["name"])
    if name == "stuck":
        raise OSError("the switch is broken")
    if name == "slow":
        time.sleep(0.5)
    if name in LIT:
        del LIT[name]
        LOG.append(f"off {name}")


@pytest.fixture(autouse=True)
def lamp() -> Iterator[None]:
    LIT.clear()
    LOG.clear()
    with plugged_in("lamp", _undo, lambda record: record.identity["name"] not in LIT):
        yield


class Nowhere:
    def __init__(self) -> None:
        self.roles: dict[str, object] = {}

    def now(self) -> int:
        return time.monotonic_ns()


class Stage:
    """A method over lamps, and what its journal says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = Journal(folder, "engine")
        world = Nowhere()
        self.faults = StandingFaults(world, self._journal, lambda *_event: None)  # type: ignore[arg-type]
        self.method = Method(self.faults, world.now, ramp=0)

    async def to_its_end(self, *steps: Step) -> bool:
        await self.method.run(steps)
        LOG.append("end")
        return await self.faults.remove_all(alive=True)

    def lines(self) -> Lines:
        self._journal.flush()
        return read_lines(self._folder)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_step_may_wait_for_a_time_after_the_beginning_of_the_load(stage: Stage) -> None:
    async def begun_late() -> None:
        stage.method = Method(stage.faults, time.monotonic_ns, ramp=time.monotonic_ns() - 1000 * MS)
        began = time.monotonic()
        await stage.to_its_end(Inject(Lamp("a"), "a", at=At(1300 * MS, of_load=True)))
        assert 0.29 <= time.monotonic() - began < 60  # not 1.3 s: a second of the load was over

    story(begun_late())
    assert LOG[0].endswith("a")


def test_that_a_fault_was_called_is_out_of_the_process_before_it_is_injected(stage: Stage, tmp_path: Path) -> None:
    told: list[bytes] = []

    class Telltale(Lamp):
        async def inject(self, world: World) -> None:
            told.extend(path.read_bytes() for path in tmp_path.rglob("journal.jsonl"))
            await super().inject(world)

    assert story(stage.to_its_end(light("a", Telltale)))
    assert any(b'"type":"called"' in journal for journal in told), "a run that is killed now could not tell"


def light(name: str, kind: type[Lamp] = Lamp, *, at_ns: int = 0, for_ns: int | None = None, **more: float) -> Inject:
    return Inject(kind(name, **more), name, at=At(at_ns), for_ns=for_ns)  # type: ignore[arg-type]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def story(work: Awaitable[object]) -> object:
    async def bounded() -> object:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())


def test_what_has_no_time_of_its_own_stands_until_the_method_ends(stage: Stage) -> None:
    assert story(stage.to_its_end(light("a"), Pause(20 * MS), light("b")))
    assert LOG == ["on a", "on b", "end", "off b", "off a"]


def test_what_has_a_time_of_its_own_is_undone_before_the_next_step(stage: Stage) -> None:
    assert story(stage.to_its_end(light("a", for_ns=50 * MS), light("b")))
    assert LOG == ["on a", "off a", "on b", "end", "off b"]
    lines = stage.lines()
    assert lines.of(Removed)[0].t - lines.of(Called)[0].t >= 50 * MS
    assert [line.id for line in lines.of(Undone)] == ["a", "b"]


def test_steps_in_parallel_overlap_and_end_with_the_longest_of_them(stage: Stage) -> None:
    both = Parallel((light("long", for_ns=400 * MS), light("short", for_ns=50 * MS), Pause(10 * MS)))
    assert story(stage.to_its_end(both, light("next")))
    assert sorted(LOG[:2]) == ["on long", "on short"]
    assert LOG[2:5] == ["off short", "off long", "on next"]


def test_a_sequence_goes_on_while_a_fault_of_a_parallel_step_that_has_ended_still_stands(stage: Stage) -> None:
    assert story(stage.to_its_end(Parallel((light("stays"), light("goes", for_ns=20 * MS))), light("next")))
    assert LOG[2:] == ["off goes", "on next", "end", "off next", "off stays"]


def test_a_step_waits_for_its_time_since_the_method_began_and_not_if_that_is_over(stage: Stage) -> None:
    steps = (Parallel((light("late", at_ns=300 * MS), light("early"))), light("past", at_ns=10 * MS))
    began = time.monotonic_ns()
    assert story(stage.to_its_end(*steps))
    assert LOG[:3] == ["on early", "on late", "on past"]
    called = {line.id: line.t for line in stage.lines().of(Called)}
    assert called["late"] - began >= 300 * MS
    assert called["past"] >= called["late"]


def test_a_parallel_step_has_its_time_too(stage: Stage) -> None:
    began = time.monotonic_ns()
    assert story(stage.to_its_end(Parallel((light("a"),), at=At(200 * MS))))
    assert stage.lines().of(Called)[0].t - began >= 200 * MS


def test_a_stop_in_any_step_undoes_all_that_stands_the_last_first(stage: Stage) -> None:
    steps = (
        light("first"),
        Parallel((light("held", for_ns=LONG_NS), light("nested", at_ns=100 * MS, sustained=False, settles_s=600))),
        light("never"),
    )

    async def stopped() -> bool:
        running = asyncio.create_task(stage.method.run(steps))
        await until(lambda: "nested" in LIT)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return await stage.faults.remove_all(alive=False)

    assert story(stopped())
    assert LOG == ["on first", "on held", "on nested", "off nested", "off held", "off first"]
    lines = stage.lines()
    assert still_open(lines.of(Intent), lines.of(Undone)) == []
    assert len(lines.of(Undone)) == 3


def test_a_stop_while_a_fault_is_taken_away_at_its_time_begins_no_second_undo(stage: Stage) -> None:
    async def stopped() -> bool:
        running = asyncio.create_task(stage.method.run([light("slow", for_ns=10 * MS)]))
        await until(lambda: "slow" in LIT)
        await asyncio.sleep(0.2)
        running.cancel()
        clean = await stage.faults.remove_all(alive=False)
        await asyncio.gather(running, return_exceptions=True)
        return clean

    assert story(stopped())
    assert LOG == ["on slow", "off slow"]
    assert len(stage.lines().of(Undone)) == 1


def test_a_step_that_cannot_be_taken_ends_those_beside_it_and_says_why(stage: Stage) -> None:
    steps = (Parallel((light("held", for_ns=LONG_NS), Parallel((light("broken", at_ns=100 * MS),)))), light("never"))

    async def failing() -> bool:
        with pytest.raises(Unavailable, match="it has no bulb"):
            await stage.method.run(steps)
        return await stage.faults.remove_all(alive=False)

    assert story(failing())
    assert LOG == ["on held", "off held"]


def test_no_fault_is_injected_once_one_could_not_be_undone(stage: Stage) -> None:
    async def failing() -> bool:
        with pytest.raises(Unavailable, match=r"could not be undone: put out stuck \(the switch is broken\)"):
            await stage.method.run([light("stuck", for_ns=10 * MS), light("next")])
        return await stage.faults.remove_all(alive=False)

    assert not story(failing())
    assert LOG == ["on stuck"]


def test_a_fault_is_held_no_longer_because_nobody_has_seen_its_effect_yet(stage: Stage) -> None:
    assert story(stage.to_its_end(light("a", for_ns=50 * MS, seen_after_s=600)))
    lines = stage.lines()
    [seen] = lines.of(Confirmed)
    assert (seen.verified, seen.how) == (False, "its effect was not seen before it was taken away")
    assert LIT == {}


def test_a_stop_does_not_wait_for_a_confirmation_that_does_not_come(stage: Stage) -> None:
    async def stopped() -> None:
        running = asyncio.create_task(stage.method.run([light("a", seen_after_s=600)]))
        await until(lambda: "a" in LIT)
        running.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(running, return_exceptions=True)
        await stage.faults.remove_all(alive=False)

    story(stopped())
    assert LIT == {}


def test_the_end_of_a_fault_is_when_its_effect_went_and_not_when_that_was_read_back(stage: Stage) -> None:
    assert story(stage.to_its_end(light("slow", Dimmed, for_ns=10 * MS)))
    lines = stage.lines()
    assert lines.of(Undone)[0].t - lines.of(Removed)[0].t >= 400 * MS


def test_an_effect_is_written_down_when_it_is_seen_and_not_when_the_fault_is_over(stage: Stage) -> None:
    assert story(stage.to_its_end(light("a", for_ns=500 * MS), light("b", settles_s=0.5)))
    lines = stage.lines()
    ends = {"a": lines.of(Removed)[0].t, "b": lines.of(Removed)[1].t}
    assert all(ends[line.id] - line.t >= 400 * MS for line in lines.of(Confirmed))


def test_a_fault_whose_confirmation_fails_is_not_confirmed_and_no_defect(stage: Stage) -> None:
    class Blind(Lamp):
        async def confirm(self, world: World) -> Confirmation:
            raise OSError("no eyes")

    assert story(stage.to_its_end(light("a", Blind)))
    [seen] = stage.lines().of(Confirmed)
    assert not seen.verified
    assert "no eyes" in seen.how


# ---- rollbacks ------------------------------------------------------------------------------------------------------


def test_every_rollback_is_taken_whatever_became_of_the_others(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "ROLLBACK_ALLOWANCE_S", 0.3)
    steps = (
        light("fine", sustained=False),
        light("broken", sustained=False),
        Pause(10 * MS),
        light("dark", sustained=False),
        light("endless", sustained=False, settles_s=600),
        light("last", sustained=False),
    )
    story(stage.method.roll_back(steps))
    lines = stage.lines()
    assert {line.name: line.error for line in lines.of(RolledBack)} == {
        "fine": "",
        "broken": "it has no bulb",
        "dark": "looked",
        "endless": "not done within 0.3 s",
        "last": "",
    }
    assert stage.faults.left == [
        "rollback 'broken' (it has no bulb)",
        "rollback 'dark' (looked)",
        "rollback 'endless' (not done within 0.3 s)",
    ]
    assert still_open(lines.of(Intent), lines.of(Undone)) == []


def test_a_rollback_may_take_what_is_planned_for_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "ROLLBACK_ALLOWANCE_S", 0.0)
    planned = Inject(Lamp("a", sustained=False, settles_s=0.1), "a", planned_ns=30_000 * MS)
    story(stage.method.roll_back([planned]))
    assert stage.faults.left == []
