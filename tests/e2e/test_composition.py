"""Several faults in one method, in sequence and side by side, in whole runs: what stood when, and what that tells."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from e2e_running import Finished, come_to, conclusive

from chaosrun.recorded import Recording, read_run
from chaosrun.records import Called, Confirmed, Removed, RolledBack, Started, Undone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
COMPOSED = Path(__file__).with_name("composed.yaml")
S = 1_000_000_000


def in_folder(folder: Path) -> tuple[str, ...]:
    """The rollbacks write there."""
    return tuple(f"rollbacks.{name}.cwd={folder}" for name in ("tidy up", "and more"))


def sets(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("composed")


@pytest.fixture(scope="module")
def finished(folder: Path) -> Finished:
    def afresh() -> None:
        (folder / "tidied").unlink(missing_ok=True)

    return conclusive(
        COMPOSED, "--format", "json", *sets(*in_folder(folder)), reports=folder / "reports", before_each=afresh
    )


@pytest.fixture(scope="module")
def recording(finished: Finished) -> Recording:
    assert finished.folder is not None
    return read_run(finished.folder)


def times(recording: Recording, kind: type[Called] | type[Removed]) -> dict[str, int]:
    names = {fault.id: fault.name for fault in recording.history.plan.faults}
    return {names[line.id]: line.t for line in recording.lines.of(kind) if line.id in names}


def test_it_passes_with_every_effect_confirmed_and_everything_undone(finished: Finished) -> None:
    assert finished.code == 0, finished.err + "\n".join(finished.result["reasons"])
    told = [(fault["name"], fault["verified"], fault["undone"]) for fault in finished.result["faults"]]
    assert told == [(name, True, True) for name in ("short crash", "long crash", "beside it", "to the end")]
    assert finished.left_behind() == []


def test_steps_came_in_their_order_and_faults_stood_for_their_time(recording: Recording) -> None:
    called, removed = times(recording, Called), times(recording, Removed)
    assert called["long crash"] - called["short crash"] >= 6 * S
    assert removed["long crash"] - called["long crash"] >= 3 * S
    assert removed["beside it"] - called["beside it"] >= 1 * S
    assert called["beside it"] < removed["beside it"] < removed["long crash"], "they overlap"
    assert called["to the end"] > removed["long crash"], "the longest of them has ended"
    assert called["to the end"] - called["short crash"] >= 14 * S, "and so has the pause beside it"


def test_a_fault_is_over_when_the_role_is_back_by_the_journal_of_processes(recording: Recording) -> None:
    """A removal that is written late makes a recovery shorter than it was."""
    removed = times(recording, Removed)["long crash"]
    back = max(line.t for line in recording.lines.of(Started) if line.role == "server")
    assert back <= removed
    seen = {line.id: line.t for line in recording.lines.of(Undone)}["fault-2"]
    assert removed < seen, "it was read back after that"


def test_a_probe_saw_the_effect_while_it_lasted(recording: Recording) -> None:
    confirmed = {line.id: line for line in recording.lines.of(Confirmed)}["fault-2"]
    assert confirmed.how.startswith("websocket ws://127.0.0.1:")
    assert confirmed.how.endswith("/ws is down")
    assert confirmed.t < times(recording, Removed)["long crash"]


def test_each_crash_is_an_episode_and_the_worst_is_the_headline(finished: Finished, recording: Recording) -> None:
    recovery = finished.result["recovery"]
    episodes = recovery["episodes"]
    hit = [episode for episode in episodes if episode["impact_s"] is not None]
    assert [{"fault-1", "fault-2"} & set(episode["faults"]) for episode in hit] == [{"fault-1"}, {"fault-2"}]
    assert recovery["ttr_s"] == max(episode["ttr_s"] for episode in episodes)
    long = hit[1]
    removed = times(recording, Removed)["long crash"] / S
    assert long["recovered_s"] >= removed - long["error_s"]
    assert long["ttr_s"] == pytest.approx(max(0.0, long["recovered_s"] - removed), abs=1e-6), "from its removal"


def test_rollbacks_came_in_a_phase_of_their_own_after_all_else(
    finished: Finished, recording: Recording, folder: Path
) -> None:
    names = [phase["name"] for phase in finished.result["phases"]]
    assert names[-4:] == ["after", "rollback", "verify", "drain"]
    assert [(line.name, line.error) for line in recording.lines.of(RolledBack)] == [("tidy up", ""), ("and more", "")]
    assert (folder / "tidied").read_text() == "tidy\nmore\n"


def test_a_signal_while_faults_overlap_undoes_all_and_takes_the_rollbacks(tmp_path: Path) -> None:
    quick = ("method.1.pause=1s", "method.2.parallel.long crash.for=60s", "method.2.parallel.beside it.for=60s")
    words = sets(*quick, *in_folder(tmp_path))
    run = come_to(
        {"type": "confirmed", "id": "fault-2"}, COMPOSED, "--format", "json", *words, reports=tmp_path / "reports"
    )
    run.wait_for(type="called", id="fault-3")
    run.signal(signal.SIGINT)
    run.signal(signal.SIGTERM)
    finished = run.finish()
    assert finished.code == 4, finished.err
    assert finished.left_behind() == []
    assert finished.folder is not None
    recording = read_run(finished.folder)
    called = [line.id for line in recording.lines.of(Called) if line.id.startswith("fault")]
    undone = [line.id for line in recording.lines.of(Undone) if line.id.startswith("fault")]
    assert sorted(called) == ["fault-1", "fault-2", "fault-3"]
    assert undone == ["fault-1", *reversed(called[1:])], "the first was over, and then the last one first"
    assert all(line.done and line.verified for line in recording.lines.of(Undone))
    assert (tmp_path / "tidied").read_text().endswith("tidy\nmore\n")
    assert [phase["name"] for phase in finished.result["phases"]][-2:] == ["rollback", "drain"]


def test_a_rollback_that_fails_is_dirty_and_keeps_none_of_the_others(tmp_path: Path) -> None:
    broken = "rollbacks.tidy up.run=[sh, -c, 'exit 3']"
    short = ("method=[{fault: noop}]", broken, *in_folder(tmp_path))
    finished = conclusive(COMPOSED, "--format", "json", *sets(*short), reports=tmp_path / "reports")
    assert finished.code == 5, finished.err
    assert finished.result["verdict"] == "dirty"
    [reason] = [reason for reason in finished.result["reasons"] if reason.startswith("rollback")]
    assert reason.startswith("rollback 'tidy up': sh ended with exit code 3")
    assert (tmp_path / "tidied").read_text().endswith("more\n")


def test_without_a_fault_nothing_is_rolled_back(tmp_path: Path) -> None:
    unsteady = "steady_state.hypothesis=[{metric: response_p99, max: 1ns}]"
    run = come_to(
        {"type": "phase", "name": "baseline"},
        *(COMPOSED, "--format", "json", *sets(unsteady, *in_folder(tmp_path))),
        reports=tmp_path / "reports",
    )
    finished = run.finish()
    assert finished.code == 3, finished.err
    assert not (tmp_path / "tidied").exists()
