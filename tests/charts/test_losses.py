"""The loss strip: what was lost, in which class, and where in time it is placed."""

from dataclasses import replace

import pytest
from push_script import Script
from push_stories import tell, tell_all
from storybook import Story, group, ms, strike

from chaosrun.charts.bins import Bins
from chaosrun.charts.losses import draw_losses
from chaosrun.charts.picture import Losses
from chaosrun.charts.publishing import read_feeds
from chaosrun.plan import StreamPlan
from chaosrun.records import History, Published, Push
from chaosrun.scoring.evidence import GroupEvidence

S = 1_000_000_000


def losses(history: History, step: int = S) -> Losses:
    """In bins of a second."""
    own = GroupEvidence.of(history, 0)
    bins = Bins(step, history.end // step + 1)
    (feeds,) = read_feeds(history, [own], bins)
    return draw_losses(own, feeds, bins)


def placed(strip: Losses, name: str, of: str = "pushes") -> dict[int, int]:
    """By bin, of those that hold any."""
    found = next((each for each in strip.classes if (each.name, each.of) == (name, of)), None)
    return {} if found is None else {i: n for i, n in enumerate(found.counts) if n}


# ---- requests -------------------------------------------------------------------------------------------------------


def test_a_request_is_placed_where_it_was_due() -> None:
    """One client with a request a second: two are skipped, one is late, one gets an error, one is swallowed."""
    story = Story(group(clients=1), faults=[strike(13 * S)]).crash(13 * S, 15 * S)
    story.delay(0, 20 * S, ms(700)).errors(22 * S, 23 * S).swallow(24 * S, 25 * S)
    strip = losses(story.history())
    assert placed(strip, "skipped_disconnected", "requests") == {0: 1, 13: 1, 14: 1, 15: 1}
    assert placed(strip, "replied_late", "requests") == {20: 1}
    assert placed(strip, "replied_error", "requests") == {22: 1}
    assert placed(strip, "lost_connected", "requests") == {24: 1}
    assert {each.name for each in strip.classes} == {
        "skipped_disconnected", "replied_late", "replied_error", "lost_connected",
    }  # fmt: skip
    assert (strip.channel, strip.not_placed, set(strip.sequence)) == (None, 0, {None})


def test_what_was_in_flight_when_a_fault_struck_is_placed_where_it_was_due_though_the_fault_is_blamed() -> None:
    """A reply takes 400 ms; due at 12.75 s, cut off at 13 s."""
    story = Story(group(clients=4), faults=[strike(13 * S)], latency=ms(400)).crash(13 * S, 15 * S)
    assert placed(losses(story.history()), "lost_at_break", "requests") == {12: 1}


def test_a_run_without_losses_has_no_classes() -> None:
    assert losses(Script().joins(0, 1, head=0).gets(0, 2, 1).gets(0, 3, 2).marks(100, 2).history()).classes == []


# ---- pushes ---------------------------------------------------------------------------------------------------------


def test_what_one_client_missed_is_placed_where_another_got_it() -> None:
    """Number n is published at n seconds; client 0 is away from 12 s to 16 s, and of 5 it never hears."""
    script = Script().joins(0, 1, head=1).joins(1, 1, head=1)
    for n in range(2, 30):
        script.gets(1, n, n)
        if n == 16:
            script.joins(0, 15, head=15)
        if n != 5 and not 12 <= n < 16:
            script.gets(0, n, n)
        if n == 11:
            script.leaves(0, 12)
    strip = losses(script.marks(100, 29).history())
    assert placed(strip, "lost_connected") == {5: 1}
    assert placed(strip, "missed_disconnected") == {12: 1, 13: 1, 14: 1, 15: 1}
    assert strip.not_placed == 0
    assert strip.channel == "A"
    assert strip.sequence[:2] == [None, None]
    assert strip.sequence[2:30] == [(n, n) for n in range(2, 30)]
    assert set(strip.sequence[30:]) == {None}


def test_what_nobody_got_is_spread_between_what_came_before_and_after() -> None:
    """1 to 10 come at 10 s, 31 at 20 s: 20 numbers over the eleven seconds from one to the other."""
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0)
    for c in (0, 1):
        script.gets(c, 10, *range(1, 11)).gets(c, 20, 31)
    strip = losses(script.marks(100, 31).history())
    spread = placed(strip, "lost_connected")
    assert sum(spread.values()) == 2 * 20
    assert sorted(spread) == list(range(10, 21))
    assert max(spread.values()) - min(spread.values()) <= 2
    assert strip.sequence[10] == (1, 11)
    assert strip.sequence[20] == (29, 31)


def test_what_came_as_a_replay_alone_was_not_published_then() -> None:
    """Nobody listens from 10 s to 20 s; 11 to 20 are told as replays at 20 s, and 21 comes live."""
    script = Script(StreamPlan(has_epoch=True, resumes=True)).joins(0, 1, head=0)
    for n in range(1, 11):
        script.gets(0, n, n)
    script.leaves(0, 10).joins(0, 20, head=20).gets(0, 20, *range(11, 21)).gets(0, 21, 21).marks(100, 21)
    strip = losses(script.history())
    assert placed(strip, "replayed") == dict.fromkeys(range(11, 21), 1)


def test_what_lacks_a_neighbour_in_its_epoch_is_counted_and_not_placed() -> None:
    """Of epoch F the first three came to nobody, and of its end the mark alone tells."""
    script = Script().joins(0, 1, head=0, epoch="E").gets(0, 5, 1, 2).leaves(0, 10)
    script.joins(0, 20, head=3, epoch="F").gets(0, 21, 4, 5, epoch="F").marks(100, 7, epoch="F")
    strip = losses(script.history())
    (missed,) = [each for each in strip.classes if each.name == "missed_disconnected"]
    (tail,) = [each for each in strip.classes if each.name == "tail"]
    assert (sum(missed.counts), missed.not_placed) == (0, 3)
    assert (sum(tail.counts), tail.not_placed) == (0, 2)
    assert strip.not_placed == 5
    assert [(i, told) for i, told in enumerate(strip.sequence) if told] == [(5, (1, 2)), (21, (4, 5))]


