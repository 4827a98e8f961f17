from __future__ import annotations

from findings_of import crashed, of, probes
from storybook import Story, group, ms, s, strike

from chaosrun.records import History


def test_requests_that_were_swallowed_are_told() -> None:
    told = of(crashed().lose(0, s(25), s(26)).history(), "requests-swallowed")
    assert told is not None
    assert told.evidence == "2 of 318 had no reply by the time-out (5 s), on connections that stayed open"
    late = crashed().delay(0, s(25), s(3)).delay(0, s(26), s(3))
    assert of(late.history(), "requests-swallowed") is None


def test_replies_that_a_break_cut_off_are_told_as_unknown_and_not_as_lost() -> None:
    told = of(crashed(latency=ms(400)).history(), "replies-cut-off")
    assert told is not None
    assert (told.severity, told.title) == ("info", "Whether 3 requests of accounts took effect is unknown")
    assert of(crashed(latency=ms(1)).history(), "replies-cut-off") is None


def test_errors_on_connections_made_anew_are_told_beside_those_on_first_ones() -> None:
    told = of(crashed().errors(s(20), s(24)).history(), "errors-after-reconnect")
    assert told is not None
    assert "32 of 215 (14.9%) requests on connections made anew, of 8 clients; 0 of 103 (0%)" in told.evidence
    before_too = crashed().errors(s(20), s(24)).errors(s(8), s(10))
    assert of(before_too.history(), "errors-after-reconnect") is None
    kept = Story(group(clients=8), faults=[strike(s(13))]).errors(s(20), s(24))
    assert of(kept.history(), "errors-after-reconnect") is None


def slower_at_the_end(by: int) -> History:
    story = Story(group(clients=100, tolerate_requests=0.03), faults=[strike(s(13))]).crash(s(13), s(15))
    story.probes = probes((s(13), s(15)))
    for c in range(100):
        for second in (40, 41):
            story.delay(c, s(second) + c * s(1) // 100, by)
    return story.history()


def test_a_service_that_stays_slower_than_before_is_told_with_both_medians() -> None:
    told = of(slower_at_the_end(ms(30)), "slow-after-recovery")
    assert told is not None
    assert told.evidence.startswith("p50 of the response time is 31 ms in the last phase (200 requests), 1 ms in the")
    assert of(slower_at_the_end(ms(4)), "slow-after-recovery") is None
