from __future__ import annotations

from typing import Any

from findings_of import of, probes
from storybook import Story, group, s, strike

from chaosrun.plan import HeartbeatPlan
from chaosrun.records import Closed, History

BEATS = HeartbeatPlan(every_ns=s(2), timeout_ns=s(1))


def given_up(at: int, cause: str, **plan: Any) -> History:
    """Nothing is answered from 13 s on; the clients leave at `at` and are served again."""
    story = Story(group(clients=8, reply_timeout_ns=s(10), **plan), faults=[strike(s(13))])
    story.swallow(s(13), at).crash(at, at + 1)
    story.probes = probes()
    for c in range(8):
        story.closes[0, c, 0] = Closed(t=at, g=0, c=c, conn=0, cause=cause)
    return story.history()


def test_connections_that_only_a_missing_reply_shows_to_be_dead_ask_for_a_heartbeat() -> None:
    told = of(given_up(s(19), "deadline"), "found-dead-late")
    assert told is not None
    assert told.severity == "warning"
    assert told.title == "8 dead connections of accounts were noticed only by a reply that never came"
    assert "it took 6 s (median), at most 6 s" in told.evidence
    assert told.action.startswith("accounts sends no heartbeat. A ping every 1 s with a time-out of 500 ms")
    assert of(given_up(s(13.5), "deadline"), "found-dead-late") is None
    assert of(given_up(s(19), "rst"), "found-dead-late") is None


def test_a_slow_heartbeat_is_told_as_the_experiments_own_setting() -> None:
    told = of(given_up(s(16), "ping_timeout", heartbeat=BEATS), "found-dead-late")
    assert told is not None
    assert told.severity == "info"
    assert "every 2 s, time-out 1 s: found after 3 s at the latest" in told.action


def unanswered(until: int, what: str = "swallow", **plan: Any) -> History:
    story = Story(group(clients=8, **plan), faults=[strike(s(13))])
    getattr(story, what)(s(13), until)
    story.probes = probes()
    return story.history()


def test_a_heartbeat_that_is_answered_while_nothing_else_is_sees_the_wrong_thing() -> None:
    told = of(unanswered(s(20), heartbeat=BEATS), "heartbeat-blind")
    assert told is not None
    assert told.title == "Heartbeats of accounts were answered while requests were not"
    assert "on a connection that its heartbeat (every 2 s, time-out 1 s) never ended" in told.evidence
    assert of(unanswered(s(15), heartbeat=BEATS), "heartbeat-blind") is None
    assert of(unanswered(s(20)), "heartbeat-blind") is None
    assert of(unanswered(s(20), "errors", heartbeat=BEATS), "heartbeat-blind") is None
