"""The fault `outside`: told over a real socket of a run's folder, written down by the real journal."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from chaosrun.cli import run_command_line
from chaosrun.errors import NotNow, Unavailable, UsageError
from chaosrun.faults.outside import Outside
from chaosrun.journal import Journal
from chaosrun.recorded import read_lines
from chaosrun.records import Called, Confirmed, Removed, Undone
from chaosrun.safety.standing import StandingFaults
from chaosrun.telling import find_ear, tell

T = TypeVar("T")
S = 1_000_000_000


class World:
    """Implements as much of `chaosrun.faults._base.World` as a fault needs that hits nothing itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._origin = time.monotonic_ns()

    def now(self) -> int:
        return time.monotonic_ns() - self._origin

    def mask(self, text: str) -> str:
        return text.replace("geheim", "****")

    def note(self, text: str) -> None:
        self.notes.append(text)


class Stage:
    """A run of one fault in a folder, and whoever injects it in a thread."""

    def __init__(self, folder: Path, *, instant: bool = False, begin: float = 10.0, at_most: float = 10.0) -> None:
        self.world = World(folder)
        self.journal = Journal(folder, "engine")
        self.faults = StandingFaults(self.world, self.journal, lambda *_: None)  # type: ignore[arg-type]
        self.fault = Outside(
            "freeze", role=None, instant=instant, begin_within_ns=int(begin * S), at_most_ns=int(at_most * S)
        )

    async def play(self, injector: Callable[[Path], T]) -> T:
        """Both at once, to the end of the method."""

        def outside() -> T:
            return injector(find_ear(self.world.folder, within_s=10))

        played, _ = await asyncio.gather(asyncio.to_thread(outside), self.faults.inject(self.fault, "fault-1"))
        await self.faults.remove_all(alive=True)
        self.journal.sync()
        return played


def written(folder: Path, kind: type[T]) -> list[T]:
    return read_lines(folder).of(kind)  # type: ignore[type-var]


def test_what_is_told_is_what_is_scored(tmp_path: Path) -> None:
    def injector(ear: Path) -> list[float]:
        began = tell(ear, "begin")
        # The answer came when the call was on disk: from here on harm may be done.
        assert [line.t / S for line in written(tmp_path, Called)] == pytest.approx([began], abs=0.05)
        times = [began]
        for word in ("confirmed", "ending", "over"):
            time.sleep(0.05)
            times.append(tell(ear, word, "SIGSTOP, the key is geheim" if word == "confirmed" else ""))
        return times

    began, confirmed, ending, over = asyncio.run(Stage(tmp_path).play(injector))
    [call], [seen], [removed] = (written(tmp_path, kind) for kind in (Called, Confirmed, Removed))
    assert 0 <= began - call.t / S < 0.05, "the harm is never before the call"
    assert (seen.t / S, seen.verified, seen.how) == (confirmed, True, "SIGSTOP, the key is ****")
    assert (removed.t / S, removed.until) == (ending, round(over * S))
    assert [(line.done, line.verified) for line in written(tmp_path, Undone)] == [(True, True)]
    assert list((tmp_path / "faults").iterdir()) == [], "nobody listens any more"


def test_without_ending_it_was_taken_away_when_it_was_over(tmp_path: Path) -> None:
    over = asyncio.run(Stage(tmp_path).play(lambda ear: [tell(ear, word) for word in ("begin", "over")]))[-1]
    [removed] = written(tmp_path, Removed)
    assert removed.t == removed.until == round(over * S)


def test_an_effect_that_nobody_saw_is_not_confirmed(tmp_path: Path) -> None:
    asyncio.run(Stage(tmp_path).play(lambda ear: [tell(ear, word) for word in ("begin", "over")]))
    assert [(seen.verified, seen.how) for seen in written(tmp_path, Confirmed)] == [
        (False, "nobody said that its effect was there")
    ]


def test_of_two_words_about_its_effect_the_first_counts(tmp_path: Path) -> None:
    def injector(ear: Path) -> None:
        tell(ear, "begin")
        tell(ear, "unconfirmed", "exit code 1")
        tell(ear, "confirmed")
        tell(ear, "over")

    asyncio.run(Stage(tmp_path).play(injector))
    assert [(seen.verified, seen.how) for seen in written(tmp_path, Confirmed)] == [(False, "exit code 1")]


def test_nothing_is_injected_where_nobody_begins(tmp_path: Path) -> None:
    stage = Stage(tmp_path, begin=0.2)
    with pytest.raises(Unavailable, match="fault 'freeze': nobody said within 200ms that it begins"):
        asyncio.run(stage.faults.inject(stage.fault, "fault-1"))
    assert not stage.faults.any_called
    assert list((tmp_path / "faults").iterdir()) == []


def test_one_that_nobody_ends_holds_nothing_up_and_was_never_removed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, at_most=0.3)
    asyncio.run(stage.play(lambda ear: tell(ear, "begin")))
    assert stage.world.notes == [
        f"waits up to 10s for 'freeze' to begin: chaosrun tell {tmp_path} begin",
        "nobody said within 300ms that 'freeze' is over; the run goes on as if it still stood",
    ]
    assert written(tmp_path, Removed) == [], "so that no time to recover is counted from a guess"
    assert not stage.faults.left, "it is not ours, so nothing of ours is left"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["over"], "it has not begun; say begin before it does"),
        (["begin", "begin"], "it has begun already"),
        (["start"], "no word 'start'; known: begin, confirmed, unconfirmed, ending, over"),
    ],
)
def test_a_word_out_of_place_is_refused_and_changes_nothing(tmp_path: Path, words: list[str], why: str) -> None:
    def injector(ear: Path) -> None:
        with pytest.raises(UsageError) as refused:
            for word in words:
                tell(ear, word)
        assert str(refused.value) == why
        for word in ("begin", "over")[words.count("begin") > 0 :]:
            tell(ear, word)

    asyncio.run(Stage(tmp_path).play(injector))
    assert len(written(tmp_path, Called)) == len(written(tmp_path, Removed)) == 1


