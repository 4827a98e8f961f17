"""The observer is harmed on purpose, in real runs: always flagged, never passed, and not blamed on the service."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harmed import harmed, invalid, only_these_are_unknown
from measured import noop, pause
from sabotages import CLIENTS, SABOTAGES, Sabotage, faults_of, run
from saboteurs import HARM, KilledLoad, Midway
from truth_script import Delay, Errors, Feed, Script, Spoil, Stall

FEED = Feed(per_s=20)


def test_the_same_run_without_any_harm_passes(tmp_path: Path) -> None:
    control = Sabotage(checks=(), unknown=frozenset())
    told = harmed(control, tmp_path)
    if not told.result.observer.sound:
        pytest.skip(f"this machine was too busy: {told.result.reasons}")
    assert (told.result.verdict, told.result.reasons) == ("passed", [])


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_harmed_observer_is_flagged_never_passed_and_not_blamed_on_the_service(name: str, tmp_path: Path) -> None:
    told = harmed(SABOTAGES[name], tmp_path)
    assert faults_of(told, SABOTAGES[name]) == []


def test_slots_that_a_frozen_load_could_not_send_are_its_own_and_not_bad(tmp_path: Path) -> None:
    told = harmed(SABOTAGES["a load that stands still for 2 s"], tmp_path)
    requests = told.result.messages.requests
    assert requests.skipped_observer > CLIENTS * 10, "of 400 that were due while it stood still"
    late = requests.replied_late + requests.replied_error + requests.lost_connected + requests.lost_at_break
    assert late <= CLIENTS, "a request each may have been in flight"
    assert any("load process 0 has said nothing for a second" in note for note in told.notes)


def test_a_load_process_that_dies_ends_the_run_and_leaves_nothing_to_rely_on(tmp_path: Path) -> None:
    sabotage = Sabotage(
        saboteur=KilledLoad,
        checks=("lost journal records",),
        unknown=frozenset(),
        setup={"method": (noop(HARM), pause(9))},
    )
    told = harmed(sabotage, tmp_path)
    assert told.result.verdict == "inconclusive"
    assert "load process 0" in (told.result.stopped_by or "")
    assert invalid(told, "lost journal records").clouds == {"journal"}
    assert invalid(told, "conservation").clouds == {"journal"}
    assert not [outcome for metric, outcome in told.outcomes().items() if outcome is not None and metric != "cpu"]


def test_a_fault_that_does_nothing_is_not_said_to_have_been_borne(tmp_path: Path) -> None:
    """A role that ignores SIGTERM is told to end."""
    ignoring = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    kill = {"fault": "process_kill", "name": "ask", "role": "stubborn", "signal": "SIGTERM"}
    sabotage = Sabotage(
        checks=("effect of ask",),
        unknown=frozenset(),
        setup={
            "method": (kill | {"restart": {"by": "chaosrun", "after": "0s"}},),
        },
        roles={"stubborn": {"command": [sys.executable, "-c", ignoring], "ready": {"log": "^up$"}}},
    )
    told = harmed(sabotage, tmp_path)
    assert told.result.verdict == "inconclusive"
    effect = invalid(told, "effect of ask")
    assert "still runs" in effect.why
    only_these_are_unknown(told, effect)
    assert told.result.recovery.absorbed is None


@pytest.mark.parametrize(
    ("script", "check"),
    [
        (Script(feed=FEED, sections={"change": (Errors(share=0.5),)}), "halves of the baseline"),
        (
            Script(feed=FEED, sections={"change": (Delay(low=0.03, high=0.031),)}),
            "drift of the median response",
        ),
        (Script(feed=Feed(per_s=50), sections={"change": (Spoil(drop=0.7),)}), "drift of the message rate"),
        (Script(feed=FEED, sections={"change": (Stall(of="pushes"),)}), "stale clients"),
    ],
)
def test_a_service_that_changes_in_its_baseline_is_left_alone(script: Script, check: str, tmp_path: Path) -> None:
    """From the middle of the baseline on."""
    sabotage = Sabotage(saboteur=Midway, checks=(check,), unknown=frozenset(), setup={"timing": {"baseline": "8s"}})
    told = run(sabotage, tmp_path, script=script)
    assert not told.history.called
    assert told.result.verdict == "inconclusive"
    assert invalid(told, check).subject == "baseline"
    assert any(check in line.why for line in told.history.unsteady)
