"""A baseline of pushed messages: steady, or none. The group only listens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checking import found, grade
from push_script import LOAD_STOPPED, S, Script

from chaosrun.judge import baseline_holds
from chaosrun.plan import StreamPlan
from chaosrun.records import History, Phase


def history(script: Script, *, until: int = 50) -> History:
    """The baseline lasts from 10 s to 50 s."""
    phases = [Phase(t=0, name="start"), Phase(t=10 * S, name="baseline"), Phase(t=until * S, name="after")]
    return replace(script.history(), phases=phases)


def feed(clients: int, *seconds: float, stream: StreamPlan | None = None, deaf: tuple[int, ...] = ()) -> Script:
    """Clients that all receive one number at each of these times; the deaf ones nothing after 30 s."""
    script = Script(stream)
    for c in range(clients):
        script.joins(c, 1, head=0)
        for number, t in enumerate(seconds, start=1):
            if c not in deaf or t < 30:
                script.gets(c, t, number)
    return script


def every(period: float, start: float = 5, end: float = LOAD_STOPPED) -> list[float]:
    return [start + k * period for k in range(int((end - start) / period))]


def test_a_feed_that_goes_on_as_it_began_is_steady() -> None:
    steady = history(feed(3, *every(0.5)))
    assert grade(steady, "stale clients of all") == "ok"
    assert found(steady, "stale clients of all").value == 0
    check = found(steady, "drift of the message rate of all")
    assert (check.grade, check.value, check.limit, check.unit) == ("ok", 0.0, 0.2, "ratio")


def test_a_client_that_is_stale_in_the_baseline_makes_it_none() -> None:
    check = found(history(feed(3, *every(0.5), deaf=(1,))), "stale clients of all")
    assert (check.grade, check.value, check.subject) == ("invalid", 1, "baseline")
    assert check.limit == pytest.approx(0.03)
    assert check.why == "nothing fresh for too long on A"


def test_as_many_stale_clients_as_tolerated_are_in_order() -> None:
    def tolerating(share: float) -> str | None:
        told = history(feed(4, *every(0.5), deaf=(1, 2)))
        (group,) = told.plan.groups
        return grade(
            replace(told, plan=_with(told.plan, groups=(_with(group, tolerate_pushes=share),))), "stale clients of all"
        )

    assert (tolerating(0.5), tolerating(0.49)) == ("ok", "invalid")


def _with(struct, **changes):
    return type(struct)(**{name: getattr(struct, name) for name in struct.__struct_fields__} | changes)


def test_a_feed_that_the_fault_itself_stops_was_steady_before() -> None:
    """The gap opens in the baseline, and nobody could have known it there."""
    assert grade(history(feed(3, *every(0.5, end=49.5))), "stale clients of all") == "ok"
    assert grade(history(feed(3, *every(0.5, end=48.4))), "stale clients of all") == "invalid"


def test_a_feed_that_was_stale_before_the_baseline_and_not_in_it_is_steady() -> None:
    assert grade(history(feed(3, 2, *every(0.5, start=9))), "stale clients of all") == "ok"


def test_a_rate_that_moves_by_more_than_a_fifth_and_than_chance_is_no_baseline() -> None:
    slower = feed(3, *every(0.1, end=30), *every(0.2, start=30))
    check = found(history(slower), "drift of the message rate of all")
    assert (check.grade, check.subject) == ("invalid", "baseline")
    assert check.value == pytest.approx(0.5, abs=0.01)
    assert "from 200 to 100 messages a client" in check.why
    little = feed(3, *every(0.1, end=30), *every(0.118, start=30))
    assert found(history(little), "drift of the message rate of all").grade == "ok"
    assert found(history(little), "drift of the message rate of all").why == ""


def test_copies_of_one_message_to_many_clients_are_one_event_and_prove_nothing_by_their_number() -> None:
    times = [*every(2, start=11, end=30), *every(4, start=31, end=60)]
    for clients in (1, 50):
        check = found(history(feed(clients, *times)), "drift of the message rate of all")
        assert check.grade == "ok", "9 and 5 messages"
        assert "too few to tell" in check.why


def test_what_chance_would_do_once_in_a_thousand_and_what_is_certain_and_small_are_both_borne() -> None:
    by_chance = feed(1, *every(1 / 3, start=10, end=30), *every(0.5, start=30, end=50))
    check = found(history(by_chance), "drift of the message rate of all")
    assert (check.grade, check.why) == ("ok", "from 60 to 40 messages a client: too few to tell")
    certain = feed(1, *every(0.01, start=10, end=30), *every(0.0114, start=30, end=50))
    assert found(history(certain), "drift of the message rate of all").value == pytest.approx(0.12, abs=0.01)
    assert grade(history(certain), "drift of the message rate of all") == "ok"


def test_without_messages_there_is_no_rate_to_drift() -> None:
    assert grade(history(Script().joins(0, 1, head=0)), "drift of the message rate of all") is None


def test_no_fault_is_injected_into_a_feed_that_is_not_steady() -> None:
    def at_the_end(script: Script) -> History:
        told = history(script)
        return replace(
            told,
            phases=told.phases[:2],
            end=50 * S,
            load_stopped=50 * S,
            pushes=[push for push in told.pushes if push.at < 50 * S],
        )

    assert baseline_holds(at_the_end(feed(3, *every(0.5)))).steady
    held = baseline_holds(at_the_end(feed(3, *every(0.5), deaf=(1,))))
    assert (held.steady, held.reasons) == (
        False,
        ("stale clients of all in the baseline: nothing fresh for too long on A",),
    )
