"""Whether the baseline lets a fault in, as the engine asks it."""

from dataclasses import replace

import msgspec
from storybook import S, Story, group, ms, s, strike
from whole_runs import STEADY, crash, planned

from chaosrun.judge import baseline_holds
from chaosrun.records import (
    NONE,
    History,
    Lag,
)
from chaosrun.scoring.histogram import bucket_of


def so_far(story: Story, t: int) -> History:
    """The history as the engine reads it at the end of the baseline, in flight what is in flight."""
    whole = story.history()
    return replace(
        planned(whole, *STEADY),
        phases=[phase for phase in whole.phases if phase.t < t],
        end=t,
        load_stopped=t,
        called=(),
        confirmed=(),
        removed=(),
        slots=[slot._replace(got=slot.got if slot.got <= t else NONE) for slot in whole.slots if slot.due < t],
        opened=[line for line in whole.opened if line.t < t],
        closed=[line for line in whole.closed if line.t < t],
        lags=[lag for lag in whole.lags if lag.t <= t],
        probes=(),
    )


def test_a_steady_baseline_lets_the_fault_in() -> None:
    baseline = baseline_holds(so_far(crash(), s(13)))
    assert (baseline.steady, baseline.reasons) == (True, ())
    assert [(c.name, c.outcome) for c in baseline.criteria] == [("usable", True), ("bad", True), ("response_p99", True)]


def test_a_reply_in_flight_at_the_end_of_the_baseline_is_nobodys_fault() -> None:
    assert baseline_holds(so_far(crash().delay(0, s(12.875), ms(200)), s(13))).steady
    assert baseline_holds(so_far(crash().delay(7, s(12.875), ms(200)), s(13))).steady


def test_a_hypothesis_that_cannot_be_told_keeps_the_fault_out_for_the_run_could_prove_nothing() -> None:
    history = so_far(crash(), s(13))
    blocked = [Lag(t=s(t), span_ns=S, buckets={bucket_of(ms(300)): 1}, max_ns=ms(300)) for t in range(1, 14)]
    baseline = baseline_holds(replace(history, lags=blocked))
    assert not baseline.steady
    assert [(c.name, c.outcome) for c in baseline.criteria if c.outcome is not True] == [
        ("usable", None),
        ("bad", None),
        ("response_p99", None),
    ]


def test_a_broken_hypothesis_keeps_the_fault_out_and_says_why() -> None:
    baseline = baseline_holds(so_far(crash().errors(s(5), s(7)), s(13)))
    assert not baseline.steady
    assert any(reason.startswith("bad: ") for reason in baseline.reasons)


def test_a_baseline_without_room_for_strays_keeps_the_fault_out() -> None:
    story = Story(group(clients=8), faults=[strike(s(13))])
    for client in (0, 3):
        story.lose(client, *(client * S // 8 + t for t in range(s(3), s(13), S)))
    history = so_far(story, s(13))
    baseline = baseline_holds(replace(history, plan=msgspec.structs.replace(history.plan, criteria=())))
    assert not baseline.steady
    assert "four deviations" in baseline.reasons[0]


def test_a_baseline_that_is_too_short_keeps_the_fault_out() -> None:
    baseline = baseline_holds(so_far(crash(), s(4)))
    assert not baseline.steady
    assert any("baseline too short" in reason for reason in baseline.reasons)
