"""What the control makes of an experiment of Chaos Toolkit, before there is any load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed, InterruptExecution, InvalidActivity
from chaoslib.types import Dry

from chaosrun.ctk import control, probes
from chaosrun.ctk._load import STAGE
from chaosrun.ctk._marks import Marks
from chaosrun.errors import NotNow


def action(name: str, kind: str = "action") -> dict[str, Any]:
    return {"type": kind, "name": name, "provider": {"type": "process", "path": "true"}}


EXPERIMENT: dict[str, Any] = {
    "steady-state-hypothesis": {"probes": [action("look", "probe")]},
    "method": [action("look again", "probe"), action("freeze"), {"ref": "look"}, action("wait"), action("thaw")],
    "rollbacks": [action("thaw anyway")],
}
DONE = {"status": "succeeded", "output": {"status": 0}}


class Load:
    """Differs from a real one in that it only remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.begun = self.is_over = self.is_deaf = False
        self.goes_on = True

    def say(self, word: str, detail: str = "") -> None:
        if self.is_deaf:
            raise NotNow("nobody listens")
        self.told.append((word, detail))
        self.begun |= word == "begin"
        self.is_over |= word == "over"

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.told]


@pytest.fixture(autouse=True)
def load() -> Iterator[Load]:
    STAGE.load = held = Load()  # type: ignore[assignment]
    yield held
    STAGE.load, STAGE.is_dry = None, False


def play(marks: Marks, *names: str, outcomes: dict[str, dict[str, Any]] | None = None) -> None:
    """Activities one after another."""
    for name in names:
        activity = next(each for each in (*EXPERIMENT["method"], *EXPERIMENT["rollbacks"]) if each.get("name") == name)
        marks.start_activity(activity)
        marks.activity_completed(activity, (outcomes or {}).get(name, DONE))


METHOD = ("look again", "freeze", "wait", "thaw", "thaw anyway")


def test_the_fault_lasts_from_the_first_action_of_the_method_to_the_last(load: Load) -> None:
    play(Marks(EXPERIMENT, None, None), *METHOD)
    assert load.told == [("begin", ""), ("confirmed", "freeze: succeeded"), ("ending", ""), ("over", "")]


def test_named_activities_mark_it_and_it_may_end_with_a_rollback(load: Load) -> None:
    marks = Marks(EXPERIMENT, "wait", "thaw anyway")
    assert marks.amiss() is None
    play(marks, "look again", "freeze")
    assert load.told == []
    play(marks, "wait", "thaw")
    assert load.words == ["begin", "confirmed"]
    play(marks, "thaw anyway")
    assert load.words == ["begin", "confirmed", "ending", "over"]


def test_a_single_action_may_have_been_over_as_soon_as_it_began(load: Load) -> None:
    single = {"method": [action("freeze")]}
    play(Marks(single, None, None), "freeze")
    assert load.words == ["begin", "ending", "confirmed", "over"]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ({"status": "failed", "output": None}, "freeze: failed"),
        ({"status": "succeeded", "output": {"status": 3, "stderr": "no such process"}}, "freeze: exit code 3"),
    ],
)
def test_an_action_that_failed_confirms_nothing(load: Load, outcome: dict[str, Any], told: str) -> None:
    play(Marks(EXPERIMENT, None, None), "freeze", outcomes={"freeze": outcome})
    assert load.told == [("begin", ""), ("unconfirmed", told)]


def test_a_fault_whose_end_failed_is_not_over_until_a_later_one_succeeds(load: Load) -> None:
    marks = Marks(EXPERIMENT, "freeze", "thaw")
    play(marks, "freeze", "thaw", outcomes={"thaw": {"status": "succeeded", "output": {"status": 1}}})
    assert not load.is_over
    play(marks, "thaw")
    assert load.is_over


def test_what_cannot_be_told_ends_no_activity(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    load.is_deaf = True
    play(Marks(EXPERIMENT, None, None), "freeze")
    assert "chaosrun was not told 'begin': nobody listens" in caplog.text


@pytest.mark.parametrize(
    ("experiment", "begins", "why"),
    [
        (EXPERIMENT, "freez", "it has no activity 'freez'; known: 'freeze', 'look', 'look again', 'thaw',"),
        ({"method": [action("look", "probe")]}, None, "its method has no action"),
    ],
)
def test_an_experiment_in_which_nothing_marks_the_fault_is_not_begun(
    experiment: dict[str, Any], begins: str | None, why: str
) -> None:
    with pytest.raises(InterruptExecution) as refused:
        control.before_experiment_control(experiment, run="load.yaml", begins=begins)
    assert why in str(refused.value)


def test_a_second_control_takes_no_load_from_the_first(load: Load, tmp_path: Path) -> None:
    """Declared in an experiment and in the settings, or twice: the load of one would be held by nobody."""
    with pytest.raises(InterruptExecution, match="a load is held already; declare the control once"):
        control.before_experiment_control(EXPERIMENT, run=str(tmp_path / "load.yaml"))
    assert STAGE.load is load


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "control 'chaosrun' needs the argument \"run\""),
        ({"run": "a.yaml", "sets": ["a=b"]}, "'sets' must be a mapping, not ['a=b']"),
        ({"run": "a.yaml", "profil": "smoke"}, "has no argument 'profil'; known: run, profile, target, sets,"),
    ],
)
def test_a_control_is_checked_before_anything_is_run(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidActivity) as refused:
        control.validate_control({"name": "chaosrun", "provider": {"arguments": arguments}})
    assert why in str(refused.value)


@pytest.mark.parametrize("dry", [Dry.ACTIONS, Dry.ACTIVITIES])
def test_a_rehearsal_holds_no_load_and_its_probes_find_nothing_amiss(dry: Dry, tmp_path: Path) -> None:
    STAGE.load = None
    control.before_experiment_control({**EXPERIMENT, "dry": dry}, run=str(tmp_path / "is-not-there.yaml"))
    assert STAGE.load is None
    assert (probes.verdict(), probes.ttr(), probes.lost_connected()) == ("steady", 0.0, 0)
    assert probes.criterion("any") is True


def test_probes_tell_nothing_while_the_fault_stands_or_where_no_load_is_held(load: Load) -> None:
    play(Marks(EXPERIMENT, None, None), "freeze")
    with pytest.raises(ActivityFailed, match="the fault is not over yet"):
        probes.ttr()
    STAGE.load = None
    with pytest.raises(ActivityFailed, match="the experiment needs the control"):
        probes.verdict()
