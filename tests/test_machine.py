"""The machine's own time: which clocks are read and how, and what its control groups tell."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest

from chaosrun.journal import Journal
from chaosrun.machine import Clocks, Observation, offset_ns
from chaosrun.recorded import read_lines
from chaosrun.records import Clock
from chaosrun.throttling import throttled_ns

V1 = "nr_periods 4\nnr_throttled 2\nthrottled_time 7000000\n"
V2 = "usage_usec 9\nnr_periods 4\nnr_throttled 2\nthrottled_usec 5000\n"


def test_the_narrowest_look_tells_how_far_two_clocks_are_apart() -> None:
    monotonic = itertools.chain([0, 1_000], [5_000, 5_010], itertools.count(9_000, 400))
    wall = iter([100_900, 105_005, *range(200_000, 300_000, 7_000)])
    assert offset_ns(lambda: next(wall), lambda: next(monotonic)) == 100_000


def observed(tmp_path: Path, clocks: Clocks, looks: int) -> list[Clock]:
    origin = time.monotonic_ns()

    async def act() -> None:
        journal = Journal(tmp_path, "engine")
        observation = Observation(journal, lambda: time.monotonic_ns() - origin, {}, clocks)
        task = asyncio.create_task(observation.go_on())
        while len(read_lines(tmp_path).of(Clock)) < looks:
            await asyncio.sleep(0.02)
        task.cancel()
        journal.close()

    asyncio.run(act())
    return read_lines(tmp_path).of(Clock)


def test_a_wall_clock_that_is_set_and_a_machine_that_slept_are_in_the_record(tmp_path: Path) -> None:
    stepped_at = time.monotonic_ns() + 500_000_000

    def stepped(read: int) -> int:
        return read + (3_000_000_000 if time.monotonic_ns() > stepped_at else 0)

    clocks = Clocks(
        wall_ns=lambda: stepped(time.time_ns()),
        boottime_ns=lambda: stepped(time.clock_gettime_ns(time.CLOCK_BOOTTIME)),
    )
    first, second = observed(tmp_path, clocks, 2)[:2]
    # The machine's own time service may set the wall clock beside us.
    assert second.wall_offset_ns - first.wall_offset_ns == pytest.approx(3e9, abs=1e8)
    assert (first.suspended_ns, second.suspended_ns) == (pytest.approx(0, abs=1e6), pytest.approx(3e9, abs=1e6))


def tree(root: Path, stats: dict[str, str]) -> Path:
    for path, text in stats.items():
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path / "cpu.stat").write_text(text)
    return root


@pytest.mark.parametrize(
    ("own", "stats", "held"),
    [
        ("0::/", {"": V2}, 5_000_000),
        ("0::/a/b", {"": V2, "a": V2, "a/b": "usage_usec 9\n"}, 10_000_000),
        ("4:memory:/m\n3:cpu,cpuacct:/a\n0::/", {"cpu,cpuacct/a": V1, "cpu,cpuacct": V1, "memory/m": V1}, 14_000_000),
        ("1:cpu:/", {"cpu": V1}, 7_000_000),
        ("3:cpuacct,cpu:/", {"cpu": V1}, 7_000_000),
        ("2:cpuacct:/", {"cpuacct": V1}, None),
        ("0::/", {"unified": V2}, 5_000_000),
        ("0::/gone", {"": "usage_usec 9\n"}, None),
        ("0::/", {"": "throttled_usec many\n"}, None),
    ],
)
def test_every_control_group_above_the_own_one_may_withhold_cpu(
    tmp_path: Path, own: str, stats: dict[str, str], held: int | None
) -> None:
    (tmp_path / "own").write_text(own)
    assert throttled_ns(tree(tmp_path / "cgroup", stats), tmp_path / "own") == held


def test_where_there_are_no_control_groups_nothing_is_told(tmp_path: Path) -> None:
    assert throttled_ns(tmp_path, tmp_path / "none") is None
