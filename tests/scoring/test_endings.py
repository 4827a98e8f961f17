"""Runs that ended otherwise than planned."""

from dataclasses import replace

from storybook import s
from whole_runs import STEADY, crash, planned, scored

from chaosrun.records import (
    Confirmed,
    Intent,
    Phase,
    Stop,
    Undo,
    Undone,
)


def undo(what: str = "the server: start it again") -> Undo:
    return Undo(id="fault", kind="noop", what=what, identity={"pid": 1})


def test_a_stopped_run_is_aborted_and_says_by_what() -> None:
    history = replace(planned(crash().history(), *STEADY), stop=Stop(t=s(20), why="usable below 5% for 60 s"))
    result = scored(history)
    assert (result.verdict, result.exit_code, result.stopped_by) == ("aborted", 4, "usable below 5% for 60 s")


def test_trouble_of_our_own_is_inconclusive_and_no_stop() -> None:
    stop = Stop(t=s(20), why="a load worker died", trouble=True)
    result = scored(replace(planned(crash().history(), *STEADY), stop=stop))
    assert result.verdict == "inconclusive"
    assert "cut short: a load worker died" in result.reasons


def test_an_undo_that_failed_is_dirty_and_names_what_to_do_by_hand() -> None:
    history = replace(planned(crash().history(), *STEADY), intents=[Intent(t=s(13), undo=undo())])
    clean = replace(history, undone=[Undone(t=s(16), id="fault", done=True, verified=True)])
    assert (scored(clean).verdict, scored(clean).faults[0].undone) == ("passed", True)
    failed = replace(history, undone=[Undone(t=s(16), id="fault", done=False, verified=False, error="port in use")])
    assert scored(failed).reasons[0] == "the server: start it again: port in use"
    assert scored(failed).exit_code == 5
    doubtful = replace(history, undone=[Undone(t=s(16), id="fault", done=True, verified=False)])
    assert scored(doubtful).reasons[0] == "the server: start it again: its undo could not be verified"
    assert scored(doubtful).verdict == "dirty"
    assert scored(history).reasons[0] == "the server: start it again: never undone"


def test_a_run_that_never_reached_its_baseline_is_judged_as_far_as_it_came() -> None:
    history = planned(crash().history(), *STEADY)
    short = replace(
        history,
        phases=[Phase(t=0, name="start"), Phase(t=0, name="ramp"), Phase(t=s(2), name="drain")],
        end=s(2) + 1,
        load_stopped=s(2),
        called=(),
        confirmed=(),
        slots=[slot for slot in history.slots if slot.due < s(2)],
        opened=[line for line in history.opened if line.t < s(2)],
        closed=(),
        attempts=[line for line in history.attempts if line.t < s(2)],
        refused=(),
        probes=(),
        lags=[lag for lag in history.lags if lag.t <= s(2)],
        stop=Stop(t=s(2), why="stopped by SIGINT", signal=True),
    )
    result = scored(short)
    assert result.verdict == "aborted"
    assert all(c.outcome is None for c in result.criteria)
    assert "the run has no window 'baseline'" in result.criteria[0].why
    assert result.messages.requests.due == 16


def test_what_was_confirmed_twice_was_confirmed_only_if_it_was_both_times() -> None:
    history = planned(crash().history(), *STEADY)
    again = [*history.confirmed, Confirmed(t=s(16), id="fault", verified=False, how="not a second time")]
    assert scored(replace(history, confirmed=again)).verdict == "inconclusive"
