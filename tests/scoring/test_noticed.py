"""What is told beside impact and R: how clients noticed, when the server was ready, and the time that was lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recoveries import HIT, episode_of, recovery_of, struck
from storybook import MS, S, Story, group, ms, s, strike

from chaosrun.records import NONE, Closed, Probe
from chaosrun.scoring.comeback import Noticed


@pytest.mark.parametrize(
    ("cause", "code", "tag"),
    [
        ("close", 1012, "close(1012)"),
        ("close", None, "close"),
        ("fin", None, "fin"),
        ("ping_timeout", None, "ping_timeout"),
    ],
)
def test_clients_notice_by_the_cause_of_their_own_disconnect(cause: str, code: int | None, tag: str) -> None:
    story = struck().crash(s(10.1), s(12))
    for c in range(4):
        story.closes[0, c, 0] = Closed(t=0, g=0, c=c, conn=0, cause=cause, code=code)
    assert episode_of(story).noticed == {tag: Noticed(count=4, p50=ms(100), max=ms(100))}


def test_clients_of_a_frozen_server_notice_by_their_deadline() -> None:
    # Due at 10, 10.25, 10.5 and 10.75 s; L is 500 ms.
    noticed = episode_of(struck().freeze(HIT, s(14))).noticed
    assert noticed == {"deadline": Noticed(count=4, p50=ms(750), max=ms(1250))}


def test_an_error_reply_is_noticed_as_an_answer_not_as_a_deadline() -> None:
    assert episode_of(struck().errors(HIT, s(14))).noticed == {}


def test_a_client_counts_once_under_what_it_noticed_first() -> None:
    noticed = episode_of(struck().freeze(HIT, s(14)).crash(s(10.9), s(12))).noticed
    assert noticed == {
        "deadline": Noticed(count=2, p50=ms(500), max=ms(750)),
        "rst": Noticed(count=2, p50=ms(900), max=ms(900)),
    }


def test_what_we_or_the_fault_closed_is_not_noticed() -> None:
    history = struck().crash(HIT, s(12)).history()
    injected = [Closed(t=r.t, g=r.g, c=r.c, conn=r.conn, cause="injected", planned=True) for r in history.closed]
    assert recovery_of(replace(history, closed=injected)).episodes[0].noticed == {}


def test_the_server_is_ready_with_the_first_fresh_handshake_begun_after_the_impact() -> None:
    story = struck().crash(HIT, s(12))
    story.probes = [
        Probe(s(9.9), s(11), s(12), connect=True),
        Probe(s(10.5), NONE, s(11.5), connect=True),
        Probe(s(11.9), s(11.95), s(13), connect=False),
        Probe(s(12.2), s(12.3), s(13.2), connect=True),
        Probe(s(12.1), s(12.25), s(13.2), connect=True),
    ]
    episode = episode_of(story)
    assert (episode.server_ready, episode.server_ready_after) == (s(12.25), s(2.25))


def test_times_after_a_removal_are_never_negative() -> None:
    story = Story(group(), faults=[strike(HIT, removed=s(20))]).crash(HIT, s(12))
    story.probes = [Probe(s(12.2), s(12.3), s(13.2), connect=True)]
    episode = episode_of(story)
    assert (episode.server_ready_after, episode.back.all, episode.ttr) == (0, 0, 0)


def test_a_sustained_fault_that_was_never_removed_has_no_time_to_recover() -> None:
    history = replace(Story(group(), faults=[strike(HIT, removed=s(20))]).crash(HIT, s(12)).history(), removed=())
    episode = recovery_of(history).episodes[0]
    assert (episode.recovered, episode.reference, episode.ttr, episode.server_ready_after) == (
        s(12) + MS,
        None,
        None,
        None,
    )


def test_lost_client_time_is_counted_to_the_end_of_after() -> None:
    episode = episode_of(struck(end=s(40)).crash(HIT, s(100)))
    assert episode.lost_client_ns == 4 * s(30)
    assert recovery_of(struck(end=s(40)).crash(HIT, s(100)).history()).lost_client_ns == 4 * 30 * S
