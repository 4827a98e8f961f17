"""CPU and memory of the roles, and how well the observer kept up."""

from dataclasses import replace

from drawing import assessed
from msgspec import structs
from storybook import MS, S, Story, group, ms

from chaosrun.charts.observer import draw_observer
from chaosrun.charts.picture import ObserverPicture
from chaosrun.charts.resources import draw_roles
from chaosrun.records import Clock, History, Lag, Resource
from chaosrun.scoring.histogram import bucket_of
from chaosrun.scoring.result import Excluded


def history(end: int = 60 * S, **lines: object) -> History:
    return replace(Story(group(clients=1)).history(), end=end, **lines)


def sample(t: int, cpu: float = 0.5, memory: int = 1000, role: str = "server") -> Resource:
    return Resource(t=t * S, role=role, cpu=cpu, memory=memory)


# ---- roles ----------------------------------------------------------------------------------------------------------


def test_every_sample_of_a_short_run_is_shown_by_role() -> None:
    resources = [sample(1), sample(1, 0.03, 5, "chaosrun"), sample(2, 1.25, 2000)]
    roles = draw_roles(history(resources=resources), 600)
    assert [(role.name, role.t, role.cpu_percent, role.memory_bytes) for role in roles] == [
        ("chaosrun", [1.0], [3.0], [5]),
        ("server", [1.0, 2.0], [50.0, 125.0], [1000, 2000]),
    ]


def test_a_role_that_was_down_leaves_a_gap() -> None:
    (role,) = draw_roles(history(resources=[sample(1), sample(2), sample(5), sample(6)]), 600)
    assert role.t == [1.0, 2.0, 4.0, 5.0, 6.0]
    assert role.cpu_percent == [50.0, 50.0, None, 50.0, 50.0]
    assert role.memory_bytes == [1000, 1000, None, 1000, 1000]


def test_in_an_hour_the_one_busy_second_and_the_one_second_away_are_still_seen() -> None:
    resources = [sample(t, 4.0 if t == 1777 else 0.5, 9999 if t == 99 else 1000) for t in range(3600) if t != 2500]
    (role,) = draw_roles(history(3600 * S, resources=resources), 300)
    assert len(role.t) <= 300 + 3
    assert max(cpu for cpu in role.cpu_percent if cpu is not None) == 400.0
    assert max(memory for memory in role.memory_bytes if memory is not None) == 9999
    assert role.t == sorted(set(role.t))
    assert role.t[role.cpu_percent.index(None)] == 2500.0


def test_a_run_without_samples_has_no_roles() -> None:
    assert draw_roles(history(resources=[]), 600) == []


# ---- the observer ---------------------------------------------------------------------------------------------------


def lag(t: int, writer: str, *values: int) -> Lag:
    """One record over the second before `t`."""
    return Lag(t=t * S, w=writer, span_ns=S, buckets={bucket_of(v): 1 for v in values}, max_ns=max(values))


def observed(story: History, most: int = 600) -> ObserverPicture:
    run = assessed(story)
    return draw_observer(run.evidence, run.result, most)


def test_lag_is_that_of_the_worst_process_in_the_second_that_it_tells_of() -> None:
    found = observed(history(10 * S, lags=[lag(3, "load-0", MS), lag(3, "load-1", 9 * MS), lag(5, "load-0", 2 * MS)]))
    assert found.t == [float(t) for t in range(11)]
    assert found.lag_max_ms[1:6] == [None, 9.0, None, 2.0, None]
    assert found.lag_p99_ms[2] is not None
    assert abs(found.lag_p99_ms[2] - 9) < 9 / 128


def test_brought_together_the_longest_lag_survives() -> None:
    lags = [lag(t, "load-0", 200 * MS if t == 1000 else MS) for t in range(1, 3601)]
    found = observed(history(3600 * S, lags=lags), 100)
    assert len(found.t) == 73
    assert [(t, each) for t, each in zip(found.t, found.lag_max_ms, strict=True) if each and each > 1] == [(950.0, 200)]


def test_stolen_time_is_in_percent_and_where_nobody_knows_it_is_none() -> None:
    told = ((1.0, 0.02), (1.9, 0.01), (2.9, None))
    clocks = [Clock(t=int(t * S), wall_offset_ns=0, suspended_ns=0, steal=steal) for t, steal in told]
    assert observed(history(10 * S, clocks=clocks)).stolen_percent[:3] == [None, 2.0, None]


def test_the_latest_send_is_shown_where_it_was_due() -> None:
    story = Story(group(clients=2)).late(0, 7 * S, ms(30)).late(1, 7 * S + S // 2, ms(12))
    story.skip(0, 9 * S).skip(1, 9 * S + S // 2)
    found = observed(story.history())
    assert found.lateness_max_ms[6:11] == [0.0, 30.0, 0.0, None, 0.0]
    assert found.lateness_max_ms[-1] is None


def test_what_the_result_leaves_out_is_a_band() -> None:
    run = assessed(Story(group(clients=1)).history())
    excluded = [Excluded(start_s=1.0, end_s=2.5, why="event-loop lag max")]
    result = structs.replace(run.result, observer=structs.replace(run.result.observer, excluded=excluded))
    (band,) = draw_observer(run.evidence, result, 600).excluded
    assert (band.name, band.start, band.end) == ("event-loop lag max", 1.0, 2.5)
