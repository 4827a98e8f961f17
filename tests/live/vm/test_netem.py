"""netem on a kernel that has it: the smoke profile of experiments/latency-netem.yaml in a virtual machine.

The machine is so slow that chaosrun's checks of the observer may call a run unsound, rightly. So but for the verdict of
the whole run, what is judged here are facts of the history and of the kernel, which stand whatever the verdict is.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
from linux_vm import Machine

from chaosrun.recorded import read_run
from chaosrun.records import NONE, History, Kind

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(1100)]

WITHIN_S = 1000.0
STORIES = Path(__file__).with_name("stories.py")
DELAY_S = 0.1
"""Of the experiment, in each direction."""
OURS = "504c:"
INCONCLUSIVE = 3
Facts = dict[str, Any]


def told(vm: Machine, story: str, results: Path) -> Facts:
    """What a story in the machine tells."""
    code = vm.run([sys.executable, str(STORIES), story], results, within_s=WITHIN_S)
    assert code == 0, (results / "output").read_text()[-4000:]
    facts: Facts = json.loads((results / "facts.json").read_text())
    return facts


def history_of(results: Path) -> History:
    return read_run(results / "run").history


@pytest.mark.proof  # up to a quarter of an hour
def test_the_smoke_profile_passes(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "passed", tmp_path)
    assert facts["code"] == 0, facts["err"] + facts["out"]


def test_the_smoke_profile_delays_its_port_by_what_was_asked_and_no_other_and_leaves_nothing(
    vm: Machine, tmp_path: Path
) -> None:
    facts = told(vm, "ended", tmp_path)
    assert facts["code"] in (0, INCONCLUSIVE), facts["err"] + facts["out"]
    assert OURS not in facts["before"]
    assert f"{OURS} root" in facts["during"]
    assert "netem" in facts["during"]
    # Measured by plain connections from beside the run: SYN and SYN-ACK, each delayed once.
    assert min(facts["port_s"]) >= 2 * DELAY_S * 0.99
    assert min(facts["beside_s"]) < DELAY_S / 2
    assert facts["after"] == facts["before"]
    history = history_of(tmp_path)
    [confirmed] = history.confirmed
    assert confirmed.verified, confirmed.how
    [undone] = history.undone
    assert undone.done and undone.verified
    # Measured by the load: every request that was sent while the fault stood took at least its two delays.
    during, before = round_trips(history)
    print(f"median of requests: {statistics.median(before):.4f} s before, {statistics.median(during):.4f} s during")
    assert min(during) >= 2 * DELAY_S * 0.99
    assert min(before) < DELAY_S
    reasons = json.loads((tmp_path / "run" / "result.json").read_bytes())["reasons"]
    if facts["code"] == INCONCLUSIVE:
        print(f"the run proves nothing by itself: {reasons[0]}")
        assert any(reason.startswith("observer not sound") for reason in reasons), reasons


def round_trips(history: History) -> tuple[list[float], list[float]]:
    """Seconds from send to reply of the requests that were sent while the fault stood for certain, and before it."""
    [called], [confirmed], [removed] = history.called, history.confirmed, history.removed
    answered = [slot for slot in history.slots if slot.kind == Kind.SLOT and NONE not in (slot.sent, slot.got)]
    during = [
        (slot.got - slot.sent) / 1e9 for slot in answered if confirmed.t < slot.sent and slot.got < removed.t - 10**9
    ]
    before = [(slot.got - slot.sent) / 1e9 for slot in answered if slot.got < called.t]
    assert len(during) >= 20
    assert len(before) >= 20
    return during, before


def test_a_run_that_fails_leaves_nothing(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "failure", tmp_path)
    assert OURS in facts["during"]
    result = json.loads((tmp_path / "run" / "result.json").read_bytes())
    assert result["exit_code"] != 0, "a response of 1 ms was expected over a delay of 200 ms"
    assert OURS not in facts["after"]
    assert all(undone.done and undone.verified for undone in history_of(tmp_path).undone)


@pytest.mark.proof  # another three minutes; what a signal does is tried with every other fault
def test_a_run_that_is_told_to_stop_leaves_nothing(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "stopped", tmp_path)
    assert OURS in facts["during"]
    assert facts["code"] == 4
    assert OURS not in facts["after"]


def test_what_a_killed_run_leaves_is_taken_away_by_its_guardian(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "killed", tmp_path)
    assert OURS in facts["during"]
    assert OURS not in facts["after"]
    print(f"gone {facts['gone_after_s']:.1f} s after the kill")
    for name in ("recover", "again"):
        assert facts[name] == 0, facts[f"{name}_told"]
        assert "nothing is open" in facts[f"{name}_told"], "the guardian has seen to all of it"
    history = history_of(tmp_path)
    assert [(undone.done, undone.verified) for undone in history.undone] == [(True, True)]


def test_a_queue_whose_holder_was_killed_is_taken_away_by_another_process_and_only_once(
    vm: Machine, tmp_path: Path
) -> None:
    facts = told(vm, "bare", tmp_path)
    assert OURS in facts["left"]
    assert min(facts["slow_s"]) >= 2 * DELAY_S * 0.99
    assert facts["undo"] == 0, facts["undo_err"]
    assert OURS not in facts["after_undo"]
    assert facts["again"] == 0, facts["again_err"]
    assert facts["after_again"] == facts["after_undo"]


def test_every_shape_is_what_the_kernel_says_it_is_and_connections_show(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "shapes", tmp_path)
    print(json.dumps(facts, indent=1))
    for name, fact in facts.items():
        assert OURS not in fact["after"], name
        assert fact["clean"], name
        assert "still has the queue of a run" in fact["refused"], name
        assert min(fact["beside_s"]) < DELAY_S / 2, name
    bounds_s = {"delay": (0.2, 0.4), "one way": (0.1, 0.2), "other way": (0.1, 0.2), "jitter": (0.08, 0.2)}
    for name, (least, most) in bounds_s.items():
        assert facts[name]["verified"], facts[name]["how"]
        assert least * 0.99 <= min(facts[name]["port_s"]) < most, name
    for name in ("loss", "all"):
        assert facts[name]["verified"], facts[name]["how"]
        assert "latency, not as lost messages" in facts[name]["how"]
    assert not facts["another port"]["verified"], "nobody serves it, so its delay cannot be seen"
    assert min(facts["another port"]["port_s"]) < DELAY_S / 2


def test_a_service_in_a_network_of_its_own_is_shaped_there_and_nowhere_else(vm: Machine, tmp_path: Path) -> None:
    facts = told(vm, "elsewhere", tmp_path)
    assert facts["verified"], facts["how"]
    assert OURS in facts["there"]
    assert OURS not in facts["here"]
    # Only what leaves the service's device is shaped: its answers.
    assert min(facts["port_s"]) >= DELAY_S * 0.99
    assert max(min(facts["before_s"]), min(facts["beside_s"])) < DELAY_S / 2
    assert OURS not in facts["after"], "the namespace is found by its name when no process is in it"
    assert facts["clean"]
    assert facts["gone"], "with the namespace its queues are gone, and there is nothing to undo"
