"""The strategy lab: ticks at their rate, backtests that only go on, metrics, parameters that are looked at."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mt5_programs import Launch
from talking import Served, client

from chaosrun.reference._published import read_published


def lab(launch: Launch, directory: Path, *args: object) -> Served:
    return Served(launch, "strategy_stream", directory, *args)


def test_ticks_are_published_at_their_rate_each_symbol_in_its_own_numbers(launch: Launch, tmp_path: Path) -> None:
    served = lab(launch, tmp_path, "--symbols", "A,B,C", "--rate", 100)

    async def scenario() -> None:
        async with client(served.url()) as user:
            for symbol in ("A", "C"):
                await user.answer("subscribed", type="subscribe", channel=symbol)
            for _ in range(200):
                await user.hear("tick")
            assert {each["channel"] for each in user.heard if each["type"] == "tick"} == {"A", "C"}

    asyncio.run(scenario())
    ticks = [each for each in read_published(served.log) if each.channel == "B"]
    lasted_s = (ticks[-1].t - ticks[0].t) / 1e9
    # It does not publish ahead of its schedule, and catches up with it where the machine held it up for less than 1 s.
    assert len(ticks) - 1 <= lasted_s * 100 + 1
    assert [each.first for each in ticks] == list(range(1, len(ticks) + 1))


def test_a_backtest_goes_from_1_to_its_last_step_and_then_runs_again(launch: Launch, tmp_path: Path) -> None:
    served = lab(launch, tmp_path, "--steps", 25, "--step-rate", 500)

    async def scenario() -> None:
        async with client(served.url()) as user:
            head = (await user.answer("subscribed", type="subscribe", channel="bt-1"))["head"]
            told = [await user.hear("progress") for _ in range(80)]
        runs: dict[str, list[dict[str, object]]] = {}
        for each in told:
            runs.setdefault(each["boot_id"], []).append(each)
        assert (told[0]["boot_id"], told[0]["step"]) in ((head["boot_id"], head["seq"] + 1), (told[0]["boot_id"], 1))
        whole = list(runs.values())[1]
        assert [each["step"] for each in whole] == list(range(1, 26))
        assert [each["percent"] for each in whole] == [4.0 * step for step in range(1, 26)]
        assert whole[0]["left_s"] is None
        assert whole[-1]["left_s"] == 0
        assert all(each["left_s"] > 0 for each in whole[1:-1])
        assert list(runs) == [f"{head['boot_id'].rpartition('-')[0]}-{run}" for run in runs_of(runs)]

    asyncio.run(scenario())


def runs_of(runs: dict[str, list[dict[str, object]]]) -> list[int]:
    numbers = [int(run.rpartition("-")[2]) for run in runs]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return numbers


def test_metrics_of_its_own_program_come_by_themselves(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with client(served.url()) as user:
            await user.answer("subscribed", type="subscribe", channel="system")
            told = await user.hear("metrics")
            assert told["memory_mb"] > 1
            assert told["cpu_percent"] >= 0
            assert told["disk_write_kb_s"] >= 0

    asyncio.run(scenario(lab(launch, tmp_path)))


def test_parameters_change_as_asked_and_those_not_named_stay(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with client(served.url()) as user:
            first = await user.answer("parameters", type="set_parameters", id=1, parameters={})
            told = await user.answer("parameters", type="set_parameters", id=2, parameters={"lookback": 50})
            assert told["parameters"] == first["parameters"] | {"lookback": 50}
            assert (told["id"], told["version"]) == (2, first["version"] + 1)

    asyncio.run(scenario(lab(launch, tmp_path)))


WRONG: list[dict[str, float]] = [
    {"lookback": 0},
    {"lookback": 2.5},
    {"threshold": 11},
    {"stop_loss": 0.5},
    {"take_profit": 0},
    {"leverage": 3},
    {"lookback": 30, "threshold": -1},
]


def test_wrong_parameters_change_nothing_and_are_answered_by_their_id(launch: Launch, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with client(served.url()) as user:
            before = await user.answer("parameters", type="set_parameters", id=1, parameters={})
            for number, wrong in enumerate(WRONG):
                refused = await user.answer("error", type="set_parameters", id=number, parameters=wrong)
                assert refused["id"] == number
            after = await user.answer("parameters", type="set_parameters", id=3, parameters={})
            assert after["parameters"] == before["parameters"]

    asyncio.run(scenario(lab(launch, tmp_path)))
