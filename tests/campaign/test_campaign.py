"""The campaign in small size: chaosrun is killed with SIGKILL all over its runs, and nothing of any fault is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from kill_table import table
from lanes import Done, KillsOfAFault, in_lanes
from netem_kills import CannotBeHad, KillsInAMachine
from stages import FAULTS, STAGES, docker

pytestmark = [pytest.mark.slow, pytest.mark.live, pytest.mark.timeout(900)]

KILLS = 10
KILLS_IN_MACHINE = 3
"""The machine is emulated: a kill there takes half a minute and more."""
LANES = 2
SEED = 1


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("campaign")
    with ExitStack() as ends:
        in_machine = KillsInAMachine(KILLS_IN_MACHINE, SEED, folder / "netem")
        try:
            in_machine.check()
        except CannotBeHad as error:
            pytest.skip(f"no virtual machine: {error}")
        ends.enter_context(docker())
        on_stages = [KillsOfAFault(STAGES[fault], KILLS, SEED, folder / fault) for fault in FAULTS]
        done = in_lanes([in_machine, *on_stages], LANES)
        print()
        for line in table(done.shots):
            print(line)
        yield done


def test_nothing_is_left_of_any_fault(done: Done) -> None:
    assert [(shot.fault, shot.victim, shot.instant, shot.left) for shot in done.left] == []


@pytest.mark.parametrize("fault", [*FAULTS, "netem"])
def test_it_was_killed_as_often_as_was_meant_and_while_the_fault_stood(done: Done, fault: str) -> None:
    shots = [shot for shot in done.shots if shot.fault == fault]
    assert [told for told in done.not_made if told.startswith(fault)] == []
    assert sum(shot.victim == "runner" for shot in shots) == (KILLS_IN_MACHINE if fault == "netem" else KILLS)
    assert {shot.victim for shot in shots} == {"runner", "guardian", "both"}
    assert any(shot.stood for shot in shots), "none came while the fault stood"
