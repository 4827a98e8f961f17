from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from findings_of import crashed, heard, of, ticks
from nodes import within
from push_script import Script
from storybook import ms, s

from chaosrun.plan import FaultPlan, StreamPlan
from chaosrun.records import Closed, History

FAULT = FaultPlan(id="f", name="kill the source", kind="noop")
TWO = range(2)


def feed(stream: StreamPlan | None = None, clients: Iterable[int] = TWO) -> Script:
    """Clients that listen from 1 s on; what they get up to 50 s is numbers 1 to 98, two a second."""
    script = Script(stream, faults=(FAULT,)).strikes(50)
    for c in clients:
        script.joins(c, 1, head=0)
    list(ticks(script, clients, [1 + i / 2 for i in range(1, 98)]))
    return script


def broken(*, missing_at: Iterable[int], first_after: int = 98, epoch: str = "E") -> History:
    """The feed stands still from 49.5 s to 60 s; clients in `missing_at` lack the first number after it."""
    script = feed()
    for c in TWO:
        for number in range(first_after + (c in missing_at), first_after + 70):
            script.gets(c, 60 + (number - first_after) / 2, number, epoch=epoch)
    return heard(script.marks(100, first_after + 69, epoch=epoch))


def test_a_number_that_some_got_and_others_did_not_was_dropped_by_the_service() -> None:
    told = of(broken(missing_at=[1]), "pushes-lost")
    assert told is not None
    assert told.evidence.startswith("1 of 334 copies missing between two receipts of one connection, 1 client with")
    assert of(broken(missing_at=[1]), "pushes-lost-upstream") is None
    assert of(broken(missing_at=[]), "pushes-lost") is None


def test_a_number_that_nobody_got_across_the_break_of_its_feed_blames_no_send_queue() -> None:
    told = of(broken(missing_at=TWO), "pushes-lost-upstream")
    assert told is not None
    assert told.title == "1 pushed message of all reached nobody across the fault"
    assert of(broken(missing_at=TWO), "pushes-lost") is None
    anew = broken(missing_at=TWO, first_after=1, epoch="F")
    assert of(anew, "pushes-lost-upstream"), "the first number of a numbering that began after the fault"
    assert of(anew, "pushes-lost") is None


def test_a_number_that_nobody_got_in_peace_was_lost_by_the_service() -> None:
    script = Script(faults=(FAULT,)).strikes(50)
    for c in TWO:
        script.joins(c, 1, head=0)
        for number in [*range(1, 41), *range(42, 190)]:
            script.gets(c, 1 + number / 2, number)
    history = heard(script.marks(100, 189))
    assert of(history, "pushes-lost")
    assert of(history, "pushes-lost-upstream") is None


def away(stream: StreamPlan, *, replays: int = 0) -> History:
    """Client 1 is away from 51 s to 55 s, gets the last `replays` of what it missed, and goes on."""
    script = feed(stream)
    for number in range(98, 180):
        script.gets(0, 1 + number / 2, number)
    script.gets(1, 50, 98).gets(1, 50.5, 99).gets(1, 51, 100).leaves(1, 51)
    script.joins(1, 55, head=108)
    script.gets(1, 55, *range(109 - replays, 109))
    for number in range(109, 180):
        script.gets(1, 1 + number / 2, number)
    return heard(script.marks(100, 179))


PLAIN = StreamPlan(has_epoch=True)
RESUMING = StreamPlan(has_epoch=True, resumes=True)


def test_what_is_missed_while_away_is_told_where_nothing_else_was_promised() -> None:
    told = of(away(PLAIN), "missed-while-away")
    assert told is not None
    assert (told.severity, told.evidence.split(" (")[0]) == ("info", "8 of 358")
    assert of(away(PLAIN), "resume-gaps") is None
    assert of(away(PLAIN, replays=8), "missed-while-away") is None


def test_a_resume_that_leaves_gaps_breaks_a_promise() -> None:
    told = of(away(RESUMING, replays=3), "resume-gaps")
    assert told is not None
    assert (told.severity, told.evidence.split(" (")[0]) == ("critical", "5 of 358")
    assert of(away(RESUMING, replays=8), "resume-gaps") is None


def test_messages_that_come_twice_are_told_with_the_overlap_by_one() -> None:
    told = of(away(RESUMING, replays=9), "pushed-twice")
    assert told is not None
    assert told.evidence.endswith(": one for each of 1 reconnect")
    assert told.action.startswith("Start the replay after the last number")
    several = of(away(RESUMING, replays=11), "pushed-twice")
    assert several is not None
    assert several.action.startswith("Let clients drop")
    assert of(away(RESUMING, replays=8), "pushed-twice") is None


def anew(stream: StreamPlan) -> History:
    """Client 0 comes back to numbers that begin with 1 again."""
    epoch = "F" if stream.has_epoch else None
    first = "E" if stream.has_epoch else None
    script = Script(stream, faults=(FAULT,)).strikes(50).joins(0, 1, head=0, epoch=first)
    list(ticks(script, [0], [1 + i / 2 for i in range(1, 98)], epoch=first))
    script.leaves(0, 50).joins(0, 55, epoch=epoch)
    list(ticks(script, [0], [55 + i / 2 for i in range(1, 80)], epoch=epoch))
    return heard(script.marks(100, 79, epoch=epoch))


def test_numbers_that_begin_again_without_an_epoch_are_told() -> None:
    told = of(anew(StreamPlan()), "numbering-reset")
    assert told is not None
    assert told.evidence.startswith("1 reconnect across which stream began to count anew")
    assert of(anew(StreamPlan(has_epoch=True)), "numbering-reset") is None


def stamped(late: float) -> History:
    """Everybody stays; what comes from 90 s on is `late` seconds old, all before it a hundredth."""
    script = Script(StreamPlan(has_epoch=True, has_sent_at=True), faults=(FAULT,)).strikes(50)
    for c in TWO:
        script.joins(c, 1, head=0)
        for number in range(1, 400):
            t = 1 + number / 4
            if t < 100:
                script.gets(c, t, number, sent=t - (late if t >= 90 else 0.01))
    return heard(script.marks(100, 395))


def test_a_queue_that_has_not_drained_is_told_by_the_age_of_what_comes() -> None:
    told = of(replace_enough(stamped(2.0)), "pushes-still-late")
    assert told is not None
    assert "2 s (median of" in told.evidence
    assert of(replace_enough(stamped(0.02)), "pushes-still-late") is None


def test_a_queue_that_the_clocks_of_nodes_may_feign_is_not_told() -> None:
    """0.3 s late, which is 0.1 s more than the least, and clocks that may have moved by twice their bound."""
    told = [of(within(replace_enough(stamped(0.31)), bound), "pushes-still-late") for bound in (ms(45), ms(55))]
    assert [each is not None for each in told] == [True, False]


def replace_enough(history: History) -> History:
    """Each message five times over on streams of their own, so that there are enough of them in `verify`."""
    return replace(history, pushes=[push for push in history.pushes for _ in range(5)])


def test_a_service_that_does_not_read_is_a_slow_consumer() -> None:
    def clogged(cause: str) -> History:
        story = crashed().crash(s(20), s(20.01), [1])
        story.closes[0, 1, 1] = Closed(t=s(20), g=0, c=1, conn=1, cause=cause)
        return story.history()

    told = of(clogged("unread"), "service-reads-slowly")
    assert told is not None
    assert told.severity == "critical"
    assert of(clogged("rst"), "service-reads-slowly") is None
