"""What is kept of pushed messages grows with their gaps, not with their number: while they come, and when scored."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from push_script import S, Script

from chaosrun.journal import Journal, PushRows
from chaosrun.plan import GroupPlan, Plan, StreamPlan
from chaosrun.recorded import ENGINE, read_run
from chaosrun.records import Began, Ended, LoadStopped, Opened, Phase, Stream, Subscribed
from chaosrun.scoring.pushes import PushScore, count_pushes

WRITER = "load"
SLACK = 100_000
"""Bytes; eleven thousand messages more, kept as they are, would be four times that."""


def peak_of(work: Callable[[], object]) -> int:
    """The most memory that `work` had at once, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def record(folder: Path, messages: int) -> None:
    """One client that gets `messages`, a millisecond apart; a few are missing."""
    rows = PushRows(folder, WRITER)
    for number in range(1, messages + 1):
        if number % 1_000:
            rows.add(S + number * 1_000_000, number, number, None, 0)
    rows.close()
    group = GroupPlan(name="all", clients=1, streams=(StreamPlan(has_epoch=True),))
    who = {"g": 0, "c": 0, "conn": 0}
    lines = Journal(folder, WRITER)
    lines.append(Opened(t=S, **who, began=S, shaken=S))
    lines.append(Subscribed(t=S, **who, channel="A", head=0, epoch="E"))
    lines.append(Stream(t=S, sid=0, **who, channel="A", epoch="E"))
    lines.append(Ended(t=999 * S, pushes=rows.count))
    lines.close()
    engine = Journal(folder, ENGINE)
    engine.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=(group,))))
    engine.append(Phase(t=0, name="start"))
    engine.append(LoadStopped(t=999 * S))
    engine.append(Ended(t=999 * S))
    engine.close()


def score(folder: Path) -> PushScore:
    return count_pushes(read_run(folder).history, 0, (0, 10 * S))


def test_scoring_a_run_from_disk_takes_no_more_memory_for_more_messages(tmp_path: Path) -> None:
    peaks = []
    for messages in (9_000, 20_000):
        folder = tmp_path / str(messages)
        folder.mkdir()
        record(folder, messages)
        assert score(folder).ledger.received == messages - messages // 1_000
        peaks.append(peak_of(lambda folder=folder: score(folder)))  # type: ignore[misc]  # the default binds it here
    assert peaks[1] < peaks[0] + SLACK, peaks


def test_recording_takes_no_more_memory_for_more_messages(tmp_path: Path) -> None:
    peaks = []
    for messages in (9_000, 20_000):
        folder = tmp_path / str(messages)
        folder.mkdir()
        peaks.append(peak_of(lambda folder=folder, messages=messages: record(folder, messages)))  # type: ignore[misc]  # as above
    assert peaks[1] < peaks[0] + SLACK, peaks


@pytest.mark.parametrize("gaps", [0, 1, 50])
@pytest.mark.parametrize("messages", [200, 5_000])
def test_what_a_client_received_is_kept_as_one_piece_more_than_it_has_gaps(messages: int, gaps: int) -> None:
    missing = {2 * gap + 2 for gap in range(gaps)}
    script = Script().joins(0, 1, head=0).gets(0, 2, *(n for n in range(1, messages + 1) if n not in missing))
    (each,) = script.marks(100, messages).score().accounts
    kept = (each.account.seen, each.account.visits[0].fresh, each.publication.seen, each.copies.live)
    assert [len(list(numbers)) for numbers in kept] == [gaps + 1] * 4
    assert len(list(each.copies.lost_connected)) == gaps
