"""What the load writes down of a server's words."""

from __future__ import annotations

from pathlib import Path

from chaosrun import records
from chaosrun.journal import Journal
from chaosrun.load.recorder import Recorder
from chaosrun.plan import GroupPlan, Plan
from chaosrun.recorded import read_run
from chaosrun.records import Began, Ended
from chaosrun.scoring.evidence import GroupEvidence
from chaosrun.scoring.result import Malformed
from chaosrun.scoring.summary import messages
from chaosrun.spec.masking import MASK, Mask


def test_the_runs_secrets_and_the_clients_own_are_masked_in_what_a_server_said(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "load-0", lambda _: None, Mask(["the-token"]))
    account = {"login": "somebody", "password": "pa55/word", "pin": "123"}
    said = "the-token: somebody with pa55/word, pa55%2Fword or 123 is unknown"
    assert recorder.told(said, account) == f"{MASK}: somebody with {MASK}, {MASK} or 123 is unknown"


def a_run_of_two_groups(folder: Path) -> tuple[Recorder, Recorder]:
    """With two load processes, which have complained of one message each."""
    groups = tuple(GroupPlan(name=name, clients=2, period_ns=10**9) for name in ("a", "b"))
    engine = Journal(folder, "engine")
    engine.append(Began(t=0, run="r", chaosrun_version="0", title="t", plan=Plan(groups=groups)))
    engine.append(Ended(t=9))
    engine.close()
    load = Recorder(folder, "load-0", print), Recorder(folder, "load-1", print)
    for t, recorder in ((5, load[0]), (4, load[1])):
        recorder.complain(records.Malformed(t=t, g=1, c=0, conn=0, why=f"said at {t}"))
        recorder.flush()
    return load


def malformed(folder: Path) -> tuple[Malformed | None, ...]:
    history = read_run(folder).history
    groups = [GroupEvidence.of(history, g) for g in (0, 1)]
    return *(messages([group]).malformed for group in groups), messages(groups).malformed


def test_malformed_messages_are_counted_though_lines_tell_of_the_first_ones_only(tmp_path: Path) -> None:
    for recorder, counts in zip(a_run_of_two_groups(tmp_path), ([0, 4_000], [0, 3]), strict=True):
        recorder.end(8, counts)
    assert malformed(tmp_path) == (Malformed(), *[Malformed(count=4_003, first="said at 4")] * 2)


def test_how_many_were_malformed_is_unknown_where_a_load_process_did_not_get_to_tell(tmp_path: Path) -> None:
    first, _ = a_run_of_two_groups(tmp_path)
    first.end(8, [0, 1])
    assert malformed(tmp_path) == (None, None, None)
