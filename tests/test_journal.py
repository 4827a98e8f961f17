"""Claims about the history on disk: whole lines of many writers, exact rows, and losses that are noticed."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.errors import Unwritable, UsageError
from chaosrun.journal import JOURNAL, SAMPLES, Journal, PendingRows, ProbeRows, PushRows, SlotRows
from chaosrun.plan import GroupPlan, Plan
from chaosrun.recorded import ENGINE, read_lines, read_run
from chaosrun.records import (
    NONE,
    Began,
    Closed,
    Ended,
    Intent,
    Kind,
    LoadStopped,
    NodeClock,
    Note,
    Phase,
    Probe,
    Proxied,
    Push,
    Slot,
    Status,
    Stream,
    Undo,
)
from chaosrun.spec.masking import Mask

PLAN = Plan(groups=(GroupPlan(name="users", clients=2),))


def engine(folder: Path, *, end: int = 100) -> None:
    journal = Journal(folder, ENGINE)
    journal.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=PLAN))
    journal.append(Phase(t=0, name="start"))
    journal.append(LoadStopped(t=90))
    journal.append(Ended(t=end))
    journal.close()


def load(folder: Path, writer: str, slots: list[Slot], pushes: list[Push]) -> None:
    journal = Journal(folder, writer)
    rows, pushed = SlotRows(folder, writer), PushRows(folder, writer)
    for slot in slots:
        rows.add(
            slot.group, slot.client, slot.due, slot.sent, slot.got, slot.status, slot.kind, slot.conn, slot.request
        )
    for sid in sorted({push.sid for push in pushes}):
        journal.append(Stream(t=1, sid=sid, g=0, c=sid, conn=0, channel="E"))
    for push in pushes:
        pushed.add(*push)
    rows.close()
    pushed.close()
    journal.append(Ended(t=99, slots=len(slots), pushes=len(pushes)))
    journal.close()


times = st.integers(min_value=0, max_value=2**62)
slots = st.builds(
    Slot,
    group=st.integers(0, 100),
    client=st.integers(0, 2**31),
    due=times,
    sent=times | st.just(NONE),
    got=times | st.just(NONE),
    status=st.sampled_from(Status),
    kind=st.sampled_from(Kind),
    conn=st.integers(0, 2**30),
    request=st.integers(0, 1000),
)


@given(rows=st.lists(slots, max_size=20))
def test_every_slot_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[Slot]) -> None:
    folder = tmp_path_factory.mktemp("run")
    engine(folder)
    load(folder, "load-0", rows, [])
    history = read_run(folder).history
    assert sorted(history.slots) == sorted(rows)
    assert history.lost_records == 0


def test_two_workers_with_the_same_stream_keys_are_merged_without_mixing(tmp_path: Path) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [], [Push(5, 1, 1, None, 0), Push(6, 7, 9, 4, 1)])
    load(tmp_path, "load-1", [], [Push(7, 2, 2, -3, 0)])
    history = read_run(tmp_path).history
    pushes = [(history.streams[push.sid].w, history.streams[push.sid].sid, push[:4]) for push in history.pushes]
    assert pushes == [
        ("load-0", 0, (5, 1, 1, None)),
        ("load-0", 1, (6, 7, 9, 4)),
        ("load-1", 0, (7, 2, 2, -3)),
    ]
    assert list(history.pushes) == list(history.pushes), "it can be gone through again"


def test_probes_come_back_in_time_order(tmp_path: Path) -> None:
    engine(tmp_path)
    rows = ProbeRows(tmp_path, "prober")
    rows.add(20, None, 30, True)
    rows.add(10, 12, 12, False)
    rows.close()
    assert list(read_run(tmp_path, until=90).history.probes) == [
        Probe(10, 12, 12, False),
        Probe(20, NONE, 30, True),
    ]


def _write_notes(folder: Path, writer: str, count: int) -> None:
    journal = Journal(folder, writer)
    for number in range(count):
        journal.append(Note(t=number, text=f"{writer} " + "x" * (number % 300)))
        if number % 7 == 0:
            journal.flush()
    journal.append(Ended(t=count))
    journal.close()


def test_lines_of_several_processes_never_mix(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_notes, args=(tmp_path, f"w{i}", 2000)) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = read_lines(tmp_path)
    assert lines.lost.total() == 0
    assert len(lines.of(Note)) == 6000
    for name in ("w0", "w1", "w2"):
        assert [note.n for note in lines.of(Note) if note.w == name] == list(range(2000))


def test_a_torn_last_line_is_tolerated_and_counted(tmp_path: Path) -> None:
    engine(tmp_path)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"w":"engine","n":9,"type":"no')
    recording = read_run(tmp_path)
    assert recording.history.lost_records == 1
    assert recording.history.end == 100


@pytest.mark.parametrize("damage", [b"\xff", b'","x":' + b"[" * 100_000], ids=["not UTF-8", "too deep"])
def test_a_line_that_is_damaged_in_its_middle_is_lost_like_a_torn_one(tmp_path: Path, damage: bytes) -> None:
    engine(tmp_path)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"w":"engine","n":9,"type":"note","t":1,"text":"' + damage + b'"}\n')
    recording = read_run(tmp_path)
    assert recording.lines.lost["engine"] == 1
    assert recording.history.end == 100


def test_a_line_right_after_what_is_left_of_a_torn_one_is_not_lost_with_it(tmp_path: Path) -> None:
    """A writer was killed, or its disk was full for a while, in the middle of a line; another one wrote on."""
    engine(tmp_path)
    torn = b'{"w":"load-0","n":3,"type":"note","t":1,"te'
    whole = b'{"w":"guardian","n":0,"type":"note","t":7,"text":"of {\\"w\\":\\"load-0\\"}"}\n'
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(torn + whole + b'xt":"half"}' + whole.replace(b'"n":0', b'"n":1'))
    lines = read_lines(tmp_path)
    assert [note.text for note in lines.of(Note) if note.w == "guardian"] == ['of {"w":"load-0"}'] * 2
    assert (lines.lost["guardian"], lines.lost["load-0"], lines.lost[""]) == (0, 1, 1)


@given(cut=st.integers(1, 10_000), data=st.data())
def test_whoever_begins_a_line_of_its_own_loses_none_to_a_torn_one(
    tmp_path_factory: pytest.TempPathFactory, cut: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
    engine(folder)
    whole = (folder / JOURNAL).read_bytes()
    (folder / JOURNAL).write_bytes(whole[: max(1, len(whole) - cut % len(whole))])
    before = read_lines(folder)
    guardian = Journal(folder, "guardian")
    if data.draw(st.booleans()):
        guardian.begin_line()
    guardian.append(Note(t=5, text="undone"))
    guardian.close()
    after = read_lines(folder)
    assert [note.text for note in after.of(Note)] == ["undone"]
    assert after.lost["guardian"] == 0
    assert {kind: len(found) for kind, found in after.by_type.items() if kind is not Note} == {
        kind: len(found) for kind, found in before.by_type.items()
    }


def test_a_line_missing_before_its_writers_end_is_noticed(tmp_path: Path) -> None:
    engine(tmp_path)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join(line for line in lines if b"loadstopped" not in line))
    assert read_run(tmp_path).history.lost_records == 1


def test_missing_and_torn_rows_are_noticed(tmp_path: Path) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [Slot(0, 0, 1, 1, 2), Slot(0, 1, 2, 2, 3)], [Push(5, 1, 1, None, 0)])
    path = tmp_path / SAMPLES / "load-0.slots"
    path.write_bytes(path.read_bytes()[:-8])
    history = read_run(tmp_path).history
    assert list(history.slots) == [Slot(0, 0, 1, 1, 2)]
    assert history.lost_records == 1, "the torn row is the one that is missing"


@pytest.mark.parametrize("suffix", ["slots", "pushes"])
def test_rows_lost_in_the_middle_and_a_missing_file_are_counted_row_by_row(tmp_path: Path, suffix: str) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [Slot(0, 0, t, t, t + 1) for t in range(5)], [Push(t, t, t, None, 0) for t in range(1, 6)])
    path = tmp_path / SAMPLES / f"load-0.{suffix}"
    whole = path.read_bytes()
    path.write_bytes(whole[:48] + whole[128:])
    assert read_run(tmp_path).history.lost_records == 2
    path.unlink()
    assert read_run(tmp_path).history.lost_records == 5


def test_a_row_that_says_what_no_slot_can_is_lost_not_guessed(tmp_path: Path) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [Slot(0, 0, t, t, t + 1) for t in range(3)], [])
    path = tmp_path / SAMPLES / "load-0.slots"
    damaged = bytearray(path.read_bytes())
    damaged[8 + 40 + 32] = 0xFF  # the status and kind of the second row
    path.write_bytes(damaged)
    history = read_run(tmp_path).history
    assert [slot.due for slot in history.slots] == [0, 2]
    assert history.lost_records == 1


def test_a_line_missing_in_the_middle_is_noticed_though_its_writer_was_killed(tmp_path: Path) -> None:
    engine(tmp_path)
    journal = Journal(tmp_path, "load-0")
    for t in range(3):
        journal.append(Note(t=t, text="alive"))
    journal.close()
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if b'"load-0","n":1' not in line))
    assert read_run(tmp_path).history.lost_records == 1


def test_what_was_found_of_a_nodes_clock_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    engine(tmp_path)
    assert read_run(tmp_path).history.node_clocks == [], "a fleet on one machine"
    journal = Journal(tmp_path, ENGINE)
    after = NodeClock(t=95, worker="load-0", node="blue", offset_ns=-20, bound_ns=4, exchanges=60)
    before = NodeClock(t=5, worker="load-0", node="blue", offset_ns=0, bound_ns=3, exchanges=50)
    journal.append(after)
    journal.append(before)
    journal.close()
    read = read_run(tmp_path).history.node_clocks
    assert [(line.t, line.worker, line.node, line.offset_ns, line.bound_ns, line.exchanges) for line in read] == [
        (5, "load-0", "blue", 0, 3, 50),
        (95, "load-0", "blue", -20, 4, 60),
    ]


def test_what_the_prober_lost_is_counted_apart(tmp_path: Path) -> None:
    engine(tmp_path)
    rows = ProbeRows(tmp_path, "prober")
    for t in range(3):
        rows.add(t, t + 1, t + 1, False)
    rows.close()
    history = read_run(tmp_path).history
    assert (history.lost_records, history.lost_probes) == (0, 1), "it never said that it ended"
    journal = Journal(tmp_path, "prober")
    journal.append(Ended(t=9, probes=3))
    journal.close()
    assert read_run(tmp_path).history.lost_probes == 0
    rows_file, lines_file = tmp_path / SAMPLES / "prober.probes", tmp_path / JOURNAL
    rows_file.write_bytes(rows_file.read_bytes()[:-32])
    assert (read_run(tmp_path).history.lost_records, read_run(tmp_path).history.lost_probes) == (0, 1)
    rows_file.unlink()
    assert read_run(tmp_path).history.lost_probes == 3
    lines_file.write_bytes(lines_file.read_bytes().replace(b'"probes":3', b'"probes":'))
    assert (read_run(tmp_path).history.lost_records, read_run(tmp_path).history.lost_probes) == (0, 1)


def test_a_worker_that_never_said_it_ended_is_noticed(tmp_path: Path) -> None:
    engine(tmp_path)
    rows = SlotRows(tmp_path, "load-0")
    rows.add(0, 0, 1, 1, 2)
    rows.close()
    assert read_run(tmp_path).history.lost_records == 1


def test_a_push_whose_stream_was_never_named_is_lost_not_guessed(tmp_path: Path) -> None:
    engine(tmp_path)
    rows = PushRows(tmp_path, "load-0")
    rows.add(5, 1, 1, None, 3)
    rows.close()
    journal = Journal(tmp_path, "load-0")
    journal.append(Ended(t=9, pushes=1))
    journal.close()
    history = read_run(tmp_path).history
    assert list(history.pushes) == []
    assert history.lost_records == 1


def test_undecided_slots_are_read_while_the_run_goes_on_and_not_afterwards(tmp_path: Path) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [Slot(0, 0, 1, 1, 2)], [])
    pending = PendingRows(tmp_path, "load-0")
    pending.add(0, 1, 2, 2, NONE)
    pending.close()
    assert len(read_run(tmp_path).history.slots) == 1
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if b'"load-0"' not in line))
    assert list(read_run(tmp_path, until=50).history.slots) == [Slot(0, 0, 1, 1, 2), Slot(0, 1, 2, 2, NONE)]


def test_a_history_until_an_instant_holds_no_slot_due_later(tmp_path: Path) -> None:
    engine(tmp_path)
    load(tmp_path, "load-0", [Slot(0, 0, 10, 10, 12), Slot(0, 0, 50, 50, 52)], [])
    history = read_run(tmp_path, until=50).history
    assert [slot.due for slot in history.slots] == [10]
    assert history.end == 50


def test_a_full_disk_is_said_and_nothing_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).symlink_to("/dev/full")
    journal = Journal(tmp_path, ENGINE)
    journal.append(Closed(t=1, g=0, c=0, conn=0, cause="rst"))
    with pytest.raises(Unwritable, match=r"No space left.*--report-dir"):
        journal.flush()
    with pytest.raises(Unwritable):
        journal.flush()


def test_secrets_are_masked_in_what_others_say_and_our_own_words_stay(tmp_path: Path) -> None:
    """Though a secret may be one of them: a phase by another name would be no phase."""
    journal = Journal(tmp_path, ENGINE, Mask(["baseline", 'hunter2 "horse"']))
    undo = Undo(id="1", kind="baseline", what='send hunter2 "horse"', identity={"role": "baseline"})
    journal.append(Phase(t=1, name="baseline"))
    journal.append(Intent(t=2, undo=undo))
    journal.append(Note(t=3, text='hunter2 "horse" and hunter2%20%22horse%22'))
    journal.append(Proxied(t=4, kind="baseline", version="baseline", api="x", links={"baseline": "baseline"}))
    journal.close()
    lines = read_lines(tmp_path)
    assert [phase.name for phase in lines.of(Phase)] == ["baseline"]
    [intent] = lines.of(Intent)
    assert (intent.undo.kind, intent.undo.what, intent.undo.identity) == ("baseline", "send ***", {"role": "baseline"})
    assert [note.text for note in lines.of(Note)] == ["*** and ***"]
    assert [(it.kind, it.links) for it in lines.of(Proxied)] == [("baseline", {"baseline": "***"})]
    assert "hunter2" not in (tmp_path / JOURNAL).read_text()


def test_a_folder_without_a_run_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"journal\.jsonl"):
        read_run(tmp_path)
    (tmp_path / JOURNAL).write_bytes(b"garbage\n")
    with pytest.raises(UsageError, match="first line"):
        read_run(tmp_path)
