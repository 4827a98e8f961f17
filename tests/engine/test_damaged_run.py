"""The folder of a run in which a disk, or somebody, has changed bytes: it is scored, or one error says why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosrun import engine
from chaosrun.errors import ChaosrunError
from chaosrun.journal import JOURNAL, SAMPLES, Journal, ProbeRows, PushRows, SlotRows
from chaosrun.plan import FaultPlan, GroupPlan, Plan
from chaosrun.recorded import ENGINE, PROBER
from chaosrun.records import (
    Attempt,
    Began,
    Called,
    Closed,
    Confirmed,
    Ended,
    Intent,
    Lag,
    LoadStopped,
    Opened,
    Phase,
    Removed,
    Stream,
    Subscribed,
    Undo,
    Undone,
)

S = 1_000_000_000
MS = 1_000_000
PHASES = {
    "start": 0,
    "ramp": 1,
    "warmup": 2,
    "baseline": 3,
    "fault": 8,
    "recovery": 10,
    "after": 14,
    "verify": 16,
    "drain": 18,
}
GROUP = GroupPlan(name="users", clients=2, period_ns=100 * MS)
LOAD = "load-0"


def record(folder: Path) -> None:
    """A small run with everything in it: two clients, one of which loses its connection to a fault for a second."""
    told = Journal(folder, ENGINE)
    plan = Plan(groups=(GROUP,), faults=(FaultPlan(id="fault-1", name="kill", kind="process_kill", role="server"),))
    told.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=plan))
    for name, at in PHASES.items():
        told.append(Phase(t=at * S, name=name))
    undo = Undo(id="fault-1", kind="process_kill", what="start it again", identity={"pids": "1"})
    told.append(Intent(t=8 * S, undo=undo))
    told.append(Called(t=8 * S, id="fault-1"))
    told.append(Confirmed(t=8 * S + MS, id="fault-1", verified=True, how="seen"))
    told.append(Removed(t=9 * S, id="fault-1"))
    told.append(Undone(t=9 * S, id="fault-1", done=True, verified=True))
    told.append(LoadStopped(t=18 * S))
    told.append(Ended(t=19 * S))
    told.close()

    said, slots, pushes = Journal(folder, LOAD), SlotRows(folder, LOAD), PushRows(folder, LOAD)
    for c in range(2):
        said.append(Attempt(t=S, g=0, c=c))
        said.append(Opened(t=S + 2 * MS, g=0, c=c, conn=0, began=S, shaken=S + MS))
        said.append(Subscribed(t=S + 2 * MS, g=0, c=c, conn=0, channel="E", head=0))
        said.append(Stream(t=S, sid=c, g=0, c=c, conn=0, channel="E"))
        for k in range(10, 180):
            due, out = k * 100 * MS, c == 0 and 80 <= k < 90
            slots.add(0, c, due, -1 if out else due, -1 if out else due + MS, 2 if out else 0)
            if not out:
                pushes.add(due, k - 9, k - 9, None, c)
    said.append(Closed(t=8 * S, g=0, c=0, conn=0, cause="rst"))
    said.append(Opened(t=9 * S, g=0, c=0, conn=1, began=9 * S - 2 * MS, shaken=9 * S - MS))
    for at in range(2, 19):
        said.append(Lag(t=at * S, span_ns=S, buckets={3: 100}, max_ns=MS))
    slots.close()
    pushes.close()
    said.append(Ended(t=19 * S, slots=slots.count, pushes=pushes.count))
    said.close()

    prober, probes = Journal(folder, PROBER), ProbeRows(folder, PROBER)
    for at in range(S, 18 * S, 50 * MS):
        probes.add(at, at + MS, at + MS, connect=False)
    probes.close()
    prober.append(Ended(t=19 * S, probes=probes.count))
    prober.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    record(folder)
    return folder


FILES = (JOURNAL, f"{SAMPLES}/{LOAD}.slots", f"{SAMPLES}/{LOAD}.pushes", f"{SAMPLES}/{PROBER}.probes")
damages = st.lists(
    st.tuples(
        st.sampled_from((*FILES, JOURNAL, JOURNAL)),
        st.sampled_from(("flip", "cut", "drop", "insert", "digit")),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=8,
)


def damaged(data: bytes, how: str, where: float, by: int) -> bytes:
    at = int(where * len(data))
    if not data:
        return bytes([by])
    match how:
        case "flip":
            return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]
        case "cut":
            return data[:at]
        case "drop":
            return data[:at] + data[at + by :]
        case "insert":
            return data[:at] + bytes([by]) * by + data[at:]
    digits = [place for place in range(at, len(data)) if chr(data[place]).isdigit()][:1]
    return b"".join([data[: digits[0]], b"%d" % (by % 10), data[digits[0] + 1 :]]) if digits else data


def test_the_run_is_one_that_can_be_scored(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    result = engine.score(folder).result
    assert result.faults[0].undone
    assert result.messages.requests.sent == 2 * 170 - 10
    assert engine.score(folder).result == result


@settings(max_examples=30)
@given(damage=damages)
def test_whatever_bytes_are_changed_it_is_scored_or_one_error_tells(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[str, str, float, int]]
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("damaged") / "run"))
    for name, how, where, by in damage:
        (folder / name).write_bytes(damaged((folder / name).read_bytes(), how, where, by))
    try:
        outcome = engine.score(folder)
    except ChaosrunError as error:
        assert str(folder) in str(error)
        assert not (folder / "result.json").exists()
    else:
        assert outcome.result.verdict in ("passed", "failed", "inconclusive", "aborted", "dirty")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("to", ["nothing", "garbage", "a folder", "gone", "a link to itself"])
def test_a_file_of_it_that_is_something_else_is_told_or_counted(
    whole: Path, tmp_path: Path, name: str, to: str
) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / name).unlink()
    match to:
        case "nothing":
            (folder / name).touch()
        case "garbage":
            (folder / name).write_bytes(bytes(range(256)) * 20)
        case "a folder":
            (folder / name).mkdir()
        case "a link to itself":
            (folder / name).symlink_to(name.rpartition("/")[2])
    try:
        result = engine.score(folder).result
    except ChaosrunError as error:
        assert str(folder) in str(error)
    else:
        assert result.verdict == "inconclusive", "what is lost clouds what is judged"
