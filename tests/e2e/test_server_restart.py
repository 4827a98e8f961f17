"""The main job on the embedded target, and its numbers against the server's and the terminal's own logs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from drawing import disagreements
from e2e_running import TINY, Finished, conclusive, missing_copies

from chaosrun.charts.draw import draw
from chaosrun.judge import assess
from chaosrun.recorded import Recording, read_run
from chaosrun.records import NONE, Exited, Started


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return conclusive(TINY, "--format", "json", reports=tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def recording(finished: Finished) -> Recording:
    assert finished.folder is not None
    return read_run(finished.folder)


def events(finished: Finished) -> list[dict[str, object]]:
    """What the bridge wrote of itself, over both of its lives."""
    assert finished.folder is not None
    path = finished.folder / "roles" / "bridge.events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def test_it_passes_and_leaves_nothing_behind(finished: Finished) -> None:
    assert finished.code == 0, finished.err + finished.out
    assert finished.result["verdict"] == "passed", finished.result["reasons"]
    assert finished.left_behind() == []


def test_what_is_printed_is_what_is_kept(finished: Finished) -> None:
    assert finished.result == finished.kept


def test_scoring_it_again_gives_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    from chaosrun.outcome import score

    assert finished.folder is not None
    before = (finished.folder / "result.json").read_bytes()
    score(finished.folder)
    assert (finished.folder / "result.json").read_bytes() == before


def test_the_request_equations_hold_exactly(finished: Finished) -> None:
    ledger = finished.result["messages"]["requests"]
    assert ledger["due"] == ledger["sent"] + ledger["skipped_disconnected"] + ledger["skipped_observer"]
    outcomes = ("replied_in_time", "replied_late", "replied_error", "lost_connected", "lost_at_break")
    assert ledger["sent"] == sum(ledger[name] for name in outcomes) + ledger["in_flight_at_end"]
    assert ledger["skipped_disconnected"] > 0, "there was an outage"


def test_the_push_equations_hold_exactly(finished: Finished) -> None:
    push = finished.result["messages"]["push"]
    # Null: a client subscribed before the new bridge had found its terminal, and was told no head; `live` holds both.
    assert push.pop("replayed") in (0, None)
    push["replayed"] = 0
    owed = ("live", "replayed", "lost_connected", "missed_disconnected", "conflated", "tail", "in_flight_at_end")
    assert push["owed"] == sum(push[name] for name in owed)
    assert push["received"] == sum(push[name] for name in ("live", "replayed", "duplicates", "unexpected"))
    assert push["accountable"], push["why"]
    assert push["missed_disconnected"] > 0


def test_push_losses_are_the_published_set_less_what_clients_received_id_by_id(
    finished: Finished, recording: Recording
) -> None:
    """Recomputed here with plain sets, from the terminal's own file and the raw rows alone."""
    assert finished.folder is not None
    missing = missing_copies(finished.folder, recording.history)
    push = finished.result["messages"]["push"]
    assert push["lost_connected"] + push["missed_disconnected"] + push["tail"] == missing


NOISE_NS = 500_000_000
"""What a busy machine may add between two processes that look at one event; the bounds are one-sided beside it."""


def second_life(finished: Finished, recording: Recording, event: str) -> dict[str, int]:
    """When the restarted bridge wrote this event of each account, in run time, by the server's own log."""
    listening = [each for each in events(finished) if each["event"] == "listening"]
    assert len(listening) == 2
    origin, start = recording.began.origin_ns, int(str(listening[1]["t"]))
    return {
        str(each.get("account")): int(str(each["t"])) - origin
        for each in events(finished)
        if each["event"] == event and int(str(each["t"])) >= start
    }


def test_the_server_was_ready_when_its_own_log_says_so(finished: Finished, recording: Recording) -> None:
    """The prober asks every 10 ms: ready is a handshake and an echo after the new server listens, and soon."""
    listening = second_life(finished, recording, "listening")["None"]
    ready = recording.history.called[0].t + finished.result["recovery"]["server_ready_s"] * 1e9
    assert listening <= ready <= listening + 2 * NOISE_NS


def test_the_last_client_was_back_when_the_server_says_it_subscribed(finished: Finished, recording: Recording) -> None:
    """All within 1% are ten of ten; back is the send of the first good canary, after the server's own `subscribed`."""
    subscribed = second_life(finished, recording, "subscribed")
    assert len(subscribed) >= 10, "ten accounts, and the prober"
    last = max(t for account, t in subscribed.items() if account != "prober")
    back = recording.history.called[0].t + finished.result["recovery"]["back_s"]["all"] * 1e9
    assert last - 1e6 <= back <= last + NOISE_NS


def test_recovery_is_the_servers_truth_within_the_error_that_is_printed(
    finished: Finished, recording: Recording
) -> None:
    """By the server's log the service is whole when the last account has subscribed; ticks follow within their gap."""
    recovery = finished.result["recovery"]
    subscribed = second_life(finished, recording, "subscribed")
    truth = max(t for account, t in subscribed.items() if account != "prober") - recording.history.called[0].t
    assert truth - 1e6 <= recovery["ttr_s"] * 1e9 <= truth + recovery["error_s"] * 1e9 + NOISE_NS
    assert recovery["outage_s"] <= recovery["ttr_s"]
    assert recovery["error_s"] < 1.0


def test_every_client_was_cut_off_once_and_said_why(finished: Finished, recording: Recording) -> None:
    clients = finished.result["clients"]
    assert clients["unexpected_disconnects"] == 10
    assert clients["reconnects"] == 10
    assert set(clients["by_cause"]) <= {"fin", "rst"}
    tags = finished.result["detection_s"]["client"]
    assert sum(tag["count"] for tag in tags.values()) == 10


def test_the_kill_and_the_restart_are_in_the_journal_in_their_order(recording: Recording) -> None:
    history = recording.history
    server = [line for line in recording.lines.of(Started) if line.role == "server"]
    ended = [line for line in recording.lines.of(Exited) if line.role == "server"]
    assert len(server) == 2
    assert ended[0].code == -9
    assert ended[0].expected
    intent, called, confirmed = history.intents[0], history.called[0], history.confirmed[0]
    assert intent.n < called.n < confirmed.n
    assert called.t <= confirmed.t
    assert called.t <= ended[0].t <= server[1].t


def test_no_canary_is_missing_and_none_counts_as_load(finished: Finished, recording: Recording) -> None:
    kinds = Counter(slot.kind.name for slot in recording.history.slots)
    assert kinds["CANARY"] >= 20
    assert finished.result["messages"]["requests"]["due"] == kinds["SLOT"]


def test_the_prober_is_no_load(recording: Recording) -> None:
    assert any(probe.connect and probe.got != NONE for probe in recording.history.probes)
    assert {opened.c for opened in recording.history.opened} == set(range(10))


def test_its_picture_tells_the_same_as_its_result(recording: Recording) -> None:
    run = assess(recording.history, recording.began)
    picture = draw(run.evidence, run.result)
    assert disagreements(run, picture) == []
    (own,) = picture.groups
    assert [fall.cause in ("fin", "rst") for fall in own.waterfalls[0].falls] == [True] * 10
    assert [kind for kind in ("fault", "impact", "removed", "ready", "recovered") if kind not in
            {mark.kind for mark in picture.marks}] == []  # fmt: skip
    assert {role.name for role in picture.roles} >= {"server", "terminal", "chaosrun"}
    assert draw(run.evidence, run.result) == picture