@pytest.mark.parametrize("word", ["ending", "over", "confirmed"])
def test_a_word_after_the_end_changes_nothing(tmp_path: Path, word: str) -> None:
    """Of another who had connected before."""

    def injector(ear: Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as line:
            tell(ear, "begin")
            line.connect(str(ear))
            time.sleep(0.1)
            tell(ear, "over")
            time.sleep(0.1)
            line.sendall(json.dumps({"word": word}).encode() + b"\n")
            return line.makefile("rb").readline()

    assert json.loads(asyncio.run(Stage(tmp_path).play(injector)))["why"] == "it is over already"
    [removed] = written(tmp_path, Removed)
    assert removed.t == removed.until


def test_the_name_of_a_fault_is_no_pattern(tmp_path: Path) -> None:
    for name in ("fault-*", "**x", "[f]ault-1"):
        with pytest.raises(NotNow):
            find_ear(tmp_path, name)


@pytest.mark.parametrize(
    "said", [b"begin\n", b'{"word": 7}\n', b"\xff\n", b"x" * 100_000, b'{"word": "begin", "x": 1}\n']
)
def test_what_cannot_be_understood_is_answered_and_nothing_begins(tmp_path: Path, said: bytes) -> None:
    def injector(ear: Path) -> bytes:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(ear))
            line.sendall(said)
            answer = line.makefile("rb").readline()
        assert written(tmp_path, Called) == []
        for word in ("begin", "over"):
            tell(ear, word)
        return answer

    answer = json.loads(asyncio.run(Stage(tmp_path).play(injector)))
    assert answer["ok"] is False and "not understood" in answer["why"]


def test_only_its_owner_may_speak_and_the_folder_may_be_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    deep.mkdir(parents=True)

    def injector(ear: Path) -> int:
        mode = stat.S_IMODE(ear.stat().st_mode)
        for word in ("begin", "over"):
            tell(ear, word)
        return mode

    assert asyncio.run(Stage(deep).play(injector)) == 0o600


def test_a_run_that_is_stopped_hangs_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    async def stopped() -> None:
        injecting = asyncio.create_task(stage.faults.inject(stage.fault, "fault-1"))
        ear = await asyncio.to_thread(find_ear, tmp_path, within_s=10)
        await asyncio.to_thread(tell, ear, "begin")
        injecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await injecting
        await stage.faults.remove_all(alive=False)
        with pytest.raises(NotNow, match="nobody listens"):
            await asyncio.to_thread(tell, ear, "over")

    asyncio.run(stopped())
    assert written(tmp_path, Removed) == [], "nobody said that it is over, and a stop does not end it"


def test_an_instant_one_ends_with_its_call(tmp_path: Path) -> None:
    stage = Stage(tmp_path, instant=True)
    assert not stage.fault.sustained
    asyncio.run(stage.play(lambda ear: [tell(ear, word) for word in ("begin", "confirmed", "over")]))
    assert written(tmp_path, Confirmed)[0].verified


def test_scripts_tell_by_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def injector(ear: Path) -> list[int]:
        (tmp_path.parent / "latest").unlink(missing_ok=True)
        (tmp_path.parent / "latest").symlink_to(tmp_path)
        reports = str(tmp_path.parent)
        return [
            run_command_line(["tell", reports, "over"]),
            run_command_line(["tell", reports, "begin", "--wait", "5s"]),
            run_command_line(["tell", str(tmp_path), "over", "--fault", "fault-2"]),
            run_command_line(["tell", str(tmp_path), "over", "--fault", "fault-1", "--detail", "by hand"]),
        ]

    assert asyncio.run(Stage(tmp_path).play(injector)) == [2, 0, 75, 0]
    out, err = capfd.readouterr()
    assert [line.rpartition(" at ")[0] for line in out.splitlines()] == ["heard", "heard"]
    assert "it has not begun" in err and "no run here waits to be told of a fault fault-2" in err
    assert run_command_line(["tell", str(tmp_path), "over"]) == 75


def test_of_several_that_listen_one_must_be_named(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("a", "b")]
    for run in runs:
        run.mkdir()

    async def both() -> None:
        def injector(ear: Path) -> None:
            for word in ("begin", "over"):
                tell(ear, word)

        def lost() -> None:
            for run in runs:
                find_ear(run, within_s=10)
            with pytest.raises(UsageError, match="several listen; name the run's own folder"):
                find_ear(tmp_path)

        stages = [Stage(run) for run in runs]
        injecting = [asyncio.create_task(stage.faults.inject(stage.fault, "fault-1")) for stage in stages]
        await asyncio.to_thread(lost)
        for run in runs:
            await asyncio.to_thread(injector, find_ear(run))
        await asyncio.gather(*injecting)

    asyncio.run(both())
