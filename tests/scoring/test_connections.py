"""Needs and losses, each counted by hand."""

from dataclasses import replace

import msgspec
from storybook import Story, group, ms, s

from chaosrun.records import History
from chaosrun.scoring.connections import measure_connections, needs


def with_closes(history: History, **changes: object) -> History:
    return replace(history, closed=[msgspec.structs.replace(line, **changes) for line in history.closed])


def test_each_client_needs_to_be_open_from_its_planned_start() -> None:
    history = Story(group(clients=3, ramp_start=1, ramp_over_ns=s(2))).history()
    assert [(need.at, need.client, need.met) for need in needs(history, 0)] == [
        (0, 0, True),
        (s(1), 1, True),
        (s(2), 2, True),
    ]


def test_a_loss_is_a_need_and_so_is_a_cut_that_a_fault_made_and_of_a_leave_the_return() -> None:
    history = Story(group(clients=1)).crash(s(10), s(10.2)).history()
    assert [(need.at, need.met) for need in needs(history, 0)] == [(0, True), (s(10), True)]
    injected = with_closes(history, cause="injected", planned=True)
    assert len(list(needs(injected, 0))) == 2
    ours = with_closes(history, cause="ours", planned=True)
    assert [need.at for need in needs(ours, 0)] == [0, s(10.1)], "from when it begins to come back"


def test_a_need_is_missed_by_a_nanosecond() -> None:
    def met(within: int) -> list[bool]:
        history = Story(group(clients=1, connect_within_ns=within)).crash(s(10), s(10.2)).history()
        return [need.met for need in needs(history, 0)]

    # Refused until 10.2 s by attempts each 100 ms; the attempt of 10.2 s is open at 10.201 s.
    assert met(ms(201)) == [True, True]
    assert met(ms(201) - 1) == [True, False]


def test_a_need_that_the_end_left_no_time_for_is_none() -> None:
    history = Story(group(clients=1)).crash(s(41.5), s(99)).history()
    assert [need.at for need in needs(history, 0)] == [0]


def test_losses_are_counted_by_cause_and_only_while_there_is_load() -> None:
    history = Story(group(clients=4)).crash(s(10), s(11)).history()
    found = measure_connections(history, 0, 0, history.end)
    assert (found.unexpected_disconnects, found.by_cause, found.reconnects) == (4, {"rst": 4}, 4)
    # A try each 100 ms from 10.1 s on: nine refused, the tenth succeeds at 11 s.
    assert (found.attempts, found.refused) == (4 + 4 * 10, 4 * 9)
    restart = measure_connections(with_closes(history, cause="close", code=1012), 0, 0, history.end)
    assert restart.by_cause == {"close(1012)": 4}
    late = replace(history, load_stopped=s(10))
    assert measure_connections(late, 0, 0, history.end).unexpected_disconnects == 0


def test_connect_times_belong_to_the_attempt() -> None:
    history = Story(group(clients=4), latency=ms(30)).crash(s(10), s(11)).history()
    found = measure_connections(history, 0, s(9), s(12))
    assert (found.connect.count, found.connect.max) == (4, ms(30))
    assert measure_connections(history, 0, s(20), s(30)).connect.count == 0


def test_http_groups_need_no_connections() -> None:
    assert list(needs(Story(group(kind="http")).history(), 0)) == []


def test_before_the_ramp_nobody_needs_anything() -> None:
    history = replace(Story(group()).history(), phases=())
    assert list(needs(history, 0)) == []