def test_what_the_log_tells_is_placed_by_the_log() -> None:
    """Nobody gets 3, which was published at 40 s; 2 and 4 come much later than they were published."""
    script = Script().joins(0, 1, head=0).gets(0, 10, 1).gets(0, 60, 2, 4)
    script.logs(10, 1, 1).logs(39, 2, 2).logs(40, 3, 3).logs(41, 4, 4)
    strip = losses(script.history())
    assert placed(strip, "lost_connected") == {40: 1}
    assert [(i, told) for i, told in enumerate(strip.sequence) if told] == [
        (10, (1, 1)), (39, (2, 2)), (40, (3, 3)), (41, (4, 4)),
    ]  # fmt: skip


def test_numbers_of_a_clients_own_are_placed_by_what_it_received_itself() -> None:
    script = Script(StreamPlan(scope="client", has_epoch=True))
    script.joins(0, 1, head=0).joins(1, 1, head=0)
    script.gets(0, 10, 1).gets(0, 11, 3).gets(1, 30, 1).gets(1, 31, 3)
    strip = losses(script.marks(100, 3, c=0).marks(100, 3, c=1).history())
    assert sum(placed(strip, "lost_connected").values()) == 2
    assert set(placed(strip, "lost_connected")) <= {10, 11, 30, 31}
    assert len(placed(strip, "lost_connected")) == 2
    assert strip.channel is None


def test_the_strip_shows_the_numbers_of_the_busiest_channel() -> None:
    script = Script().joins(0, 1, head=0, channel="news").subscribes(0, 1, 0, channel="ticks")
    script.gets(0, 2, 1, channel="news").gets(0, 3, 1, 2, channel="ticks")
    strip = losses(script.history())
    assert strip.channel == "ticks"
    assert strip.sequence[3] == (1, 2)


def test_where_two_epochs_meet_in_a_second_the_later_ones_numbers_are_shown() -> None:
    script = Script().joins(0, 1, head=0, epoch="F").gets(0, 10.1, 7, 8, epoch="F")
    script.subscribes(0, 10, None, epoch="E").gets(0, 10.7, 1, 2, epoch="E")
    strip = losses(script.history())
    assert [(i, told) for i, told in enumerate(strip.sequence) if told] == [(10, (1, 2))]


def test_of_a_message_with_many_numbers_all_were_out_when_it_came() -> None:
    """One message with 2 to 5 at 20 s, and one with 6 at 30 s; the other client gets nothing between 1 and 6."""
    script = Script().joins(0, 1, head=0).joins(1, 1, head=0)
    for c in (0, 1):
        script.gets(c, 10, 1).gets(c, 30, 6)
    history = script.marks(100, 6).history()
    together = replace(history, pushes=[*history.pushes, Push(20 * S, 2, 5, None, 0)])
    strip = losses(replace(together, pushes=sorted(together.pushes)))
    assert placed(strip, "lost_connected") == {20: 4}
    assert strip.sequence[20] == (2, 5)


def test_a_log_may_be_out_of_order_within_a_bin() -> None:
    script = Script().joins(0, 1, head=0).gets(0, 60, 1, 4).logs(10, 1, 1).logs(40, 3, 3).logs(40, 2, 2).logs(41, 4, 4)
    strip = losses(script.history())
    assert placed(strip, "lost_connected") == {40: 2}
    assert strip.sequence[40] == (2, 3)


def test_messages_without_numbers_are_placed_nowhere_and_lose_nothing() -> None:
    script = Script(StreamPlan(order="none")).joins(0, 1, epoch=None).gets_unnumbered(0, 5, 7)
    strip = losses(script.history())
    assert (strip.classes, strip.channel, set(strip.sequence)) == ([], None, {None})


# ---- against the truth ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_with_a_log_every_number_is_placed_where_it_was_published(seed: int) -> None:
    story = tell_all(seed)
    own = GroupEvidence.of(story.history, 0)
    assert own.pushes is not None
    step = 100_000_000
    strip = losses(story.history, step)
    for name in ("lost_connected", "missed_disconnected", "replayed", "tail", "in_flight_at_end"):
        truth: dict[int, int] = {}
        for score in own.pushes.accounts:
            for number in getattr(score.copies, name).numbers():
                i = story.published[score.channel, score.epoch or ""][number] // step
                truth[i] = truth.get(i, 0) + 1
        assert placed(strip, name) == truth, name
    assert strip.not_placed == 0


@pytest.mark.parametrize("seed", range(40))
def test_a_log_in_lumps_or_none_places_as_many_in_all(seed: int) -> None:
    """The classes are the scorer's; only where in time they are is less sure."""
    history = tell(seed).history
    lumps = [
        Published(t=last.t, channel=last.channel, epoch=last.epoch, first=first.first, last=last.last)
        for first, last in zip(history.published[::2], history.published[1::2], strict=False)
        if (first.channel, first.epoch, first.last + 1) == (last.channel, last.epoch, last.first)
    ]
    for version in (history, replace(history, published=lumps)):
        own = GroupEvidence.of(version, 0)
        assert own.pushes is not None
        strip = losses(version, 100_000_000)
        for each in strip.classes:
            assert sum(each.counts) + each.not_placed == getattr(own.pushes.ledger, each.name)
            assert min(each.counts) >= 0
